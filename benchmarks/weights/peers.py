"""What others do where weights do not fit: ``python -m benchmarks.weights peers``.

The first table puts one small model and the same mismatches through the loaders of others and
through ours; ``benchmarks.weights.loading`` has the model and the cases. A cell says what
came of it:

- *loads*, *loads the rest*: every tensor that fits has the file's numbers; *told* if what was left
  is named by the return value, a warning or the log, *silent* if not;
- *refuses*: an error is raised that names what is wrong, or *without naming what*; *model half
  loaded* if tensors of the model had changed by then;
- *loads nothing*: the model is as fresh, and that is told or not.

The second compares greedy ensemble weights with AutoGluon's ``EnsembleSelection`` on the same
predictions: eleven classifiers of scikit-learn on its digits, probabilities on 300 validation and
600 test images, a mean of the splits. The third compares ``average`` and ``refresh_statistics``
with torch's ``AveragedModel`` and ``update_bn``.

A package that is not installed is left out, with the reason. They want an environment of their
own, for timm pulls another torch: ``pip install timm transformers skorch``, and for AutoGluon's
selection alone ``pip install --no-deps autogluon.core autogluon.common autogluon.features``.
"""

from collections.abc import Callable
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
import tempfile
import time
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier
import torch
from torch import nn
from torch.optim import swa_utils

from benchmarks.report.markdown import table
from benchmarks.weights import loading
from optuna_meta import weights


_SIZE = 25  # Additions of the greedy selection.


def report(n_splits: int) -> Iterator[str]:
    """Yield the tables, what was left out, and versions."""
    yield "## Loading\n"
    present = [loader for loader in loading.LOADERS if find_spec(loader.package)]
    missing = {loader.package for loader in loading.LOADERS if loader not in present}
    yield from (f"{package} is not installed: left out.\n" for package in sorted(missing))
    rows = []
    for case in loading.CASES:
        with tempfile.TemporaryDirectory() as folder:
            rows.append([case.name, *(loading.judge(one, case, Path(folder)) for one in present)])
    yield table(["", *(f"{loader.package} {loader.name}" for loader in present)], rows)
    others = sorted({loader.package for loader in present} - {"optuna_meta"})
    yield "\n" + ", ".join(f"{package} {version(package)}" for package in others) + "."
    yield "\n## Greedy ensemble weights\n"
    yield from selection(n_splits)
    yield "\n## Averaging, against torch's AveragedModel\n"
    yield averaging()


def selection(n_splits: int) -> Iterator[str]:
    """Yield the comparison with AutoGluon's ensemble selection, or why there is none."""
    greedy = "autogluon.core.models.greedy_ensemble.ensemble_selection"
    try:
        peer: Any = import_module(greedy).EnsembleSelection
        log_loss: Any = import_module("autogluon.core.metrics").log_loss
    except ImportError as error:
        yield f"AutoGluon's selection is left out: {error}."
        return
    tensor = torch.from_numpy
    choices: dict[str, Callable[[Any, Any], Any]] = {
        "ours": lambda p, y: weights.greedy_weights(tensor(p), tensor(y), size=_SIZE),
        "AutoGluon": lambda p, y: peer(_SIZE, "multiclass", log_loss).fit(list(p), y).weights_,
    }
    rows = []
    for split in range(n_splits):
        valid, test = _predictions(split)
        for name, choose in choices.items():
            began = time.process_time()
            shares = np.array(choose(*valid))
            spent = time.process_time() - began
            rows.append((name, split, _loss(shares, *valid), _loss(shares, *test), spent))
    head = ["", "split", "validation loss", "test loss", "CPU seconds"]
    found = pd.DataFrame(rows, columns=head)
    means = found.groupby("", sort=False)[head[2:]].mean()
    yield table(["", *means], means.map("{:.4f}".format).itertuples())
    losses = found.pivot(index="split", columns="", values="validation loss")
    gap = losses["AutoGluon"] - losses["ours"]
    yield (
        f"\nOf {n_splits} splits, ours has the lower validation loss in {(gap > 1e-9).sum()} and "
        f"the same in {(gap.abs() <= 1e-9).sum()}. autogluon.core {version('autogluon.core')}."
    )


def averaging() -> str:
    """Return the table of differences from torch's averaged model."""
    torch.manual_seed(0)
    models, batches = [_normalised() for _ in range(4)], [torch.randn(16, 5) for _ in range(6)]
    for model in models:
        swa_utils.update_bn(batches, model)
    theirs = swa_utils.AveragedModel(models[0])
    for model in models:
        theirs.update_parameters(model)
    ours, states = _normalised(), [model.state_dict() for model in models]
    average = weights.average(states, allow_independent=True)
    weights.initialize(ours, average, partial="error")
    pairs = zip(ours.parameters(), theirs.module.parameters(), strict=True)
    gaps = {"weights": max(_gap(a, b) for a, b in pairs)}
    swa_utils.update_bn(batches, theirs)
    weights.refresh_statistics(ours, batches)
    for name, buffer in ours.named_buffers():
        gaps[f"`{name}` after recomputing"] = _gap(buffer, theirs.module.get_buffer(name))
    x = torch.randn(64, 5)
    gaps["predictions"] = _gap(ours.eval()(x), theirs.eval()(x))
    rows = ([name, f"{gap:.1e}"] for name, gap in gaps.items())
    return table(["greatest difference of", "absolute"], rows)


def _gap(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).detach().double().abs().max())


def _normalised() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def _predictions(seed: int) -> list[tuple[Any, Any]]:
    """Return probabilities (models, n, classes) and classes (n,), to validate and to test by."""
    x, y = load_digits(return_X_y=True)
    x = x / 16.0
    x, test_x, y, test_y = train_test_split(x, y, test_size=600, random_state=seed, stratify=y)
    x, valid_x, y, valid_y = train_test_split(x, y, test_size=300, random_state=seed, stratify=y)
    classifiers = [
        *(RandomForestClassifier(n, random_state=seed) for n in (10, 40)),
        ExtraTreesClassifier(40, random_state=seed),
        *(DecisionTreeClassifier(max_depth=d, random_state=seed) for d in (4, 8)),
        *(KNeighborsClassifier(n) for n in (3, 9)),
        *(LogisticRegression(C=c, max_iter=500) for c in (0.01, 1.0)),
        GaussianNB(var_smoothing=1e-2),
        LinearDiscriminantAnalysis(),
    ]
    fitted = [model.fit(x[:400], y[:400]) for model in classifiers]
    parts = (valid_x, valid_y), (test_x, test_y)
    return [(np.stack([m.predict_proba(part) for m in fitted]), own) for part, own in parts]


def _loss(shares: Any, predictions: Any, y: Any) -> float:
    mixed = np.tensordot(shares, predictions, 1)
    return float(-np.log(np.clip(mixed[np.arange(len(y)), y], 1e-12, None)).mean())

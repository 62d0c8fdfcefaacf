"""What others do where weights do not fit: ``python -m benchmarks.weights.peers``.

The first table puts one small model and the same mismatches through the loaders of others and
through ours; ``benchmarks.weights.peers_cases`` has the model and the cases. A cell says what
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

from __future__ import annotations

import argparse
from collections.abc import Iterator
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
import tempfile
import time
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.optim.swa_utils import update_bn

from benchmarks.weights.peers_cases import CASES
from benchmarks.weights.peers_loaders import judge
from benchmarks.weights.peers_loaders import LOADERS
from optuna_meta.weights import average
from optuna_meta.weights import greedy_weights
from optuna_meta.weights import initialize
from optuna_meta.weights import refresh_statistics


__all__ = ["averaging", "loading", "main", "selection"]

_SIZE = 25  # Additions of the greedy selection.
_SELECTION = "autogluon.core.models.greedy_ensemble.ensemble_selection"


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.weights.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--splits", type=int, default=10, help="of the predictions")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    print("## Loading\n")
    print("\n".join(loading()))
    print("\n## Greedy ensemble weights\n")
    print("\n".join(selection(args.splits)))
    print("\n## Averaging, against torch's AveragedModel\n")
    print("\n".join(averaging()))


def loading() -> Iterator[str]:
    """Yield the lines of the table of loaders, and what was left out."""
    present = [loader for loader in LOADERS if find_spec(loader.package)]
    missing = {loader.package for loader in LOADERS} - {loader.package for loader in present}
    yield from (f"{package} is not installed: left out.\n" for package in sorted(missing))
    yield from _rows([["", *(loader.name for loader in present)]])
    for case in CASES:
        cells = []
        for loader in present:
            with tempfile.TemporaryDirectory() as folder:
                cells.append(judge(loader, case, Path(folder)))
        yield _row([case.name, *cells])
    others = sorted({loader.package for loader in present} - {"optuna_meta"})
    yield "\n" + ", ".join(f"{package} {version(package)}" for package in others) + "."


def selection(splits: int) -> Iterator[str]:
    """Yield the lines of the comparison with AutoGluon's ensemble selection."""
    try:
        peer: Any = import_module(_SELECTION).EnsembleSelection
        log_loss: Any = import_module("autogluon.core.metrics").log_loss
    except ImportError as error:
        yield f"AutoGluon's selection is left out: {error}."
        return
    found: dict[str, list[tuple[float, float, float]]] = {"ours": [], "AutoGluon": []}
    n_better = n_equal = 0
    for seed in range(splits):
        valid, y, test, test_y = _predictions(seed)
        began = time.process_time()
        ours = greedy_weights(torch.from_numpy(valid), torch.from_numpy(y), size=_SIZE)
        between = time.process_time()
        fitted = peer(_SIZE, "multiclass", log_loss).fit(list(valid), y)
        spent = (between - began, time.process_time() - between)
        for name, weights, seconds in zip(found, (ours, fitted.weights_), spent, strict=True):
            losses = [_loss(np.array(weights), *part) for part in ((valid, y), (test, test_y))]
            found[name].append((*losses, seconds))  # type: ignore[arg-type]
        gap = found["AutoGluon"][-1][0] - found["ours"][-1][0]
        n_better, n_equal = n_better + (gap > 1e-9), n_equal + (abs(gap) <= 1e-9)
    yield from _rows([["", "validation loss", "test loss", "CPU seconds"]])
    for name, lines in found.items():
        yield _row([name, *(f"{value:.4f}" for value in np.mean(lines, axis=0))])
    yield (
        f"\nOf {splits} splits, ours has the lower validation loss in {n_better} and the same in "
        f"{n_equal}. autogluon.core {version('autogluon.core')}."
    )


def averaging() -> Iterator[str]:
    """Yield the lines of the comparison with torch's averaged model."""
    torch.manual_seed(0)
    models = [_normalised() for _ in range(4)]
    batches = [torch.randn(16, 5) for _ in range(6)]
    for model in models:
        update_bn(batches, model)
    theirs = AveragedModel(models[0])
    for model in models:
        theirs.update_parameters(model)
    ours = _normalised()
    states = [model.state_dict() for model in models]
    initialize(ours, average(states, allow_independent=True), partial="error")
    yield from _rows([["greatest difference of", "absolute"]])
    pairs = zip(ours.parameters(), theirs.module.parameters(), strict=True)
    gaps = [float((a - b).detach().abs().max()) for a, b in pairs]
    yield _row(["weights", f"{max(gaps):.1e}"])
    update_bn(batches, theirs)
    refresh_statistics(ours, batches)
    for name, buffer in ours.named_buffers():
        gap = (buffer.double() - theirs.module.get_buffer(name).double()).abs().max()
        yield _row([f"`{name}` after recomputing", f"{float(gap):.1e}"])
    x = torch.randn(64, 5)
    gap = (ours.eval()(x) - theirs.eval()(x)).detach().abs().max()
    yield _row(["predictions", f"{float(gap):.1e}"])


def _normalised() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def _predictions(seed: int) -> tuple[Any, Any, Any, Any]:
    """Of each classifier (models, n, classes) and classes (n,), on validation and test data."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    x = x / 16.0
    x, test_x, y, test_y = train_test_split(x, y, test_size=600, random_state=seed, stratify=y)
    x, valid_x, y, valid_y = train_test_split(x, y, test_size=300, random_state=seed, stratify=y)
    fitted = [model.fit(x[:400], y[:400]) for model in _classifiers(seed)]
    parts = [np.stack([m.predict_proba(part) for m in fitted]) for part in (valid_x, test_x)]
    return parts[0], valid_y, parts[1], test_y


def _classifiers(seed: int) -> list[Any]:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.tree import DecisionTreeClassifier

    forests = [RandomForestClassifier(n, random_state=seed) for n in (10, 40)]
    return [
        *forests,
        ExtraTreesClassifier(40, random_state=seed),
        *(DecisionTreeClassifier(max_depth=d, random_state=seed) for d in (4, 8)),
        *(KNeighborsClassifier(n) for n in (3, 9)),
        *(LogisticRegression(C=c, max_iter=500) for c in (0.01, 1.0)),
        GaussianNB(var_smoothing=1e-2),
        LinearDiscriminantAnalysis(),
    ]


def _loss(weights: Any, predictions: Any, y: Any) -> float:
    """Negative log likelihood of the mixture."""
    mixed = np.tensordot(weights, predictions, 1)
    return float(-np.log(np.clip(mixed[np.arange(len(y)), y], 1e-12, None)).mean())


def _rows(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield _row(rows[0])
    yield _row(["---"] * len(rows[0]))
    yield from map(_row, rows[1:])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()

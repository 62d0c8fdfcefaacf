"""Cross-validated kernel ridge regressions: steps are folds, and what is told is a running mean.

Data sets that ship with scikit-learn, squared errors of one-hot labels; a pruner that compares
folds (``WilcoxonPruner``) fits here and nowhere else.
"""

from collections.abc import Mapping
import functools
import time
from typing import Any
from typing import NamedTuple

import numpy as np

from benchmarks.tasks.base import Array
from benchmarks.tasks.regimes import stable_seed


FOLDS = "folds"
N_FOLDS = 10
_MOST_ROWS = 300
_KERNELS = ("rbf", "laplacian", "linear")


class Labelled(NamedTuple):
    X: Array  # (n, d)
    Y: Array  # (n, classes), one-hot


def configuration(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "kernel": str(rng.choice(_KERNELS)),
        "gamma": float(10.0 ** rng.uniform(-4, 1)),
        "ridge": float(10.0 ** rng.uniform(-6, 2)),
    }


@functools.cache
def data_sets() -> dict[str, Labelled]:
    from sklearn import datasets

    digits, wine = datasets.load_digits(), datasets.load_wine()
    cancer, sugar = datasets.load_breast_cancer(), datasets.load_diabetes()
    return {
        name: _labelled(name, X, y)
        for name, X, y in (
            ("wine", wine.data, wine.target),
            ("breast-cancer", cancer.data, cancer.target),
            ("diabetes", sugar.data, (sugar.target > np.median(sugar.target)).astype(float)),
            ("digits", digits.data, digits.target),
            ("digits-parity", digits.data, digits.target % 2),
            ("digits-loops", digits.data, np.isin(digits.target, (0, 6, 8, 9)).astype(float)),
        )
    }


def curve(data: Labelled, row: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """Return the mean of the errors of the folds so far, after each, and the seconds."""
    fold = np.arange(len(data.X)) % N_FOLDS
    errors: list[float] = []
    seconds, start = [], time.process_time()
    for k in range(N_FOLDS):
        seen, new = data.X[fold != k], data.X[fold == k]
        K = _kernel(row, seen, seen) + row["ridge"] * np.eye(len(seen))
        predicted = _kernel(row, new, seen) @ np.linalg.solve(K, data.Y[fold != k])
        errors.append(float(np.mean((predicted - data.Y[fold == k]) ** 2)))
        seconds.append(time.process_time() - start)
    return (np.cumsum(errors) / np.arange(1, N_FOLDS + 1)).tolist(), seconds


def of_folds(means: Array) -> Array:
    """Return the values of single folds of running means.  # (n, S)"""
    sums = means * np.arange(1, means.shape[1] + 1)
    return np.diff(sums, axis=1, prepend=0.0)


def _kernel(row: Mapping[str, Any], a: Array, b: Array) -> Array:
    if row["kernel"] == "linear":
        return np.asarray(a @ b.T)
    off = a[:, None] - b[None]
    distances = np.abs(off).sum(axis=2) if row["kernel"] == "laplacian" else (off**2).sum(axis=2)
    return np.asarray(np.exp(-row["gamma"] * distances))


def _labelled(name: str, X: Array, y: Array) -> Labelled:
    rng = np.random.default_rng(stable_seed("pruning", FOLDS, name))
    rows = rng.permutation(len(X))[:_MOST_ROWS]
    spread = X[rows].std(axis=0)
    scaled = (X[rows] - X[rows].mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    classes, codes = np.unique(y[rows], return_inverse=True)
    return Labelled(np.hstack([scaled, np.ones((len(rows), 1))]), np.eye(len(classes))[codes])

"""Cross-validation of simple learners in three folds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.columns import is_numeric


__all__ = ["cross_scores", "deal", "FOLDS"]

FOLDS = 3


def deal(target: NDArray[Any]) -> NDArray[np.int64]:
    """Returns the fold of each of n instances, shape (n,), in 0 .. FOLDS - 1.

    Dealt out in the order of the target, each fold has its share of each class or level.
    """
    fold = np.empty(len(target), dtype=np.int64)
    fold[np.argsort(target, kind="stable")] = np.arange(len(target)) % FOLDS
    return fold


def cross_scores(
    learners: Mapping[str, Any], design: Any, y: NDArray[Any], fold: NDArray[np.int64]
) -> dict[str, float]:
    """Returns the accuracy, or for numbers R^2 clipped to [-1, 1], of each learner.

    Args:
        learners: Classifiers, or for numbers regressors, by name.
        design: Shape (n, d), an array or a SciPy sparse matrix.
        y: Shape (n,), float64 numbers or int64 class codes.
        fold: Shape (n,); each instance is predicted by what was learned on the other folds.
    """
    score = _clipped_r2 if is_numeric(y) else _accuracy
    return {
        name: score(y, _cross_predict(learner, design, y, fold))
        for name, learner in learners.items()
    }


def _cross_predict(
    learner: Any, design: Any, y: NDArray[Any], fold: NDArray[np.int64]
) -> NDArray[Any]:
    predicted = np.empty_like(y)
    for k in range(FOLDS):
        learner.fit(design[fold != k], y[fold != k])
        predicted[fold == k] = learner.predict(design[fold == k])
    return predicted


def _accuracy(y: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    return float(np.mean(y == predicted))


def _clipped_r2(y: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    r2 = 1.0 - np.sum((y - predicted) ** 2) / np.sum((y - y.mean()) ** 2)
    return float(np.clip(r2, -1.0, 1.0))

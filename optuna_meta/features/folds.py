"""Cross-validation of simple learners in three folds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.budget import Budget
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
    learners: Mapping[str, Any],
    design: Any,
    y: NDArray[Any],
    fold: NDArray[np.int64],
    budget: Budget | None = None,
) -> dict[str, float]:
    """Returns the accuracy, or for numbers R^2 clipped to [-1, 1], of each learner.

    Learners that no time was left for are left out.

    Args:
        learners: Classifiers, or for numbers regressors, by name.
        design: Shape (n, d), an array or a SciPy sparse matrix.
        y: Shape (n,), float64 numbers or int64 class codes.
        fold: Shape (n,); each instance is predicted by what was learned on the other folds.
        budget: The time that there is; None for no limit.
    """
    score = _clipped_r2 if is_numeric(y) else _accuracy
    budget = budget or Budget()
    scores = {}
    for name, learner in learners.items():
        predicted = _cross_predict(learner, design, y, fold, budget)
        if predicted is not None:
            scores[name] = score(y, predicted)
    return scores


def _cross_predict(
    learner: Any, design: Any, y: NDArray[Any], fold: NDArray[np.int64], budget: Budget
) -> NDArray[Any] | None:
    """Returns the predictions (n,); None where the time does not last for all folds."""
    predicted = np.empty_like(y)
    for k in range(FOLDS):
        if not budget.allows():
            return None
        learner.fit(design[fold != k], y[fold != k])
        predicted[fold == k] = learner.predict(design[fold == k])
    return predicted


def _accuracy(y: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    return float(np.mean(y == predicted))


def _clipped_r2(y: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    r2 = 1.0 - np.sum((y - predicted) ** 2) / np.sum((y - y.mean()) ** 2)
    return float(np.clip(r2, -1.0, 1.0))

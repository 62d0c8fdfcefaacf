"""How well given learners predict the labels of descriptors, in threefold cross-validation.

As :mod:`.landmarkers`, for the descriptors of images and documents, which may be sparse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.budget import Budget
from optuna_meta.features.columns import is_numeric
from optuna_meta.features.folds import cross_scores
from optuna_meta.features.folds import deal
from optuna_meta.features.folds import FOLDS
from optuna_meta.features.measures import standardise


__all__ = ["learnable", "NearestCentroid", "probe"]


class NearestCentroid:
    """Predicts the class of the nearest mean; scikit-learn's warns where a column is constant."""

    def fit(self, design: Any, y: NDArray[np.int64]) -> None:
        """Takes the means of the rows of design (n, d), also sparse, of each class in y (n,)."""
        self._classes, number = np.unique(y, return_inverse=True)
        members = (number == np.arange(len(self._classes))[:, None]).astype(np.float64)
        # A sparse matrix is a left operand only.
        self._centroids = (design.T @ members.T).T / members.sum(axis=1)[:, None]

    def predict(self, design: Any) -> NDArray[np.int64]:
        """Returns a class for each row of design (m, d)."""
        # What the squared distances to all centroids have in common is left out.
        distances = np.sum(self._centroids**2, axis=1) - 2 * (design @ self._centroids.T)
        predicted: NDArray[np.int64] = self._classes[np.argmin(distances, axis=1)]
        return predicted


def learnable(y: NDArray[Any]) -> NDArray[np.int64]:
    """Returns the rows to learn from, ascending: those with a label, of a class with three.

    Empty where there are fewer than six numbers or two classes, or where all labels are equal.

    Args:
        y: Labels of shape (n,), float64 numbers or int64 class codes.
    """
    if is_numeric(y):
        rows = np.flatnonzero(~np.isnan(y))
        enough = len(rows) >= 2 * FOLDS
    else:
        rows = np.flatnonzero(y >= 0)
        rows = rows[np.bincount(y[rows])[y[rows]] >= FOLDS]
        enough = True
    return rows if enough and len(np.unique(y[rows])) > 1 else rows[:0]


def probe(
    design: Any,
    y: NDArray[Any],
    learners: Mapping[str, Any],
    rng: np.random.Generator,
    budget: Budget | None = None,
) -> dict[str, float]:
    """Returns the accuracy, or for numbers R^2 clipped to [-1, 1], of each learner.

    Empty where there is nothing to learn from, see :func:`learnable`.

    Args:
        design: Descriptors of shape (n, d), an array or a SciPy sparse matrix.
        y: Labels of shape (n,), float64 numbers or int64 class codes.
        learners: Classifiers, or for numbers regressors, of scikit-learn by name.
        rng: Draws the folds.
        budget: The time that there is; None for no limit.
    """
    rows = learnable(y)
    if not len(rows) or not design.shape[1]:
        return {}
    rows = rng.permutation(rows)
    # R^2 is of any unit, but a target such as 1e300 would overflow when squared.
    target: NDArray[Any] = standardise(y[rows, None])[:, 0] if is_numeric(y) else y[rows]
    return cross_scores(learners, design[rows], target, deal(target), budget)

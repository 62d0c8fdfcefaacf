"""How well simple learners predict a response, in threefold cross-validation."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.features.columns import is_numeric
from optuna_meta.features.groups import Budget
import optuna_meta.features.stats as stats


__all__ = [
    "FOLDS",
    "clipped_r2",
    "cross_scores",
    "cross_validate",
    "deal",
    "learnable",
    "make_learners",
    "scale_response",
]

FOLDS = 3  # The fewest that leave most rows to learn from: each fold costs a training.


class NearestCentroid:
    """A classifier by the nearest mean; scikit-learn's warns where a column is constant."""

    def fit(self, design: Any, y: NDArray[np.int64]) -> None:
        """Take the means of the rows of design (n, d), also sparse, of each class in y (n,)."""
        self._classes, number = np.unique(y, return_inverse=True)
        members = (number == np.arange(len(self._classes))[:, None]).astype(np.float64)
        # A sparse matrix is a left operand only.
        self._centroids = (design.T @ members.T).T / members.sum(axis=1)[:, None]

    def predict(self, design: Any) -> NDArray[np.int64]:
        """Return a class for each row of design (m, d)."""
        # What the squared distances to all centroids have in common is left out.
        distances = np.sum(self._centroids**2, axis=1) - 2 * (design @ self._centroids.T)
        return np.asarray(self._classes[np.argmin(distances, axis=1)])


def make_learners(
    names: Iterable[str], regression: bool, *, neighbours: str = "auto", ridge: float = 1.0
) -> dict[str, Any]:
    """Return new learners by these names; one for the other type of problem is left out.

    ``best_node`` is a decision stump, ``small_tree`` a tree of depth 5, ``one_nn`` the nearest
    neighbour; ``naive_bayes`` (Gaussian), ``linear_discr`` and ``nearest_centroid`` are
    classifiers, and ``ridge`` is a regression.

    Args:
        names: Names of these, and of others, which are passed over.
        regression: Whether to learn numbers, not classes.
        neighbours: How scikit-learn searches for neighbours.
        ridge: The penalty of the ridge regression.
    """
    # Imported here, for scikit-learn takes most of a second and many studies need none of it.
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import Ridge
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.tree import DecisionTreeClassifier
    from sklearn.tree import DecisionTreeRegressor

    tree = DecisionTreeRegressor if regression else DecisionTreeClassifier
    neighbour = KNeighborsRegressor if regression else KNeighborsClassifier
    learners = {
        "best_node": tree(max_depth=1, random_state=0),
        "small_tree": tree(max_depth=5, random_state=0),
        "one_nn": neighbour(1, algorithm=neighbours),
    }
    if regression:
        learners["ridge"] = Ridge(alpha=ridge)
    else:
        learners["naive_bayes"] = GaussianNB()
        learners["nearest_centroid"] = NearestCentroid()
        # Shrunk, since with more columns than rows the covariance is singular.
        learners["linear_discr"] = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)
    return {name: learners[name] for name in names if name in learners}


def learnable(y: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return those of the rows to learn from: with a response, of a class with three of them.

    Empty where there are fewer than six numbers.

    Args:
        y: The response of shape (n,), float64 numbers or int64 class codes.
        rows: Some of the n, in any order, which is kept; shape (m,).
    """
    if is_numeric(y):
        rows = rows[~np.isnan(y[rows])]
        return rows if len(rows) >= 2 * FOLDS else rows[:0]
    rows = rows[y[rows] >= 0]
    return np.asarray(rows[np.bincount(y[rows])[y[rows]] >= FOLDS])


def cross_validate(
    learners: Mapping[str, Any],
    design: Any,
    y: NDArray[Any],
    rng: np.random.Generator,
    budget: Budget,
) -> dict[str, float]:
    """Return the scores of :func:`cross_scores` on the rows that can be learned from.

    Empty without columns, and where all that can be learned from (see :func:`learnable`) is equal.

    Args:
        learners: Classifiers, or for numbers regressors, by name.
        design: Descriptors of shape (n, d), an array or a SciPy sparse matrix.
        y: The response of shape (n,), float64 numbers or int64 class codes.
        rng: Draws the folds.
        budget: The time that there is.
    """
    rows = learnable(y, np.arange(len(y)))
    if len(np.unique(y[rows])) < 2 or not design.shape[1]:
        return {}
    rows = rng.permutation(rows)
    y = scale_response(y[rows])
    return cross_scores(learners, design[rows], y, deal(y), budget)


def scale_response(y: NDArray[Any]) -> NDArray[Any]:
    """Return numbers (n,) with mean 0 and deviation 1, none if all are equal; classes as they are.

    R^2 is of any unit, but a response such as 1e300 would overflow when squared.
    """
    return stats.standardise(y[:, None]).ravel() if is_numeric(y) else y


def deal(y: NDArray[Any]) -> NDArray[np.int64]:
    """Return the fold of each of n instances, shape (n,), in 0 .. FOLDS - 1.

    Dealt out in the order of the response, each fold has its share of each class or level.
    """
    fold = np.empty(len(y), dtype=np.int64)
    fold[np.argsort(y, kind="stable")] = np.arange(len(y)) % FOLDS
    return fold


def cross_scores(
    learners: Mapping[str, Any],
    design: Any,
    y: NDArray[Any],
    fold: NDArray[np.int64],
    budget: Budget,
) -> dict[str, float]:
    """Return the accuracy, or for numbers R^2 clipped to [-1, 1], of each learner.

    Learners that no time was left for are left out.

    Args:
        learners: Classifiers, or for numbers regressors, by name.
        design: Shape (n, d), an array or a SciPy sparse matrix.
        y: Shape (n,), float64 numbers or int64 class codes.
        fold: Shape (n,); each instance is predicted by what was learned on the other folds.
        budget: The time that there is.
    """
    scores: dict[str, float] = {}
    for name, learner in learners.items():
        predicted = np.empty_like(y)
        for k in range(FOLDS):
            if not budget.allows():
                return scores
            learner.fit(design[fold != k], y[fold != k])
            predicted[fold == k] = learner.predict(design[fold == k])
        right = float(np.mean(y == predicted))
        scores[name] = clipped_r2(y, predicted) if is_numeric(y) else right
    return scores


def clipped_r2(y: Array, predicted: Array) -> float:
    """Return the coefficient of determination of numbers (n,), at least -1."""
    r2 = 1.0 - np.sum((y - predicted) ** 2) / np.sum((y - y.mean()) ** 2)
    return float(np.clip(r2, -1.0, 1.0))

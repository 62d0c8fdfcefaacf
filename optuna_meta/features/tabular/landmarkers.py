"""Landmarkers: how well simple learners predict the target.

Pfahringer, Bensusan and Giraud-Carrier (2000), "Meta-learning by landmarking various learning
algorithms". Each learner predicts every row of a sample of at most 500 once, in threefold
cross-validation.

``best_node`` is a decision stump, ``one_nn`` the nearest neighbour, ``naive_bayes`` a Gaussian one
and ``linear_discr`` a shrunk linear discriminant (both for classes only), ``ridge`` a ridge
regression (for numbers only). Three see one column alone: ``random_node`` is a stump on one that
is drawn, ``worst_node`` a stump on the one that matters least to a decision tree, ``elite_nn``
the nearest neighbour in the one that matters most.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.budget import Budget
from optuna_meta.features.columns import is_numeric
from optuna_meta.features.design import make_design
from optuna_meta.features.folds import cross_scores
from optuna_meta.features.folds import deal
from optuna_meta.features.folds import FOLDS
from optuna_meta.features.measures import standardise


__all__ = ["landmark"]

_MAX_ROWS = 500
_MAX_COLUMNS = 50


class _Sample(NamedTuple):
    design: NDArray[np.float64]  # (r, d)
    y: NDArray[Any]  # (r,), float64 numbers or int64 class codes
    fold: NDArray[np.int64]  # (r,), in 0 .. FOLDS - 1


def landmark(
    z: NDArray[np.float64],
    codes: NDArray[np.int64],
    y: NDArray[Any],
    rng: np.random.Generator,
    budget: Budget | None = None,
) -> dict[str, float]:
    """Returns the accuracy, or for a regression R^2 clipped to [-1, 1], of each learner.

    Empty where there is nothing to learn: no column that varies in each part to train on, fewer
    than two classes of three rows each, or fewer than six rows, or a constant target.

    Args:
        z: Standardised numeric columns of shape (m, a), NaN where missing.
        codes: Categorical columns of shape (m, c), -1 where missing.
        y: The target of shape (m,), float64 numbers or int64 class codes.
        rng: Draws the rows and the folds.
        budget: The time that there is; None for no limit.
    """
    sample = _draw(z, codes, y, rng)
    if not sample.design.shape[1] or len(np.unique(sample.y)) < 2:
        return {}
    learners = _regressors() if is_numeric(y) else _classifiers()
    learners |= _on_one_column(learners, int(rng.integers(sample.design.shape[1])))
    return cross_scores(learners, sample.design, sample.y, sample.fold, budget)


def _classifiers() -> dict[str, Any]:
    # Imported here, for scikit-learn takes most of a second and many studies need none of it.
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.tree import DecisionTreeClassifier

    return {
        "best_node": DecisionTreeClassifier(max_depth=1, random_state=0),
        # A tree search, for its distances, unlike a matrix product's, do not hang on rounding.
        "one_nn": KNeighborsClassifier(1, algorithm="kd_tree"),
        "naive_bayes": GaussianNB(),
        # Shrunk, since with more columns than rows the covariance is singular.
        "linear_discr": LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1),
    }


def _regressors() -> dict[str, Any]:
    from sklearn.linear_model import Ridge
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.tree import DecisionTreeRegressor

    return {
        "best_node": DecisionTreeRegressor(max_depth=1, random_state=0),
        "one_nn": KNeighborsRegressor(1, algorithm="kd_tree"),
        "ridge": Ridge(alpha=1.0),
    }


def _on_one_column(learners: Mapping[str, Any], random: int) -> dict[str, Any]:
    return {
        "random_node": _OneColumn(learners["best_node"], lambda X, y: random),
        "worst_node": _OneColumn(learners["best_node"], _least_important),
        "elite_nn": _OneColumn(learners["one_nn"], _most_important),
    }


class _OneColumn:
    """A learner that is shown one column: the one chosen on the rows to train on."""

    def __init__(
        self, learner: Any, choose: Callable[[NDArray[np.float64], NDArray[Any]], int]
    ) -> None:
        self._learner = learner
        self._choose = choose
        self._column = 0

    def fit(self, X: NDArray[np.float64], y: NDArray[Any]) -> None:
        self._column = self._choose(X, y)
        self._learner.fit(self._show(X), y)

    def predict(self, X: NDArray[np.float64]) -> NDArray[Any]:
        predicted: NDArray[Any] = self._learner.predict(self._show(X))
        return predicted

    def _show(self, X: NDArray[np.float64]) -> NDArray[np.float32]:
        # In single precision: equal distances stay so whatever the units, and rounding does not
        # decide between neighbours.
        return X[:, [self._column]].astype(np.float32)


def _least_important(X: NDArray[np.float64], y: NDArray[Any]) -> int:
    return int(np.argmin(_importances(X, y)))


def _most_important(X: NDArray[np.float64], y: NDArray[Any]) -> int:
    return int(np.argmax(_importances(X, y)))


def _importances(X: NDArray[np.float64], y: NDArray[Any]) -> NDArray[np.float64]:
    from sklearn.tree import DecisionTreeClassifier
    from sklearn.tree import DecisionTreeRegressor

    if is_numeric(y):
        # In single precision, so that the rounding of other units does not decide between splits.
        tree = DecisionTreeRegressor(random_state=0).fit(X, y.astype(np.float32))
    else:
        tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    importances: NDArray[np.float64] = tree.feature_importances_
    return importances


def _draw(
    z: NDArray[np.float64],
    codes: NDArray[np.int64],
    y: NDArray[Any],
    rng: np.random.Generator,
) -> _Sample:
    rows = _learnable(y, rng.permutation(len(y)))[:_MAX_ROWS]
    # Again, for the cut may leave a class too few members.
    rows = _learnable(y, rows)
    target = standardise(y[rows, None]).ravel() if is_numeric(y) else y[rows]
    if not len(target):
        return _Sample(np.empty((0, 0)), target, np.empty(0, dtype=np.int64))
    fold = deal(target)
    design = make_design(z[rows], codes[rows])
    trainable = [np.ptp(design[fold != k], axis=0) > 0 for k in range(FOLDS)]
    columns = np.flatnonzero(np.all(trainable, axis=0))
    if len(columns) > _MAX_COLUMNS:
        columns = np.sort(rng.choice(columns, _MAX_COLUMNS, replace=False))
    return _Sample(design[:, columns], target, fold)


def _learnable(y: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the rows with a target, and for classes those with a member for each fold."""
    if is_numeric(y):
        rows = rows[~np.isnan(y[rows])]
        return rows if len(rows) >= 2 * FOLDS else rows[:0]
    rows = rows[y[rows] >= 0]
    frequent: NDArray[np.bool_] = np.bincount(y[rows])[y[rows]] >= FOLDS
    return rows[frequent]

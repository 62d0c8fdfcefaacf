"""The group ``landmarking`` of tables: how well simple learners predict the response.

Pfahringer, Bensusan and Giraud-Carrier (2000), "Meta-learning by landmarking various learning
algorithms". Each learner predicts every row of a sample of at most 500 once, in threefold
cross-validation.

``best_node``, ``one_nn``, ``naive_bayes``, ``linear_discr`` and ``ridge`` are those of
:func:`.make_learners`. Three see one column alone: ``random_node`` is a stump on one that is
drawn, ``worst_node`` a stump on the one that matters least to a decision tree, ``elite_nn`` the
nearest neighbour in the one that matters most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.features.columns import is_numeric
import optuna_meta.features.cross_validation as cross_validation
from optuna_meta.features.groups import Budget
import optuna_meta.features.stats as stats
from optuna_meta.features.tabular.table import encode
from optuna_meta.features.tabular.tree import grow_tree


__all__ = ["landmark"]

_LEARNERS = ("best_node", "one_nn", "naive_bayes", "linear_discr", "ridge")
_MAX_ROWS = 500  # An accuracy of them has a standard error of at most two hundredths.
_MAX_COLUMNS = 50  # Ten rows each; in more, distances to neighbours hardly differ.


def landmark(
    z: Array, codes: NDArray[np.int64], y: NDArray[Any], rng: np.random.Generator, budget: Budget
) -> dict[str, float]:
    """Return the accuracy, or for a regression R^2 clipped to [-1, 1], of each learner.

    Empty where there is nothing to learn: no column that varies in each part to train on, fewer
    than two classes of three rows each, or fewer than six rows, or a constant response.

    Args:
        z: Standardised numeric columns of shape (m, a), NaN where missing.
        codes: Categorical columns of shape (m, c), -1 where missing.
        y: The response of shape (m,), float64 numbers or int64 class codes.
        rng: Draws the rows and the folds.
        budget: The time that there is.
    """
    rows = cross_validation.learnable(y, rng.permutation(len(y)))[:_MAX_ROWS]
    # Again, for the cut may leave a class too few members.
    rows = cross_validation.learnable(y, rows)
    y = cross_validation.scale_response(y[rows])
    if not len(y):
        return {}
    fold = cross_validation.deal(y)
    design = encode(z[rows], codes[rows])
    parts = [design[fold != k] for k in range(cross_validation.FOLDS)]
    design = design[:, np.all([np.ptp(part, axis=0) > 0 for part in parts], axis=0)]
    design = design[:, stats.subsample(design.shape[1], _MAX_COLUMNS, rng)]
    if not design.shape[1] or len(np.unique(y)) < 2:
        return {}
    # A tree search, for its distances, unlike a matrix product's, do not hang on rounding.
    learners = cross_validation.make_learners(_LEARNERS, is_numeric(y), neighbours="kd_tree")
    drawn = int(rng.integers(design.shape[1]))
    stump, neighbour = learners["best_node"], learners["one_nn"]
    learners["random_node"] = _OneColumn(stump, lambda X, y: drawn)
    learners["worst_node"] = _OneColumn(stump, lambda X, y: int(np.argmin(_importances(X, y))))
    learners["elite_nn"] = _OneColumn(neighbour, lambda X, y: int(np.argmax(_importances(X, y))))
    return cross_validation.cross_scores(learners, design, y, fold, budget)


class _OneColumn:
    """A learner that is shown one column: the one chosen on the rows to train on."""

    def __init__(self, learner: Any, choose: Callable[[Array, NDArray[Any]], int]) -> None:
        self._learner = learner
        self._choose = choose
        self._column = 0

    def fit(self, X: Array, y: NDArray[Any]) -> None:
        self._column = self._choose(X, y)
        self._learner.fit(self._show(X), y)

    def predict(self, X: Array) -> NDArray[Any]:
        return np.asarray(self._learner.predict(self._show(X)))

    def _show(self, X: Array) -> NDArray[np.float32]:
        # In single precision: equal distances stay so whatever the units, and rounding does not
        # decide between neighbours.
        return X[:, [self._column]].astype(np.float32)


def _importances(X: Array, y: NDArray[Any]) -> Array:
    return np.asarray(grow_tree(X, y).feature_importances_)

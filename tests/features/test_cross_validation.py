from __future__ import annotations

from typing import Any
import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_iris
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
import sklearn.neighbors
from sklearn.neighbors import KNeighborsClassifier

from optuna_meta.features.cross_validation import cross_scores
from optuna_meta.features.cross_validation import cross_validate
from optuna_meta.features.cross_validation import deal
from optuna_meta.features.cross_validation import FOLDS
from optuna_meta.features.cross_validation import learnable
from optuna_meta.features.cross_validation import make_learners
from optuna_meta.features.cross_validation import NearestCentroid
from optuna_meta.features.groups import Budget
from optuna_meta.features.groups import UNLIMITED


X, Y = load_iris(return_X_y=True)
TURNS = np.arange(12) % 2


@pytest.mark.parametrize("convert", [np.asarray, csr_matrix])
def test_the_nearest_centroid_is_that_of_sklearn(convert: type) -> None:
    ours = NearestCentroid()
    ours.fit(convert(X), Y)
    expected = sklearn.neighbors.NearestCentroid().fit(X, Y).predict(X)
    np.testing.assert_array_equal(ours.predict(convert(X)), expected)


def test_a_constant_column_is_no_cause_for_a_warning() -> None:
    learner = NearestCentroid()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learner.fit(np.zeros((4, 2)), np.array([0, 0, 1, 1]))
    assert set(learner.predict(np.ones((2, 2)))) <= {0, 1}


def test_scores_are_near_those_of_sklearns_cross_validation() -> None:
    learner = KNeighborsClassifier(1)
    rng = np.random.default_rng(0)
    score = cross_validate({"one_nn": learner}, X, Y, rng, UNLIMITED)["one_nn"]
    assert score == pytest.approx(cross_val_score(learner, X, Y, cv=3).mean(), abs=0.03)


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e300])
def test_a_line_is_found_whatever_its_scale(scale: float) -> None:
    x = np.linspace(-1, 1, 60)[:, None]
    rng = np.random.default_rng(0)
    scores = cross_validate({"ridge": Ridge(1e-6)}, x, 2 * x[:, 0] * scale, rng, UNLIMITED)
    assert scores["ridge"] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ([0, 0, 0, 1, 1, 1, 2, -1], [0, 1, 2, 3, 4, 5]),
        ([0, 0, 1], []),
        ([1.0, np.nan, 2, 3, 4, 5, 6], [0, 2, 3, 4, 5, 6]),
        ([1.0, 2.0], []),
        ([-1] * 9, []),
    ],
)
def test_only_labels_of_which_there_are_enough_are_learnt(y: Any, expected: list[int]) -> None:
    rows = np.arange(len(y))
    assert learnable(np.array(y), rows).tolist() == expected
    assert learnable(np.array(y), rows[::-1]).tolist() == expected[::-1]


@pytest.mark.parametrize(
    "y", [[0, 1, 2], [0, 0, 0, 1], [-1] * 9, [1] * 9, [1.0, 2.0], [2.5] * 9, [np.nan] * 9]
)
def test_without_anything_to_tell_apart_there_are_no_scores(y: list[float]) -> None:
    rng = np.random.default_rng(0)
    learners = {"ridge": Ridge()}
    assert cross_validate(learners, X[: len(y)], np.array(y), rng, UNLIMITED) == {}
    assert cross_validate(learners, np.empty((12, 0)), TURNS, rng, UNLIMITED) == {}


@pytest.mark.parametrize("regression", [True, False])
def test_learners_suit_the_type_of_problem(regression: bool) -> None:
    names = ["ridge", "one_nn", "linear_discr", "nearest_centroid", "unknown", "best_node"]
    learners = make_learners(names, regression)
    only = ["ridge"] if regression else ["linear_discr", "nearest_centroid"]
    assert list(learners) == [name for name in names if name in [*only, "one_nn", "best_node"]]
    y = X[:, 0] if regression else Y
    scores = cross_validate(learners, X[:, 1:], y, np.random.default_rng(0), UNLIMITED)
    assert all(scores[name] > 0.5 for name in learners)


class Slow:
    """A classifier that always predicts 1, and takes a second to learn it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def fit(self, X: Any, y: Any) -> None:
        self.seconds += 1.0

    def predict(self, X: Any) -> Any:
        return np.ones(len(X), dtype=np.int64)


def test_each_fold_has_its_share_of_each_class() -> None:
    fold = deal(TURNS)
    assert sorted(zip(TURNS.tolist(), fold.tolist(), strict=True)) == sorted(
        (label, k) for label in (0, 1) for k in range(FOLDS) for _ in range(2)
    )


@pytest.mark.parametrize(
    ("max_seconds", "finished", "fits"),
    [(0.0, 0, 0), (2.0, 0, 2), (2.5, 1, 3), (3.0, 1, 3), (5.0, 1, 5), (9.0, 2, 6), (None, 2, 6)],
)
def test_a_learner_counts_where_the_time_lasts_for_the_start_of_all_its_folds(
    max_seconds: float | None, finished: int, fits: int
) -> None:
    learners = {"first": Slow(), "second": Slow()}

    def clock() -> float:
        return sum(learner.seconds for learner in learners.values())

    scores = cross_scores(
        learners, TURNS[:, None], TURNS, deal(TURNS), Budget(max_seconds, clock=clock)
    )
    assert scores == dict.fromkeys(list(learners)[:finished], 0.5)
    assert clock() == fits

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optuna_meta.features.budget import Budget
from optuna_meta.features.folds import cross_scores
from optuna_meta.features.folds import deal
from optuna_meta.features.folds import FOLDS


X = np.arange(12.0)[:, None]
Y = np.arange(12) % 2


class Slow:
    """A classifier that always predicts 1, and takes a second to learn it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def fit(self, X: Any, y: Any) -> None:
        self.seconds += 1.0

    def predict(self, X: Any) -> Any:
        return np.ones(len(X), dtype=np.int64)


def test_each_fold_has_its_share_of_each_class() -> None:
    fold = deal(Y)
    assert sorted(zip(Y.tolist(), fold.tolist(), strict=True)) == sorted(
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

    scores = cross_scores(learners, X, Y, deal(Y), Budget(max_seconds, clock=clock))
    assert scores == dict.fromkeys(list(learners)[:finished], 0.5)
    assert clock() == fits

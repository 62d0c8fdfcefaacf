from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.datasets import load_iris
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB

from optuna_meta.features.groups import UNLIMITED
from optuna_meta.features.stats import standardise
from optuna_meta.features.tabular.landmarkers import landmark


NO_CODES = np.empty((150, 0), dtype=np.int64)


def score(numbers: Any, y: Any, codes: Any = None, seed: int = 0) -> dict[str, float]:
    codes = np.empty((len(y), 0), dtype=np.int64) if codes is None else np.asarray(codes)
    z = standardise(np.asarray(numbers, dtype=float).reshape(len(y), -1))
    return landmark(z, codes, np.asarray(y), np.random.default_rng(seed), UNLIMITED)


def test_iris_is_as_easy_as_sklearn_finds_it() -> None:
    X, y = load_iris(return_X_y=True)
    scores = score(X, y)
    folds = KFold(3, shuffle=True, random_state=0)
    expected = cross_val_score(GaussianNB(), X, y, cv=folds).mean()
    assert scores["naive_bayes"] == pytest.approx(expected, abs=0.03)
    # One split tells one class from the two others.
    assert scores["best_node"] == pytest.approx(2 / 3, abs=0.03)


def test_diabetes_is_as_linear_as_sklearn_finds_it() -> None:
    X, y = load_diabetes(return_X_y=True)
    folds = KFold(3, shuffle=True, random_state=0)
    expected = cross_val_score(Ridge(alpha=1e-3), X, y, cv=folds).mean()
    assert score(X, y)["ridge"] == pytest.approx(expected, abs=0.05)


def test_a_linear_response_is_no_secret_to_ridge() -> None:
    x = np.random.default_rng(0).standard_normal((200, 3))
    assert score(x, x @ [1.0, 2.0, 3.0])["ridge"] > 0.99


def test_a_category_that_is_the_class_suffices() -> None:
    y = np.arange(60) % 2
    assert score(np.empty((60, 0)), y, codes=y[:, None])["best_node"] == 1.0


def test_noise_is_not_predicted() -> None:
    rng = np.random.default_rng(0)
    scores = score(rng.standard_normal((500, 4)), rng.integers(0, 2, 500))
    assert all(0.4 < value < 0.6 for value in scores.values())
    scores = score(rng.standard_normal((500, 4)), rng.standard_normal(500))
    assert all(-1.0 <= value < 0.1 for value in scores.values())


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.ones(30), np.arange(30) % 2),
        (np.arange(30), np.zeros(30, dtype=int)),
        (np.arange(30), np.arange(30)),
        (np.arange(30), np.full(30, -1)),
        (np.arange(30), np.full(30, np.nan)),
        (np.arange(30), np.full(30, 0.1)),
        (np.eye(30)[0], np.arange(30) % 2),
        (np.arange(3), np.array([0.1, 0.2, 0.3])),
    ],
    ids=[
        *("constant column", "one class", "a class per row", "no class", "no number"),
        *("constant response", "column that hardly varies", "too few rows"),
    ],
)
def test_nothing_to_learn_gives_no_scores(x: Any, y: Any) -> None:
    assert score(x, y) == {}


def test_rows_without_a_response_and_rare_classes_do_not_count() -> None:
    x = np.random.default_rng(0).standard_normal((40, 2))
    y = np.array([0, 1] * 18 + [-1, 2, 2, -1])
    names = {"best_node", "one_nn", "naive_bayes", "linear_discr"}
    assert set(score(x, y)) == names | {"random_node", "worst_node", "elite_nn"}


@pytest.mark.parametrize("regression", [False, True])
def test_learners_of_one_column_find_the_most_and_the_least_important(regression: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 4))
    x[:, 1] = np.round(x[:, 1])  # A column of few values is split least often.
    signal = np.where(x[:, 2] > 0, 1.0, -1.0)
    scores = score(x, signal if regression else (signal > 0).astype(int))
    assert scores["elite_nn"] > 0.95
    assert scores["best_node"] > 0.95
    assert scores["worst_node"] < 0.6
    nothing = score(x[:, [0, 1, 3]], signal if regression else (signal > 0).astype(int))
    assert nothing["elite_nn"] < 0.6


def test_one_column_leaves_no_choice() -> None:
    x, y = np.random.default_rng(0).standard_normal(200), np.arange(200) % 2
    scores = score(x + y, y)
    assert scores["best_node"] == scores["worst_node"] == scores["random_node"]
    assert scores["elite_nn"] == scores["one_nn"]

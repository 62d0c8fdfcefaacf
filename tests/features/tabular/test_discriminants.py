from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression

from optuna_meta.features.stats import standardise
from optuna_meta.features.tabular.discriminants import separate


def test_iris_has_the_canonical_correlations_of_the_textbooks() -> None:
    # Mardia, Kent and Bibby (1979), "Multivariate analysis", and any discriminant analysis of it.
    X, y = load_iris(return_X_y=True)
    features = separate(standardise(X), y)
    assert features["can_cor.max"] == pytest.approx(0.9848, abs=1e-4)
    assert features["can_cor.mean"] == pytest.approx((0.9848 + 0.4712) / 2, abs=1e-4)
    assert features["w_lambda"] == pytest.approx(0.02344, abs=1e-5)


def test_wilks_lambda_is_the_ratio_of_determinants() -> None:
    X, y = load_iris(return_X_y=True)
    X = X[: 100 + 30]
    y = y[: 100 + 30]
    total = (X - X.mean(axis=0)).T @ (X - X.mean(axis=0))
    within = sum(np.cov(X[y == c].T) * (np.sum(y == c) - 1) for c in range(3))
    expected = np.linalg.det(within) / np.linalg.det(total)
    assert separate(standardise(X), y)["w_lambda"] == pytest.approx(expected)


def test_of_a_number_it_is_the_multiple_correlation() -> None:
    X, y = load_diabetes(return_X_y=True)
    r2 = LinearRegression().fit(X, y).score(X, y)
    features = separate(standardise(X), y)
    assert features["can_cor.mean"] == pytest.approx(np.sqrt(r2))
    assert features["w_lambda"] == pytest.approx(1 - r2)
    assert "gravity" not in features


def test_gravity_is_between_the_largest_and_the_smallest_class() -> None:
    z = np.array([[0.0, 0.0], [0.0, 2.0], [0.0, 1.0], [9.0, 9.0], [9.0, 9.0], [3.0, 5.0]])
    y = np.array([0, 0, 0, 1, 1, 2])
    assert separate(z, y)["gravity"] == pytest.approx(5.0)


def test_collinear_columns_and_missing_responses_change_nothing() -> None:
    X, y = load_iris(return_X_y=True)
    expected = separate(standardise(X), y)
    del expected["gravity"]  # A column that comes twice counts twice in a distance.
    twice = standardise(np.column_stack([X, X, X.sum(axis=1)]))
    z = np.vstack([twice, twice[:5] + 1.0])
    actual = separate(z, np.append(y, np.full(5, -1)))
    assert {name: actual[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(10, 10), (10, 30)])
def test_as_many_columns_as_rows_say_nothing(shape: tuple[int, int]) -> None:
    z = np.random.default_rng(0).standard_normal(shape)
    assert set(separate(z, np.arange(10) % 2)) == {"gravity"}
    assert separate(z, np.arange(10.0)) == {}


@pytest.mark.parametrize(
    "y", [np.zeros(9, dtype=int), np.full(9, -1), np.full(9, np.nan), np.full(9, 0.1)]
)
def test_nothing_to_separate(y: np.ndarray) -> None:
    assert separate(np.random.default_rng(0).standard_normal((9, 2)), y) == {}
    assert separate(np.empty((9, 0)), np.arange(9) % 2) == {}


def test_huge_numbers_do_not_overflow() -> None:
    X, y = load_diabetes(return_X_y=True)
    z = standardise(X)
    assert separate(z, y * 1e300)["can_cor.max"] == pytest.approx(separate(z, y)["can_cor.max"])

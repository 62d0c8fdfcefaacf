from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal
from sklearn.gaussian_process.kernels import Matern

from optuna_meta._typing import Array
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.dimension import NOTHING
from optuna_meta.space.dimension import UNSEEN
from optuna_meta.space.search_space import Space
from optuna_meta.surrogate.kernel import _negative_log_likelihood
from optuna_meta.surrogate.kernel import column_owners
from optuna_meta.surrogate.kernel import design
from optuna_meta.surrogate.kernel import matern52
from optuna_meta.surrogate.kernel import squared_distances
from optuna_meta.surrogate.kernel import target_precisions


SPACE = Space(
    (
        Dimension("c", choices=("a", "b", "c")),
        Dimension("n", 1, 9, step=2.0, integer=True),
        Dimension("x"),
        Dimension("flag", choices=(True, False)),
    )
)


@pytest.mark.parametrize("length_scale", [0.2, 1.0, 5.0])
def test_matern_is_that_of_sklearn(length_scale: float) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((7, 3)), rng.random((5, 3))
    expected = Matern(length_scale, nu=2.5)(a, b)
    np.testing.assert_allclose(matern52(squared_distances(a, b) / length_scale**2), expected)


def test_matern_is_one_at_distance_zero_and_falls() -> None:
    correlation = matern52(np.linspace(0.0, 50.0, 200))
    assert correlation[0] == 1.0
    assert (np.diff(correlation) < 0.0).all() and correlation[-1] > 0.0


def test_squared_distances_are_those_of_scipy_and_never_negative() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 6, 4)), rng.random((2, 3, 4))
    for i in range(2):
        expected = cdist(a[i], b[i], "sqeuclidean")
        np.testing.assert_allclose(squared_distances(a, b)[i], expected, atol=1e-14)
    far = 1e6 + rng.random((20, 4))  # Where the expansion of the square loses all digits.
    assert (squared_distances(far, far) >= 0.0).all()


def test_numbers_to_choose_from_are_as_far_apart_as_numbers() -> None:
    listed = Space((Dimension.choosing("n", (64, 1, 8)),))
    within = Space((Dimension("n", 1, 64, log=True, integer=True),))
    values = [{"n": n} for n in (1, 8, 64)] + [{}]
    np.testing.assert_allclose(
        design(listed.rows(values), listed), design(within.rows(values), within), atol=1e-12
    )


def test_every_column_has_an_owner() -> None:
    assert column_owners(SPACE).tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3]
    assert design(np.zeros((2, 4)), SPACE).shape == (2, 9)
    assert column_owners(Space()).shape == (0,)
    assert design(np.zeros((2, 0)), Space()).shape == (2, 0)


def by_dimension(a: dict[str, object], b: dict[str, object]) -> dict[str, float]:
    """Squared distance of two configurations, by dimension."""
    columns = design(SPACE.rows([a, b]), SPACE)
    squares = (columns[0] - columns[1]) ** 2
    owners = column_owners(SPACE)
    return {name: float(squares[owners == d].sum()) for d, name in enumerate(SPACE.names)}


def test_different_choices_are_as_far_apart_as_the_ends_of_a_range() -> None:
    a, b = {"c": "a", "x": 0.0, "flag": True}, {"c": "c", "x": 1.0, "flag": False}
    assert by_dimension(a, b) == pytest.approx({"c": 1.0, "n": 0.0, "x": 1.0, "flag": 1.0})
    assert by_dimension(a, a) == pytest.approx(dict.fromkeys(SPACE.names, 0.0))


@pytest.mark.parametrize("other", ["a", "b", "c"])
def test_inactive_and_unseen_choices_are_equally_far_from_all(other: str) -> None:
    assert by_dimension({"c": other}, {"c": NOTHING})["c"] == pytest.approx(0.5)
    assert by_dimension({"c": other}, {"c": "new"})["c"] == pytest.approx(0.5)
    assert by_dimension({"c": "new"}, {"c": NOTHING})["c"] == 0.0
    assert SPACE.row({"c": "new"})[0] == UNSEEN


@pytest.mark.parametrize("cell", [0.0, 0.3, 0.5, 1.0])
def test_an_inactive_number_stands_in_the_middle_and_apart(cell: float) -> None:
    expected = (cell - 0.5) ** 2 + 0.5
    assert by_dimension({"x": cell}, {})["x"] == pytest.approx(expected)
    assert by_dimension({}, {})["x"] == 0.0


def test_designs_are_finite_whatever_is_missing() -> None:
    rows = np.array([[np.nan] * 4, [UNSEEN, np.nan, -0.2, UNSEEN], [2.0, 1.0, 1.5, 0.0]])
    assert np.isfinite(design(rows, SPACE)).all()


OWNERS = np.array([0, 1, 1, 2])
INITIAL = np.full(3, 8.0 / 3.0)


def data(n: int, seed: int = 0) -> tuple[Array, Array]:
    """Values that depend on dimension 1 alone."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, 4))
    return X, np.sin(6.0 * X[:, 1]) + np.cos(5.0 * X[:, 2]) + 0.01 * rng.standard_normal(n)


def squares_by_dimension(X: Array) -> Array:
    columns = (X[:, None] - X[None]) ** 2
    return np.stack([columns[..., OWNERS == d].sum(-1) for d in range(3)])


@pytest.mark.parametrize("theta", [[0.0, 0.5, -1.0, -4.0], [2.0, -3.0, 0.3, -1.0]])
@pytest.mark.parametrize("n", [4, 9])
def test_the_gradient_is_that_of_finite_differences(theta: list[float], n: int) -> None:
    X, y = data(n)
    squared, at = squares_by_dimension(X), np.array(theta)
    expected = approx_fprime(at, lambda t: _negative_log_likelihood(t, squared, y)[0], 1e-6)
    gradient = _negative_log_likelihood(at, squared, y)[1]
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)


def test_the_value_is_the_density_of_contrasts_at_the_best_amplitude() -> None:
    X, y = data(7)
    contrasts = np.linalg.svd(np.ones((1, 7)))[2][1:]

    def exact(theta: Array) -> float:
        length_scales = np.exp(-0.5 * theta[:3])[OWNERS]
        R = Matern(length_scales, nu=2.5)(X) + (1e-4 + np.exp(theta[3])) * np.eye(7)
        S = contrasts @ R @ contrasts.T
        return float(
            minimize_scalar(
                lambda a: -multivariate_normal(cov=np.exp(a) * S).logpdf(contrasts @ y)
            ).fun
        )

    squared = squares_by_dimension(X)
    thetas = np.random.default_rng(1).normal([0.5, 0.5, 0.5, -3.0], 1.0, (5, 4))
    found = np.array([_negative_log_likelihood(t, squared, y)[0] for t in thetas])
    expected = np.array([exact(t) for t in thetas])
    np.testing.assert_allclose(found - found[0], expected - expected[0], atol=1e-6)
    assert np.ptp(expected) > 0.1


def test_the_relevant_dimension_gets_the_shortest_length_scale() -> None:
    for seed in range(3):
        X, y = data(25, seed)
        precisions = target_precisions(X, y, OWNERS, INITIAL)
        assert precisions.shape == (3,)
        assert precisions[1] > 4.0 * precisions[[0, 2]].max()


@pytest.mark.parametrize("n", [0, 1, 3])
def test_few_trials_leave_the_initial_values(n: int) -> None:
    X, y = data(n)
    np.testing.assert_array_equal(target_precisions(X, y, OWNERS, INITIAL), INITIAL)


def test_constant_values_leave_the_initial_values() -> None:
    X, y = data(10)
    np.testing.assert_array_equal(target_precisions(X, 0.0 * y + 3.0, OWNERS, INITIAL), INITIAL)


@pytest.mark.parametrize(("scale", "shift"), [(1e-4, 0.0), (1.0, 10.0), (1e4, -3.0)])
def test_shift_and_scale_of_the_values_are_immaterial(scale: float, shift: float) -> None:
    X, y = data(10)
    np.testing.assert_allclose(
        target_precisions(X, scale * y + shift, OWNERS, INITIAL),
        target_precisions(X, y, OWNERS, INITIAL),
        rtol=1e-2,
    )


def test_repeated_trials_do_no_harm() -> None:
    X, y = data(6)
    X, y = np.vstack([X, X, X]), np.concatenate([y, y, y + 1e-3])
    precisions = target_precisions(X, y, OWNERS, INITIAL)
    assert np.isfinite(precisions).all() and (precisions > 0.0).all()


def test_a_dimension_that_never_varies_keeps_its_initial_value() -> None:
    X, y = data(12)
    X[:, 0] = 0.5
    precisions = target_precisions(X, y, OWNERS, INITIAL)
    assert precisions[0] == pytest.approx(INITIAL[0], rel=1e-3)

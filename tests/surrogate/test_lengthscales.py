from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_normal
from sklearn.gaussian_process.kernels import Matern

from optuna_meta._typing import Array
from optuna_meta.surrogate.lengthscales import _negative_log_likelihood
from optuna_meta.surrogate.lengthscales import target_precisions


OWNERS = np.array([0, 1, 1, 2])
INITIAL = np.full(3, 8.0 / 3.0)


def data(n: int, seed: int = 0) -> tuple[Array, Array]:
    """Values that depend on dimension 1 alone."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, 4))
    return X, np.sin(6.0 * X[:, 1]) + np.cos(5.0 * X[:, 2]) + 0.01 * rng.standard_normal(n)


def by_dimension(X: Array) -> Array:
    columns = (X[:, None] - X[None]) ** 2
    return np.stack([columns[..., OWNERS == d].sum(-1) for d in range(3)])


@pytest.mark.parametrize("theta", [[0.0, 0.5, -1.0, -4.0], [2.0, -3.0, 0.3, -1.0]])
@pytest.mark.parametrize("n", [4, 9])
def test_the_gradient_is_that_of_finite_differences(theta: list[float], n: int) -> None:
    X, y = data(n)
    squared, at = by_dimension(X), np.array(theta)
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

    squared = by_dimension(X)
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

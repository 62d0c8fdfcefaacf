from __future__ import annotations

import numpy as np
import pytest
import torch

from optuna_meta._typing import Array
from optuna_meta.surrogate.base_gps import GPParameters
from optuna_meta.surrogate.base_likelihood import PriorLikelihood
from tests.surrogate.study_arrays import dense_covariance
from tests.surrogate.study_arrays import N_DIMS
from tests.surrogate.study_arrays import OWNERS
from tests.surrogate.study_arrays import padded
from tests.surrogate.study_arrays import studies
from tests.surrogate.study_arrays import Study


def likelihood_of(some: list[Study], longest: int | None = None) -> PriorLikelihood:
    tuned = np.ones((len(some), N_DIMS), dtype=bool)
    return PriorLikelihood.of(padded(some, tuned, longest), "cpu")


def some_theta(n_tasks: int, seed: int = 0) -> torch.Tensor:
    theta = np.random.default_rng(seed).uniform(-1.0, 1.0, (n_tasks, N_DIMS + 2))
    theta[:, -1] -= 3.0
    return torch.as_tensor(theta)


@pytest.mark.parametrize("n", [1, 2, 6, 11])
def test_the_restricted_likelihood_is_the_density_of_contrasts(n: int) -> None:
    ((X, z),), theta = studies([n]), some_theta(1)
    t = theta.numpy()
    parameters = GPParameters(np.exp(t[:, :-2]), np.exp(t[:, -2]), 1e-4 + np.exp(t[:, -1]))
    K = dense_covariance(parameters, 0, X, X) + parameters.noise[0] * np.eye(n)
    contrasts = np.linalg.svd(np.ones((1, n)))[2][1:]  # Orthonormal, orthogonal to the constant.
    v, S = contrasts @ z, contrasts @ K @ contrasts.T
    density = 0.5 * (v @ np.linalg.solve(S, v) + np.linalg.slogdet(S)[1] + np.log(n))
    found = float(likelihood_of([(X, z)], longest=15)(theta)[0])
    assert found == pytest.approx(density, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("longest", [12, 15])
def test_the_gradient_is_that_of_differences(longest: int) -> None:
    likelihood, theta = likelihood_of(studies([12, 12, 4]), longest), some_theta(3)
    _, gradient = likelihood(theta)
    for p in range(theta.shape[1]):
        shift = torch.zeros_like(theta)
        shift[:, p] = 1e-5
        difference = (likelihood(theta + shift)[0] - likelihood(theta - shift)[0]) / 2e-5
        np.testing.assert_allclose(gradient[:, p], difference, rtol=1e-5, atol=1e-6)


def test_what_was_not_tuned_changes_nothing() -> None:
    some = studies([8])
    tuned = np.array([[False, True, True]])
    likelihood = PriorLikelihood.of(padded(some, tuned), "cpu")
    theta = some_theta(1)
    value, gradient = likelihood(theta)
    assert gradient[0, 0] == 0.0 and (gradient[0, 1:] != 0.0).all()
    theta[0, 0] += 2.0
    assert likelihood(theta)[0] == value


def test_a_study_does_not_feel_those_beside_it() -> None:
    some, theta = studies([10, 4]), some_theta(2)
    together = likelihood_of(some)(theta)
    for t in range(2):
        alone = likelihood_of([some[t]])(theta[t : t + 1])
        for one, all_ in zip(alone, together, strict=True):
            np.testing.assert_allclose(one[0], all_[t], rtol=1e-9, atol=1e-12)


def dense_value(z: Array, K: Array) -> float:
    ones = np.linalg.solve(K, np.ones(len(z)))
    mean = ones @ z / ones.sum()
    misfit = (z - mean) @ np.linalg.solve(K, z - mean)
    return float(0.5 * (misfit + np.linalg.slogdet(K)[1] + np.log(ones.sum())))


def test_two_trials_in_one_place_differ_by_noise_alone() -> None:
    X, z = np.full((2, len(OWNERS)), 0.5), np.array([0.3, -0.6])
    theta = some_theta(1)
    amplitude, noise = float(theta[0, -2].exp()), 1e-4 + float(theta[0, -1].exp())
    K = amplitude * np.ones((2, 2)) + noise * np.eye(2)
    found = float(likelihood_of([(X, z)])(theta)[0])
    assert found == pytest.approx(dense_value(z, K), rel=1e-6)


def test_a_covariance_without_factor_is_infinitely_unlikely() -> None:
    theta = some_theta(2)
    theta[0, :3], theta[0, -2] = -30.0, 60.0  # Rounding makes it indefinite.
    value, _ = likelihood_of(studies([6, 6]))(theta)
    assert value[0] == torch.inf and value[1].isfinite()

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel
from sklearn.gaussian_process.kernels import Matern

from optuna_meta.surrogate import base_gps as prior_gps
from optuna_meta.surrogate.base_gps import condition_prior_gps
from optuna_meta.surrogate.base_gps import GPParameters
from tests.surrogate.study_arrays import dense_covariance
from tests.surrogate.study_arrays import fit
from tests.surrogate.study_arrays import N_DIMS
from tests.surrogate.study_arrays import OWNERS
from tests.surrogate.study_arrays import padded
from tests.surrogate.study_arrays import parameters_of
from tests.surrogate.study_arrays import studies


def test_the_posterior_mean_is_universal_kriging() -> None:
    some, parameters = studies([9, 4, 1, 2]), parameters_of(4)
    gps = condition_prior_gps(parameters, padded(some))
    candidates = np.random.default_rng(2).random((6, len(OWNERS)))
    expected = np.zeros((6, 4))
    for t, (X, z) in enumerate(some):
        n = len(z)
        # The kriging system: the mean as a Lagrange multiplier of weights that sum to one.
        system = np.ones((n + 1, n + 1))
        system[:n, :n] = dense_covariance(parameters, t, X, X) + parameters.noise[t] * np.eye(n)
        system[n, n] = 0.0
        cross = np.hstack([dense_covariance(parameters, t, candidates, X), np.ones((6, 1))])
        weights = np.linalg.solve(system, cross.T)[:n]
        np.testing.assert_allclose(weights.sum(axis=0), 1.0)
        expected[:, t] = weights.T @ z
    np.testing.assert_allclose(gps.predict(candidates), expected, atol=1e-10)


def test_the_posterior_mean_is_sklearns_with_a_vague_constant() -> None:
    ((X, z),), parameters = studies([12]), parameters_of(1)
    length_scales = 1.0 / np.sqrt(parameters.precisions[0][OWNERS])
    kernel = ConstantKernel(parameters.amplitude[0]) * Matern(length_scales, nu=2.5)
    regressor = GaussianProcessRegressor(
        kernel + ConstantKernel(1e6), alpha=parameters.noise[0], optimizer=None
    ).fit(X, z)
    gps = condition_prior_gps(parameters, padded([(X, z)]))
    candidates = np.random.default_rng(3).random((5, len(OWNERS)))
    np.testing.assert_allclose(
        gps.predict(candidates)[:, 0], regressor.predict(candidates), atol=1e-5
    )


def test_padding_changes_nothing() -> None:
    short, long = studies([5, 30])
    both = parameters_of(2)
    alone = GPParameters(both.precisions[:1], both.amplitude[:1], both.noise[:1])
    candidates = np.random.default_rng(4).random((8, len(OWNERS)))
    beside = condition_prior_gps(both, padded([short, long]))
    single = condition_prior_gps(alone, padded([short]))
    assert (beside.alpha[0, 5:] == 0.0).all()
    np.testing.assert_allclose(
        beside.predict(candidates)[:, :1], single.predict(candidates), rtol=1e-12
    )


def test_one_design_for_all_is_the_same_design_for_each() -> None:
    some = studies([6, 4])
    gps = condition_prior_gps(parameters_of(2), padded(some))
    candidates = np.random.default_rng(5).random((3, len(OWNERS)))
    each = gps.predict(np.stack([candidates, candidates]))
    np.testing.assert_allclose(each, gps.predict(candidates), rtol=1e-12)
    other = gps.predict(np.stack([candidates, candidates[::-1]]))
    np.testing.assert_allclose(other[:, 0], each[:, 0], rtol=1e-12)
    np.testing.assert_allclose(other[::-1, 1], each[:, 1], rtol=1e-12)


def test_selected_processes_are_the_subset_conditioned() -> None:
    some, all_ = studies([7, 3, 5]), parameters_of(3)
    tasks = np.array([2, 0])
    subset = GPParameters(all_.precisions[tasks], all_.amplitude[tasks], all_.noise[tasks])
    chosen = condition_prior_gps(all_, padded(some)).select(tasks)
    direct = condition_prior_gps(subset, padded([some[2], some[0]]))
    candidates = np.random.default_rng(6).random((4, len(OWNERS)))
    np.testing.assert_allclose(chosen.predict(candidates), direct.predict(candidates), rtol=1e-10)


@pytest.mark.parametrize("block", [1, 40, 10**6])
def test_predictions_do_not_depend_on_the_block(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    some = studies([7, 3, 5])
    gps = condition_prior_gps(parameters_of(3), padded(some))
    candidates = np.random.default_rng(11).random((3, 50, len(OWNERS)))
    expected = gps.predict(candidates), gps.predict(candidates[0])
    monkeypatch.setattr(prior_gps, "_BLOCK", block)
    np.testing.assert_allclose(gps.predict(candidates), expected[0], rtol=1e-12)
    np.testing.assert_allclose(gps.predict(candidates[0]), expected[1], rtol=1e-12)
    assert gps.predict(candidates[0, :0]).shape == (0, 3)


def test_at_its_trials_a_process_without_noise_has_their_values() -> None:
    some, all_ = studies([9, 6]), parameters_of(2)
    silent = GPParameters(all_.precisions, all_.amplitude, np.full(2, 1e-10))
    gps = condition_prior_gps(silent, padded(some))
    for t, (X, z) in enumerate(some):
        np.testing.assert_allclose(gps.predict(X)[:, t], z, atol=1e-6)


def test_a_covariance_without_factor_is_named() -> None:
    ((X, z),), one = studies([5]), parameters_of(1)
    broken = GPParameters(one.precisions, one.amplitude, np.full(1, -9.0))
    with pytest.raises(np.linalg.LinAlgError, match="5 trials is not positive definite"):
        condition_prior_gps(broken, padded([(X, z)]))


def test_dimensions_that_were_not_tuned_are_constant() -> None:
    some = studies([10, 10])
    tuned = np.array([[True, True, True], [False, True, False]])
    parameters = fit(some, tuned)
    assert ((parameters.precisions > 0.0) == tuned).all()
    gps = condition_prior_gps(parameters, padded(some))
    candidates = np.random.default_rng(7).random((5, len(OWNERS)))
    moved = candidates.copy()
    moved[:, [0, 1, 3]] = 1.0 - moved[:, [0, 1, 3]]
    before, after = gps.predict(candidates), gps.predict(moved)
    np.testing.assert_allclose(after[:, 1], before[:, 1], atol=1e-9)
    assert np.abs(after[:, 0] - before[:, 0]).max() > 1e-3


def test_no_study_at_all() -> None:
    parameters = fit([])
    assert parameters.precisions.shape == (0, N_DIMS)
    gps = condition_prior_gps(parameters, padded([]))
    assert gps.predict(np.zeros((4, len(OWNERS)))).shape == (4, 0)


@pytest.mark.parametrize(
    "z",
    [[0.7], [0.4, -0.4], [0.5, 0.5, -1.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0]],
    ids=["one trial", "two trials", "ties", "constant", "two equal trials"],
)
@pytest.mark.parametrize("same_place", [False, True])
def test_degenerate_studies_stay_within_their_values(z: list[float], same_place: bool) -> None:
    X = np.random.default_rng(9).random((len(z), len(OWNERS)))
    some = [(X * 0.0 if same_place else X, np.array(z)), *studies([6])]
    parameters = fit(some)
    for array in (parameters.precisions, parameters.amplitude, parameters.noise):
        assert np.isfinite(array).all() and (array > 0.0).all()
    gps = condition_prior_gps(parameters, padded(some))
    Z = gps.predict(np.random.default_rng(10).random((20, len(OWNERS))))[:, 0]
    assert Z.min() >= min(z) - 0.5 * np.ptp(z) - 1e-9
    assert Z.max() <= max(z) + 0.5 * np.ptp(z) + 1e-9

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel
from sklearn.gaussian_process.kernels import Matern
import torch

from optuna_meta.scaling import rank_normal
from optuna_meta.space import Array
from optuna_meta.surrogate import prior_gps
from optuna_meta.surrogate.prior_gps import condition_prior_gps
from optuna_meta.surrogate.prior_gps import fit_prior_gps
from optuna_meta.surrogate.prior_gps import GPParameters


OWNERS = np.array([0, 0, 1, 2])  # Dimension 0 owns two columns of the design.
N_DIMS = 3
Study = tuple[Array, Array]  # X (n, 4), z (n,)


def studies(lengths: list[int], seed: int = 0) -> list[Study]:
    """Studies whose values depend on dimension 1 alone."""
    rng = np.random.default_rng(seed)
    found = []
    for n in lengths:
        X = rng.random((n, len(OWNERS)))
        found.append((X, rank_normal(np.sin(5.0 * X[:, 2]) + 0.05 * rng.standard_normal(n))))
    return found


def padded(some: list[Study], longest: int | None = None) -> tuple[Any, Any, Any]:
    """Designs, values and mask; the padding holds what must not be read."""
    n_rows = longest or max((len(z) for _, z in some), default=0)
    designs = np.full((len(some), n_rows, len(OWNERS)), 0.25)
    values = np.zeros((len(some), n_rows))
    mask = np.zeros((len(some), n_rows), dtype=bool)
    for t, (X, z) in enumerate(some):
        designs[t, : len(z)], values[t, : len(z)], mask[t, : len(z)] = X, z, True
    return designs, values, mask


def parameters_of(n_tasks: int, seed: int = 1) -> GPParameters:
    rng = np.random.default_rng(seed)
    precisions = np.exp(rng.uniform(-1.0, 2.0, (n_tasks, N_DIMS)))
    return GPParameters(
        precisions, rng.uniform(0.5, 2.0, n_tasks), rng.uniform(0.01, 0.1, n_tasks)
    )


def fit(some: list[Study], tuned: Any = None, longest: int | None = None) -> GPParameters:
    tuned = np.ones((len(some), N_DIMS), dtype=bool) if tuned is None else tuned
    return fit_prior_gps(*padded(some, longest), tuned, OWNERS)


def dense_covariance(parameters: GPParameters, t: int, a: Array, b: Array) -> Array:
    """From sklearn's kernel, without the noise."""
    length_scales = 1.0 / np.sqrt(parameters.precisions[t][OWNERS])
    return parameters.amplitude[t] * Matern(length_scales, nu=2.5)(a, b)


def test_the_posterior_mean_is_universal_kriging() -> None:
    some, parameters = studies([9, 4, 1, 2]), parameters_of(4)
    gps = condition_prior_gps(parameters, *padded(some), OWNERS)
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
    gps = condition_prior_gps(parameters, *padded([(X, z)]), OWNERS)
    candidates = np.random.default_rng(3).random((5, len(OWNERS)))
    np.testing.assert_allclose(
        gps.predict(candidates)[:, 0], regressor.predict(candidates), atol=1e-5
    )


def test_padding_changes_nothing() -> None:
    short, long = studies([5, 30])
    both = parameters_of(2)
    alone = GPParameters(both.precisions[:1], both.amplitude[:1], both.noise[:1])
    candidates = np.random.default_rng(4).random((8, len(OWNERS)))
    beside = condition_prior_gps(both, *padded([short, long]), OWNERS)
    single = condition_prior_gps(alone, *padded([short]), OWNERS)
    assert (beside.alpha[0, 5:] == 0.0).all()
    np.testing.assert_allclose(
        beside.predict(candidates)[:, :1], single.predict(candidates), rtol=1e-12
    )


def test_padding_does_not_change_the_fit() -> None:
    some = studies([6, 12])
    plain, wide = fit(some), fit(some, longest=20)
    np.testing.assert_allclose(wide.precisions, plain.precisions, rtol=1e-8)
    np.testing.assert_allclose(wide.amplitude, plain.amplitude, rtol=1e-8)
    np.testing.assert_allclose(wide.noise, plain.noise, rtol=1e-8)


def test_one_design_for_all_is_the_same_design_for_each() -> None:
    some = studies([6, 4])
    gps = condition_prior_gps(parameters_of(2), *padded(some), OWNERS)
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
    chosen = condition_prior_gps(all_, *padded(some), OWNERS).select(tasks)
    direct = condition_prior_gps(subset, *padded([some[2], some[0]]), OWNERS)
    candidates = np.random.default_rng(6).random((4, len(OWNERS)))
    np.testing.assert_allclose(chosen.predict(candidates), direct.predict(candidates), rtol=1e-10)


def test_dimensions_that_were_not_tuned_are_constant() -> None:
    some = studies([10, 10])
    tuned = np.array([[True, True, True], [False, True, False]])
    parameters = fit(some, tuned)
    assert ((parameters.precisions > 0.0) == tuned).all()
    gps = condition_prior_gps(parameters, *padded(some), OWNERS)
    candidates = np.random.default_rng(7).random((5, len(OWNERS)))
    moved = candidates.copy()
    moved[:, [0, 1, 3]] = 1.0 - moved[:, [0, 1, 3]]
    before, after = gps.predict(candidates), gps.predict(moved)
    np.testing.assert_allclose(after[:, 1], before[:, 1], atol=1e-9)
    assert np.abs(after[:, 0] - before[:, 0]).max() > 1e-3


def test_the_relevant_dimension_has_the_shortest_length_scale() -> None:
    parameters = fit(studies([40, 25, 30]))
    relevant, irrelevant = parameters.precisions[:, 1], parameters.precisions[:, [0, 2]]
    assert (relevant[:, None] > 2.0 * irrelevant).all()


def test_a_study_of_few_trials_borrows_length_scales() -> None:
    few = studies([3], seed=8)
    alone, together = fit(few).precisions[0], fit(few + studies([40, 40, 40])).precisions[0]
    assert together[1] / together[[0, 2]].max() > 1.5 * alone[1] / alone[[0, 2]].max()


def test_fitting_is_deterministic_and_indifferent_to_order_and_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    some = studies([8, 5, 12])
    first, second, reverse = fit(some), fit(some), fit(some[::-1])
    monkeypatch.setattr(prior_gps, "_BATCH", 2)
    batched = fit(some)
    for name in ("precisions", "amplitude", "noise"):
        expected = getattr(first, name)
        np.testing.assert_array_equal(getattr(second, name), expected)
        np.testing.assert_allclose(getattr(reverse, name)[::-1], expected, rtol=1e-7)
        np.testing.assert_allclose(getattr(batched, name), expected, rtol=1e-7)


def loss_of(some: list[Study], own: Any, amplitude: Any, noise: Any, centre: Any) -> float:
    tuned = np.ones((len(some), N_DIMS), dtype=bool)
    data = prior_gps._Tensors.of(*padded(some, 15), tuned, OWNERS, None)
    unknowns = (torch.as_tensor(u, dtype=torch.float64) for u in (own, amplitude, noise, centre))
    return float(prior_gps._negative_log_posterior(data, *unknowns))


@pytest.mark.parametrize("n", [1, 2, 6, 11])
def test_the_restricted_likelihood_is_the_density_of_contrasts(n: int) -> None:
    ((X, z),) = studies([n])
    own, amplitude, noise, centre = np.array([[0.1, -0.4, 0.3]]), [0.2], [-3.0], [0.5, 1.0, -0.5]
    parameters = GPParameters(np.exp(own + centre), np.exp(amplitude), 1e-4 + np.exp(noise))
    K = dense_covariance(parameters, 0, X, X) + parameters.noise[0] * np.eye(n)
    contrasts = np.linalg.svd(np.ones((1, n)))[2][1:]  # Orthonormal, orthogonal to the constant.
    v, S = contrasts @ z, contrasts @ K @ contrasts.T
    density = 0.5 * (v @ np.linalg.solve(S, v) + np.linalg.slogdet(S)[1] + np.log(n))
    penalty = (
        0.5 * ((own / 0.7) ** 2).sum() + 0.5 * (0.2 / 0.7) ** 2 + 0.5 * (-3.0 - np.log(0.03)) ** 2
    )
    found = loss_of([(X, z)], own, amplitude, noise, centre)
    assert found == pytest.approx(density + penalty, rel=1e-7, abs=1e-7)


def test_the_fit_is_close_to_a_maximum() -> None:
    some = studies([15, 10])
    parameters = fit(some)
    own = np.log(parameters.precisions)  # Around a centre of 0 the same precisions.
    noise = np.log(parameters.noise - 1e-4)

    def likelihood(own: Array, amplitude: Array, noise: Array) -> float:
        """Up to the pull of the centre, which a common factor on all precisions hardly feels."""
        centre = own.mean(axis=0)
        return loss_of(some, own - centre, amplitude, noise, centre)

    best = likelihood(own, np.log(parameters.amplitude), noise)
    for shift in (-0.7, 0.7):
        assert likelihood(own, np.log(parameters.amplitude) + shift, noise) > best - 0.02
        assert likelihood(own, np.log(parameters.amplitude), noise + shift) > best - 0.02
        one_study = np.array([[shift], [-shift]])
        assert likelihood(own + one_study, np.log(parameters.amplitude), noise) > best - 0.02


def test_no_study_at_all() -> None:
    parameters = fit([])
    assert parameters.precisions.shape == (0, N_DIMS)
    gps = condition_prior_gps(parameters, *padded([]), OWNERS)
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
    gps = condition_prior_gps(parameters, *padded(some), OWNERS)
    Z = gps.predict(np.random.default_rng(10).random((20, len(OWNERS))))[:, 0]
    assert Z.min() >= min(z) - 0.5 * np.ptp(z) - 1e-9
    assert Z.max() <= max(z) + 0.5 * np.ptp(z) + 1e-9

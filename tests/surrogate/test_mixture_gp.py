from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_normal
from sklearn.gaussian_process.kernels import Matern

from optuna_meta._typing import Array
from optuna_meta.surrogate.components import Arm
from optuna_meta.surrogate.components import Component
from optuna_meta.surrogate.components import components
from optuna_meta.surrogate.kernel import Scales
from optuna_meta.surrogate.mixture_gp import condition
from optuna_meta.surrogate.mixture_gp import Inputs
from optuna_meta.surrogate.mixture_gp import MixtureGP


N_TASKS, WIDTH = 3, 2
W = np.array([0.5, 0.3, 0.2])
SCALES = Scales(np.array([1.5, 3.0]), np.array([4.0, 0.7]))
COMPONENTS = {
    "transferring": Component(1.0, 0.7, 0.4, 0.1),
    "own": Component(1.0, 0.5, 0.6, 0.2, target_scales=True),
    "reversed": Component(-1.0, 1.0, 0.3, 0.1),
    "cold": Component(0.0, 0.0, 1.0, 0.05, stretch=2.0),
    "cold own": Component(0.0, 0.0, 1.0, 0.2, target_scales=True),
}
each_component = pytest.mark.parametrize("h", COMPONENTS.values(), ids=list(COMPONENTS))


def priors(X: Array) -> Array:
    """What three related prior studies expect."""
    bowl = 3.0 * np.sum((X - 0.4) ** 2, axis=1)
    return np.column_stack([bowl, bowl + np.sin(6.0 * X[:, 0]), bowl - X[:, 1]]) - 0.5


def inputs(n: int, seed: int = 0) -> Inputs:
    X = np.random.default_rng(seed).random((n, WIDTH))
    return Inputs(priors(X), X)


def target(x: Inputs, seed: int = 1) -> Array:
    noise = np.random.default_rng(seed).standard_normal(len(x.X))
    return np.cos(4.0 * x.X[:, 0]) + x.Z[:, 0] + 0.1 * noise


def deviations(Z: Array) -> Array:
    """C, one prior study after the other."""
    mean = sum(w * z for w, z in zip(W, Z.T, strict=True))
    return np.array([np.sqrt(w) * (z - mean) for w, z in zip(W, Z.T, strict=True)]).T


def covariance(h: Component, a: Inputs, b: Inputs) -> Array:
    """Covariance of f at a and at b but for the constant, by sklearn's kernel."""
    length_scales = h.stretch / (SCALES.target if h.target_scales else SCALES.prior)
    residual = h.residual**2 * Matern(length_scales, nu=2.5)(a.X, b.X)
    return residual + h.deviation**2 * deviations(a.Z) @ deviations(b.Z).T


def noisy(h: Component, x: Inputs) -> Array:
    return covariance(h, x, x) + h.noise**2 * np.eye(len(x.X))


def fitted(h: Component | tuple[Component, ...], x: Inputs, y: Array, **more: Any) -> MixtureGP:
    return condition(h if isinstance(h, tuple) else (h,), x, y, W, SCALES, **more)


def joined(a: Inputs, b: Inputs) -> Inputs:
    return Inputs(np.vstack([a.Z, b.Z]), np.vstack([a.X, b.X]))


def log_density(h: Component, x: Inputs, y: Array, log_unit: float) -> float:
    """log p(y | u): the density of orthonormal contrasts of y, which know no constant."""
    unit = np.exp(log_unit)
    contrasts = np.linalg.svd(np.ones((1, len(y))))[2][1:]
    mean = contrasts @ (h.slope * x.Z @ W) / unit
    spread = contrasts @ noisy(h, x) @ contrasts.T / unit**2
    return float(multivariate_normal(mean, spread).logpdf(contrasts @ y))


def dense_prediction(
    h: Component, x: Inputs, y: Array, candidates: Inputs, unit: float, vague: float = 1e6
) -> tuple[Array, Array]:
    """Mean and variance of a Gaussian process whose constant has a huge variance."""
    K = noisy(h, x) + vague
    cross = covariance(h, candidates, x) + vague
    own = np.diag(covariance(h, candidates, candidates)) + vague
    solved = np.linalg.solve(K, cross.T)
    mean = h.slope * candidates.Z @ W + solved.T @ (unit * y - h.slope * x.Z @ W)
    return mean / unit, (own - np.sum(cross.T * solved, axis=0)) / unit**2


@each_component
@pytest.mark.parametrize("n", [2, 3, 9])
def test_the_unit_is_the_most_probable_one(h: Component, n: int) -> None:
    x = inputs(n)
    y = 7.0 * target(x)
    best = minimize_scalar(
        lambda v: -log_density(h, x, y, v), bounds=(-8.0, 8.0), options={"xatol": 1e-9}
    )
    assert np.log(fitted(h, x, y).posteriors[0].unit) == pytest.approx(best.x, abs=1e-5)
    around = [log_density(h, x, y, v) for v in np.linspace(-6.0, 6.0, 61)]
    assert -best.fun >= max(around)  # The numerical maximum is the global one.


@each_component
@pytest.mark.parametrize("n", [1, 2, 8])
def test_predictions_are_those_of_a_dense_process(h: Component, n: int) -> None:
    x, candidates = inputs(n), inputs(12, seed=2)
    y = target(x)
    model = fitted(h, x, y)
    unit = model.posteriors[0].unit
    mean, variance = dense_prediction(h, x, y, candidates, unit)
    found = model.predict(candidates)
    np.testing.assert_allclose(found.means[0], mean, atol=1e-5)
    np.testing.assert_allclose(found.deviations[0] ** 2, variance, rtol=1e-4, atol=1e-6)
    at_trials, _ = dense_prediction(h, x, y, x, unit)
    assert found.incumbents[0] == pytest.approx(at_trials.min(), abs=1e-5)
    assert found.weights == pytest.approx([1.0])


@each_component
def test_pending_trials_leave_the_mean_and_narrow_the_variance(h: Component) -> None:
    x, pending, candidates = inputs(6), inputs(3, seed=3), inputs(12, seed=4)
    y = target(x)
    alone, aware = fitted(h, x, y), fitted(h, x, y, pending=pending)
    before, after = alone.predict(candidates), aware.predict(candidates)
    np.testing.assert_allclose(after.means, before.means, rtol=1e-10)
    np.testing.assert_allclose(after.incumbents, before.incumbents, rtol=1e-10)
    assert (after.deviations <= before.deviations + 1e-9).all()
    at_pending = aware.predict(pending).deviations / alone.predict(pending).deviations
    assert (at_pending < 0.95).all()
    # The variance is that of a process which has seen the pending trials, whatever their values.
    everything, unit = joined(x, pending), alone.posteriors[0].unit
    _, variance = dense_prediction(h, everything, np.zeros(9), candidates, unit)
    np.testing.assert_allclose(after.deviations[0] ** 2, variance, rtol=1e-4, atol=1e-6)


def test_pending_trials_do_not_change_the_weights() -> None:
    x, mixture = inputs(6), components(0.6)
    y = target(x)
    np.testing.assert_allclose(
        fitted(mixture, x, y, pending=inputs(3, seed=3)).weights,
        fitted(mixture, x, y).weights,
        rtol=1e-9,
    )


def log_evidence(h: Component, x: Inputs, y: Array) -> float:
    """log of the integral of p(y | u, c) over log u and c, on a grid."""
    n, S = len(y), noisy(h, x)
    inverse, log_det = np.linalg.inv(S), np.linalg.slogdet(S)[1]
    v, c = np.meshgrid(np.linspace(-7, 7, 281), np.linspace(-40, 40, 1601), indexing="ij")
    u, m, ones = np.exp(v), h.slope * x.Z @ W, np.ones(n)

    def inner(a: Array, b: Array) -> float:
        return float(a @ inverse @ b)

    # Squared length of y - m / u - c under the covariance S / u^2.
    squares = (
        u**2 * (inner(y, y) - 2.0 * c * inner(y, ones) + c**2 * inner(ones, ones))
        - 2.0 * u * (inner(y, m) - c * inner(ones, m))
        + inner(m, m)
    )
    logs = n * v - 0.5 * (log_det + squares)
    return float(logs.max() + np.log(np.exp(logs - logs.max()).sum()))


@pytest.mark.parametrize("n", [4, 8])
def test_evidences_differ_as_the_integral_over_unit_and_constant_does(n: int) -> None:
    x = inputs(n, seed=5)
    for y in (target(x), -target(x), np.random.default_rng(6).standard_normal(n)):
        hs = tuple(COMPONENTS.values())
        found = np.array([p.log_evidence for p in fitted(hs, x, y).posteriors])
        exact = np.array([log_evidence(h, x, y) for h in hs])
        # Laplace's method errs by about 1 / (12 n), much the same for each component.
        differences = (found - found[0]) - (exact - exact[0])
        assert np.abs(differences).max() < 0.08
        assert np.ptp(exact) > 1.0  # There is something to get wrong.


def test_weights_are_odds_times_evidence() -> None:
    x, hs = inputs(7), tuple(COMPONENTS.values())
    y = target(x)
    even = fitted(hs, x, y).weights
    odds = np.array([0.1, 3.0, 1.0, 0.5, 2.0])
    weighted = fitted(
        tuple(replace(h, odds=o) for h, o in zip(hs, odds, strict=True)), x, y
    ).weights
    assert even.sum() == pytest.approx(1.0) and weighted.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(weighted, even * odds / (even @ odds), rtol=1e-10)


def test_light_components_are_left_out_of_predictions() -> None:
    x, candidates = inputs(7), inputs(4, seed=2)
    model = fitted(components(0.5), x, target(x))
    all_, some, best = (model.predict(candidates, least) for least in (0.0, 0.05, 2.0))
    heavy = model.weights >= 0.05
    assert 0 < heavy.sum() < len(heavy) == len(all_.means)
    np.testing.assert_allclose(some.means, all_.means[heavy])
    np.testing.assert_allclose(some.weights, model.weights[heavy] / model.weights[heavy].sum())
    np.testing.assert_allclose(best.means, all_.means[[model.weights.argmax()]])


@pytest.mark.parametrize("names", [[name] for name in COMPONENTS] + [list(COMPONENTS)], ids=str)
@pytest.mark.parametrize("n_pending", [0, 2])
def test_coefficients_are_the_slopes_of_the_posterior_mean(
    names: list[str], n_pending: int
) -> None:
    x, candidates = inputs(6), inputs(5, seed=2)
    pending = inputs(n_pending, seed=3) if n_pending else None
    model = fitted(tuple(COMPONENTS[name] for name in names), x, target(x), pending=pending)
    units = np.array([p.unit for p in model.posteriors])

    def mean(c: Inputs) -> Array:
        """In the priors' units."""
        return (model.weights * units) @ model.predict(c, 0.0).means

    for t, coefficient in enumerate(model.coefficients()):
        step = np.eye(N_TASKS)[t]
        raised = Inputs(candidates.Z + step, candidates.X)
        np.testing.assert_allclose(mean(raised) - mean(candidates), coefficient, atol=1e-9)


@each_component
def test_the_mean_is_constant_plus_studies_plus_residual(h: Component) -> None:
    x, candidates = inputs(6), inputs(5, seed=2)
    model = fitted(h, x, target(x))
    p = model.posteriors[0]
    smooth = replace(h, deviation=0.0)
    residual = covariance(smooth, candidates, x) @ p.alpha
    expected = p.constant + candidates.Z @ model.coefficients() + residual
    np.testing.assert_allclose(model.predict(candidates).means[0] * p.unit, expected)


def test_cold_components_ask_no_prior_study() -> None:
    x = inputs(6)
    model = fitted((COMPONENTS["cold"], COMPONENTS["cold own"]), x, target(x))
    assert (model.coefficients() == 0.0).all() and model.trust == 0.0
    assert fitted(COMPONENTS["reversed"], x, target(x)).trust == 1.0


def test_before_any_trial_the_priors_mean_is_the_answer() -> None:
    nothing, candidates = inputs(0), inputs(9, seed=2)
    for pending in (None, inputs(2, seed=3)):
        model = fitted(components(0.4), nothing, np.zeros(0), pending=pending)
        assert model.trust == pytest.approx(0.4)
        assert model.weights.sum() == pytest.approx(1.0)
        found = model.predict(candidates, 0.0)
        following = [p for p in model.posteriors if p.component.arm is Arm.FOLLOW]
        for p, mean in zip(following, found.means, strict=True):
            np.testing.assert_allclose(mean, p.component.slope * candidates.Z @ W)
        assert np.isinf(found.incumbents).all()
        assert np.isfinite(found.deviations).all() and (found.deviations > 0.0).all()


def test_one_trial_says_nothing_about_the_priors() -> None:
    x, mixture = inputs(1), components(0.4)
    model = fitted(mixture, x, np.array([3.0]))
    odds = np.array([h.odds for h in mixture])
    np.testing.assert_allclose(model.weights, odds / odds.sum(), rtol=1e-9)
    # What it says is where the constant lies.
    np.testing.assert_allclose(model.predict(x, 0.0).means, 3.0, rtol=1e-9)


@pytest.mark.parametrize("n", [2, 5])
def test_constant_values_predict_themselves(n: int) -> None:
    x = inputs(n)
    model = fitted(components(0.5), x, np.zeros(n))
    found = model.predict(inputs(6, seed=2))
    assert np.isfinite(found.means).all() and np.isfinite(found.deviations).all()
    assert model.weights.sum() == pytest.approx(1.0) and 0.0 <= model.trust <= 1.0
    cold = fitted(COMPONENTS["cold"], x, np.zeros(n))
    np.testing.assert_allclose(cold.predict(inputs(6, seed=2)).means, 0.0, atol=1e-12)


@pytest.mark.parametrize(("scale", "shift"), [(1e-3, 0.0), (1.0, 50.0), (1e3, -2.0)])
def test_shift_and_scale_of_the_values_are_immaterial(scale: float, shift: float) -> None:
    x, candidates, mixture = inputs(8), inputs(20, seed=2), components(0.5)
    y = target(x)
    plain, moved = fitted(mixture, x, y), fitted(mixture, x, scale * y + shift)
    np.testing.assert_allclose(moved.weights, plain.weights, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(moved.coefficients(), plain.coefficients(), rtol=1e-6)
    before, after = plain.predict(candidates), moved.predict(candidates)
    np.testing.assert_allclose(after.means, scale * before.means + shift, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(after.deviations, scale * before.deviations, rtol=1e-5)
    np.testing.assert_allclose(
        after.incumbents, scale * before.incumbents + shift, rtol=1e-6, atol=1e-8
    )


def test_the_order_of_trials_and_of_studies_is_immaterial() -> None:
    x, candidates, mixture = inputs(8), inputs(5, seed=2), components(0.5)
    y, trials = target(x), np.random.default_rng(7).permutation(8)
    plain = fitted(mixture, x, y)
    shuffled = fitted(mixture, x.select(trials), y[trials])
    np.testing.assert_allclose(shuffled.weights, plain.weights, rtol=1e-7)
    tasks = np.array([2, 0, 1])
    renamed = condition(mixture, Inputs(x.Z[:, tasks], x.X), y, W[tasks], SCALES)
    np.testing.assert_allclose(renamed.coefficients(), plain.coefficients()[tasks], rtol=1e-7)
    np.testing.assert_allclose(
        renamed.predict(Inputs(candidates.Z[:, tasks], candidates.X)).means,
        plain.predict(candidates).means,
        rtol=1e-7,
    )


def trust_after(n: int, y_of: Any) -> float:
    found = []
    for seed in range(8):
        x = inputs(n, seed=100 + seed)
        noise = np.random.default_rng(seed).standard_normal(n)
        trust = fitted(components(0.5), x, y_of(x, noise)).trust
        assert 0.0 <= trust <= 1.0
        found.append(trust)
    return float(np.mean(found))


def test_trust_rises_with_agreement_and_falls_without() -> None:
    assert trust_after(8, lambda x, noise: 20.0 * (x.Z @ W) + 0.5 * noise) > 0.85
    assert trust_after(12, lambda x, noise: noise) < 0.4
    assert trust_after(12, lambda x, noise: np.sin(20.0 * x.X[:, 0]) + 0.1 * noise) < 0.4


def test_reversed_priors_are_recognised() -> None:
    x = inputs(10)
    model = fitted(components(0.5), x, -(x.Z @ W))
    forward = np.array([p.component.slope > 0 for p in model.posteriors])
    assert model.weights[forward].sum() < 0.05
    assert model.coefficients().sum() <= 0.0


def test_no_prior_study_at_all_leaves_the_cold_components() -> None:
    x, candidates = inputs(5), inputs(3, seed=2)
    y = target(x)
    without, bare = Inputs(np.zeros((5, 0)), x.X), Inputs(np.zeros((3, 0)), candidates.X)
    model = condition(components(0.0), without, y, np.zeros(0), SCALES)
    expected = fitted(components(0.0), x, y)
    assert model.coefficients().shape == (0,) and model.trust == 0.0
    np.testing.assert_allclose(model.predict(bare).means, expected.predict(candidates).means)


def test_equal_values_are_no_evidence() -> None:
    rng = np.random.default_rng(5)
    inputs = Inputs(rng.standard_normal((6, 2)), rng.random((6, 3)))
    pair = (Component(1.0, 1.0, 0.3, 0.1, odds=3.0), Component(0.0, 0.0, 1.0, 0.1))
    scales = Scales(np.ones(3), np.ones(3))
    model = condition(pair, inputs, np.zeros(6), np.array([0.5, 0.5]), scales)
    assert model.weights == pytest.approx([0.75, 0.25])


def test_what_does_not_follow_the_priors_doubts_them() -> None:
    rng = np.random.default_rng(6)
    inputs = Inputs(rng.standard_normal((6, 2)), rng.random((6, 3)))
    kinds = [(1.0, 0.4), (0.0, 0.0), (0.0, 0.0), (-1.0, 1.0)]
    mixed = tuple(Component(b, a, 0.5, 0.1, odds=1.0 + i) for i, (b, a) in enumerate(kinds))
    scales = Scales(np.ones(3), np.ones(3))
    y = rng.standard_normal(6)
    doubt = condition(mixed, inputs, y, np.array([0.5, 0.5]), scales).doubt()
    alone = condition(mixed[1:], inputs, y, np.array([0.5, 0.5]), scales)
    np.testing.assert_allclose(doubt.weights, alone.weights)
    np.testing.assert_allclose(doubt.predict(inputs).means, alone.predict(inputs).means)
    cold = condition(mixed[1:3], inputs, y, np.array([0.5, 0.5]), scales)
    assert cold.trust == 0.0


def test_the_priors_are_asked_before_any_trial_and_until_they_have_lost() -> None:
    rng = np.random.default_rng(5)
    few = components(0.05)
    assert fitted(few, inputs(0), np.zeros(0)).asks_priors()
    x = inputs(30)
    assert fitted(few, x, x.Z @ W).asks_priors()
    contradicted = fitted(few, x, np.cos(9.0 * x.X[:, 1]) + 0.01 * rng.standard_normal(30))
    assert not contradicted.asks_priors()
    # Then what they expect of candidates is not read at all.
    at = inputs(7, seed=3)
    np.testing.assert_array_equal(
        contradicted.predict(at).means, contradicted.predict(Inputs(0.0 * at.Z, at.X)).means
    )


def test_noise_is_recognised_as_such() -> None:
    x = inputs(40)
    noise = np.random.default_rng(6).standard_normal(40)
    assert fitted(components(0.5), x, noise).noise > 0.6
    assert fitted(components(0.5), x, target(x)).noise < 0.01


def test_components_that_all_follow_have_no_doubt() -> None:
    x = inputs(6)
    assert fitted(components(0.5), x, target(x)).has_doubt
    following = tuple(h for h in components(0.5) if h.arm is Arm.FOLLOW)
    assert not fitted(following, x, target(x)).has_doubt


def test_sharpening_squares_the_odds_of_the_three_arms() -> None:
    rng = np.random.default_rng(6)
    inputs = Inputs(rng.standard_normal((6, 2)), rng.random((6, 3)))
    mixed = (
        Component(1.0, 1.0, 0.3, 0.1),
        Component(1.0, 1.0, 0.3, 0.2, odds=2.0),
        Component(0.0, 0.0, 1.0, 0.1, odds=2.0),
        Component(-1.0, 1.0, 1.0, 0.1),
    )
    scales = Scales(np.ones(3), np.ones(3))
    model = condition(mixed, inputs, np.zeros(6), np.array([0.5, 0.5]), scales)
    weights = model.predict(inputs, least_weight=0.0).weights
    assert weights == pytest.approx(np.array([3.0, 6.0, 4.0, 1.0]) / 14.0)


@each_component
def test_noise_of_a_trials_own_is_that_of_its_diagonal(h: Component) -> None:
    x, own = inputs(7), np.array([0.0, 0.3, 0.0, 1.5, 0.0, 0.0, 0.7])
    K = noisy(h, x) + np.diag(own**2)
    p = fitted(h, x, target(x), noises=own).posteriors[0]
    np.testing.assert_allclose(p.cholesky @ p.cholesky.T, K, rtol=1e-9, atol=1e-12)

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from optuna_meta.outcomes.observations import Outcome
from optuna_meta.suggest.acquisition import AcquisitionFunction
from optuna_meta.suggest.acquisition import directions
from optuna_meta.suggest.acquisition import log_expected_improvement
from optuna_meta.suggest.acquisition import log_feasibility
from optuna_meta.suggest.acquisition import log_hypervolume_improvement
from optuna_meta.suggest.acquisition import mixture_score
from optuna_meta.surrogate.transfer_model import OutcomePosterior
from optuna_meta.surrogate.transfer_model import transfer_model
from tests.toys import bowl_prior


def log_h(z: float | np.ndarray) -> np.ndarray:
    z = np.asarray(z, dtype=float)
    return log_expected_improvement(-z, np.ones_like(z), np.zeros_like(z))


@pytest.mark.parametrize(
    ("mean", "deviation", "incumbent"), [(0.0, 1.0, 0.5), (2.0, 0.5, 1.0), (-3.0, 2.0, 4.0)]
)
def test_expected_improvement_is_the_integral(
    mean: float, deviation: float, incumbent: float
) -> None:
    def gain(f: float) -> float:
        return (incumbent - f) * float(norm.pdf(f, mean, deviation))

    integral, _ = quad(gain, mean - 12 * deviation, incumbent, epsabs=1e-14)
    logs = log_expected_improvement(np.array([mean]), np.array([deviation]), np.array([incumbent]))
    assert np.exp(logs[0]) == pytest.approx(integral, rel=1e-9)


def test_expected_improvement_is_the_closed_form_where_that_is_accurate() -> None:
    z = np.linspace(-4.0, 40.0, 400)
    np.testing.assert_allclose(log_h(z), np.log(norm.pdf(z) + z * norm.cdf(z)), rtol=1e-9)


@pytest.mark.parametrize("z", [-30.0, -100.0, -1e3, -9e3, -1.1e4, -1e6, -1e9])
def test_the_far_tail_lies_between_its_asymptotic_bounds(z: float) -> None:
    # log h(z) = log pdf(z) - 2 log|z| + log(1 - 3/z² + 15/z⁴ - ...), an alternating series.
    leading = norm.logpdf(z) - 2.0 * np.log(-z)
    upper = leading + np.log1p(-3.0 / z**2 + 15.0 / z**4)
    lower = leading + np.log1p(-3.0 / z**2)
    slack = 1e-7 + 1e-15 * abs(leading)
    assert lower - slack <= float(log_h(z)) <= upper + slack


def test_more_improvement_is_better_everywhere() -> None:
    z = np.concatenate([-np.geomspace(1e6, 1e-3, 4000), np.geomspace(1e-3, 1e6, 4000)])
    logs = log_h(z)
    assert np.isfinite(logs).all() and (np.diff(logs) > 0).all()


def test_extreme_arguments_raise_no_warning() -> None:
    assert log_h(np.array([-1e200])).tolist() == [-np.inf]
    assert log_h(np.array([1e200]))[0] == pytest.approx(np.log(1e200))


def test_scale_and_shift_are_those_of_the_values() -> None:
    mean, deviation, best = np.array([0.3]), np.array([0.2]), np.array([0.1])
    logs = log_expected_improvement(mean, deviation, best)
    moved = log_expected_improvement(100 * mean + 7, 100 * deviation, 100 * best + 7)
    np.testing.assert_allclose(moved, logs + np.log(100))


MEANS = np.array([[0.0, 1.0, 2.0], [2.0, 1.0, -5.0]])
DEVIATIONS = np.array([[1.0, 0.5, 0.1], [0.3, 2.0, 1.0]])


def test_the_mixture_is_the_weighted_sum() -> None:
    incumbents, weights = np.array([0.5, -1.0]), np.array([0.3, 0.7])
    z = (incumbents[:, None] - MEANS) / DEVIATIONS
    improvement = DEVIATIONS * (norm.pdf(z) + z * norm.cdf(z))
    score = mixture_score(MEANS, DEVIATIONS, incumbents, weights)
    np.testing.assert_allclose(np.exp(score), weights @ improvement, rtol=1e-6)


def test_a_component_without_weight_has_no_say() -> None:
    incumbents = np.array([0.5, -1.0])
    alone = mixture_score(MEANS[:1], DEVIATIONS[:1], incumbents[:1], np.ones(1))
    both = mixture_score(MEANS, DEVIATIONS, incumbents, np.array([1.0, 0.0]))
    np.testing.assert_allclose(both[:2], alone[:2], rtol=1e-9)


def test_before_any_trial_the_lowest_expected_value_wins() -> None:
    weights = np.array([0.75, 0.25])
    score = mixture_score(MEANS, DEVIATIONS, np.full(2, np.inf), weights)
    np.testing.assert_allclose(score, [-0.5, -1.0, -0.25])


def dominated_share(points: np.ndarray, front: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Of uniform points (S, K), the share that each corner (M, K) dominates and the front not."""
    free = ~(front[None] <= points[:, None]).all(axis=2).any(axis=1)
    return np.array([(free & (corner <= points).all(axis=1)).mean() for corner in corners])


@pytest.mark.parametrize("n_objectives", [2, 3])
@pytest.mark.parametrize("n_front", [0, 4])
def test_hypervolume_improvement_is_that_of_counting(n_objectives: int, n_front: int) -> None:
    """Rather certain candidates, against uniform points of the box below the reference."""
    rng = np.random.default_rng(1)
    front = 0.3 + 0.4 * rng.random((n_front, n_objectives))
    means = 0.2 + 0.6 * rng.random((6, n_objectives))
    reference = np.ones(n_objectives)
    rays = directions(n_objectives)
    score = log_hypervolume_improvement(means, np.full_like(means, 0.03), front, reference, rays)
    angle = np.pi / 2.0  # Of the positive quadrant, and of the positive octant.
    expected = dominated_share(rng.random((200_000, n_objectives)), front, means)
    np.testing.assert_allclose(np.exp(score) * angle / len(rays), expected, rtol=0.12, atol=6e-3)


def test_hypervolume_improvement_is_the_mean_over_what_may_come() -> None:
    rng = np.random.default_rng(2)
    front = np.array([[0.2, 0.7], [0.6, 0.3]])
    means, deviations = np.array([[0.4, 0.4], [0.7, 0.8]]), np.array([[0.1, 0.2], [0.3, 0.1]])
    points = rng.uniform(-0.5, 1.0, (2_000, 2))
    draws = means + deviations * rng.standard_normal((2_000, 2, 2))
    expected = [1.5**2 * dominated_share(points, front, draws[:, i]).mean() for i in range(2)]
    score = log_hypervolume_improvement(means, deviations, front, np.ones(2), directions(2))
    np.testing.assert_allclose(np.exp(score) * np.pi / 48.0, expected, rtol=0.1)


def test_hopeless_candidates_still_have_a_finite_score() -> None:
    means = np.array([[5.0, 5.0], [0.5, 0.5]])
    front = np.array([[0.0, 0.0]])
    score = log_hypervolume_improvement(
        means, np.full((2, 2), 1e-3), front, np.array([0.1, 0.1]), directions(2)
    )
    assert np.isfinite(score).all()


@pytest.mark.parametrize("n_objectives", [2, 3, 5])
def test_directions_are_unit_vectors_of_the_positive_orthant(n_objectives: int) -> None:
    rays = directions(n_objectives)
    assert (rays > 0.0).all()
    np.testing.assert_allclose(np.linalg.norm(rays, axis=1), 1.0)
    np.testing.assert_allclose(rays.mean(axis=0), rays.mean(), rtol=0.1)


def test_feasibility_is_the_mixtures_probability_of_at_most_0() -> None:
    means, deviations = np.array([[0.0, -1.0], [2.0, 9.0]]), np.array([[1.0, 2.0], [1.0, 0.1]])
    weights = np.array([0.3, 0.7])
    expected = weights @ norm.cdf(0.0, means, deviations)
    found = np.exp(log_feasibility(means, deviations, weights))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


SPACE = bowl_prior().space
RNG = np.random.default_rng(0)
ROWS, AT = (
    np.column_stack([RNG.integers(0, 3, n).astype(float), RNG.random((n, 2))]) for n in (8, 12)
)
NO_ROWS = np.zeros((0, 3))


def conditioned(values: np.ndarray, outcome: Outcome | None = None) -> OutcomePosterior:
    model = transfer_model(bowl_prior(), outcome or Outcome())
    return model.condition(SPACE, ROWS[: len(values)], values, NO_ROWS)


def scores(acquisition: AcquisitionFunction) -> np.ndarray:
    return acquisition.scores(acquisition.inputs(AT))


@pytest.mark.parametrize("n", [0, 1, 8])
def test_of_one_objective_the_score_is_the_mixtures(n: int) -> None:
    posterior = conditioned(ROWS[:n, 1])
    p = posterior.model.predict(posterior.inputs(AT))
    expected = mixture_score(p.means, p.deviations, p.incumbents, p.weights)
    acquisition = AcquisitionFunction((posterior,), 1, np.ones(n, dtype=bool), NO_ROWS)
    np.testing.assert_allclose(scores(acquisition), expected, rtol=1e-9, atol=1e-9)


def test_a_constraint_adds_the_log_probability_of_feasibility() -> None:
    limit = conditioned(ROWS[:, 1] - 0.5, Outcome.constraint("x"))
    p = limit.model.predict(limit.inputs(AT))
    aim, feasible = conditioned(ROWS[:, 2]), ROWS[:, 1] <= 0.5
    with_it = scores(AcquisitionFunction((aim, limit), 1, feasible, NO_ROWS))
    # The incumbent is the best of the feasible trials, not of all.
    q = aim.model.predict(aim.inputs(AT))
    incumbents = q.fitted[:, feasible].min(axis=1)
    expected = mixture_score(q.means, q.deviations, incumbents, q.weights)
    expected = expected + log_feasibility(p.means, p.deviations, p.weights)
    np.testing.assert_allclose(with_it, expected, rtol=1e-9, atol=1e-9)


def test_while_nothing_is_feasible_feasibility_decides() -> None:
    limit = conditioned(ROWS[:, 1] + 0.1, Outcome.constraint("x"))
    found = scores(
        AcquisitionFunction((conditioned(ROWS[:, 2]), limit), 1, np.zeros(8, dtype=bool), NO_ROWS)
    )
    assert AT[np.argsort(-found)[:3], 1].max() < np.median(AT[:, 1])


def believing(posteriors: tuple[OutcomePosterior, ...], n_objectives: int) -> np.ndarray:
    """Scores while the row that promises most is running."""
    asked = AcquisitionFunction(posteriors, n_objectives, np.ones(8, dtype=bool), NO_ROWS)
    return scores(replace(asked, pending=AT[[np.argmax(scores(asked))]]))


def test_what_a_running_trial_promises_is_the_incumbent() -> None:
    posterior = conditioned(ROWS[:, 1])
    p = posterior.model.predict(posterior.inputs(AT))
    promised = mixture_score(p.means, p.deviations, p.incumbents, p.weights).argmax()
    incumbents = np.minimum(p.incumbents, p.means[:, promised])
    assert (incumbents < p.incumbents).any()
    expected = mixture_score(p.means, p.deviations, incumbents, p.weights)
    np.testing.assert_allclose(believing((posterior,), 1), expected, rtol=1e-9, atol=1e-9)


def test_a_running_trial_that_is_likely_infeasible_promises_nothing() -> None:
    aim, limit = conditioned(ROWS[:, 1]), conditioned(np.full(8, 2.0), Outcome.constraint("x"))
    alone = AcquisitionFunction((aim, limit), 1, np.ones(8, dtype=bool), NO_ROWS)
    np.testing.assert_array_equal(believing((aim, limit), 1), scores(alone))


def test_running_trials_are_on_the_front() -> None:
    pair = (conditioned(ROWS[:, 1]), conditioned(ROWS[:, 2]))
    alone = scores(AcquisitionFunction(pair, 2, np.ones(8, dtype=bool), NO_ROWS))
    promised, believed = alone.argmax(), believing(pair, 2)
    assert (believed <= alone + 1e-9).all() and believed[promised] < alone[promised] - 0.1


@pytest.mark.parametrize("n", [0, 1, 2, 8])
def test_equal_objectives_are_improved_like_one(n: int) -> None:
    posterior = conditioned(ROWS[:n, 1])
    both = scores(AcquisitionFunction((posterior, posterior), 2, np.ones(n, dtype=bool), NO_ROWS))
    one = scores(AcquisitionFunction((posterior,), 1, np.ones(n, dtype=bool), NO_ROWS))
    assert np.isfinite(both).all()
    assert np.corrcoef(np.argsort(np.argsort(both)), np.argsort(np.argsort(one)))[0, 1] > 0.8


def test_priors_that_have_lost_are_not_asked_about_candidates() -> None:
    cold = conditioned(ROWS[:, 1], Outcome.constraint("unheard of"))
    acquisition = AcquisitionFunction((cold,), 1, np.ones(8, dtype=bool), NO_ROWS)
    assert not acquisition.asks_priors and acquisition.inputs(AT)[0].Z.shape == (12, 0)
    as_expected = conditioned(bowl_prior().predict(ROWS).mean(axis=1))
    assert AcquisitionFunction((cold, as_expected), 2, np.ones(8, dtype=bool), NO_ROWS).asks_priors

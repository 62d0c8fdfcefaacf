from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from optuna_meta.outcomes.observations import Outcome
from optuna_meta.suggest.acquisition import AcquisitionFunction
from optuna_meta.suggest.acquisition import log_feasibility
from optuna_meta.suggest.acquisition import mixture_score
from optuna_meta.surrogate.transfer_model import OutcomePosterior
from optuna_meta.surrogate.transfer_model import transfer_model
from tests.toys import bowl_prior


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

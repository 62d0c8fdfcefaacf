"""The acquisition of one trial, from the views of its outcomes."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_meta.outcomes.outcome import Outcome
from optuna_meta.suggest.acquisition import AcquisitionFunction
from optuna_meta.suggest.acquisition import log_feasibility
from optuna_meta.suggest.acquisition import mixture_score
from optuna_meta.surrogate.transfer_model import new_transfer_model
from optuna_meta.surrogate.transfer_model import OutcomePosterior
from tests.toys import bowl_prior


SPACE = bowl_prior().space
RNG = np.random.default_rng(0)
ROWS, AT = (
    np.column_stack([RNG.integers(0, 3, n).astype(float), RNG.random((n, 2))]) for n in (8, 12)
)
NO_ROWS = np.zeros((0, 3))


def view(values: np.ndarray, outcome: Outcome | None = None) -> OutcomePosterior:
    model = new_transfer_model(bowl_prior(), outcome or Outcome())
    return model.view(SPACE, ROWS[: len(values)], values, NO_ROWS)


def scores(goal: AcquisitionFunction) -> np.ndarray:
    return goal.scores(goal.inputs(AT))


@pytest.mark.parametrize("n", [0, 1, 8])
def test_of_one_objective_the_score_is_the_mixtures(n: int) -> None:
    told = view(ROWS[:n, 1])
    p = told.model.predict(told.base_models.inputs(AT))
    expected = mixture_score(p.means, p.deviations, p.incumbents, p.weights)
    goal = AcquisitionFunction((told,), 1, np.ones(n, dtype=bool))
    np.testing.assert_allclose(scores(goal), expected, rtol=1e-9, atol=1e-9)


def test_a_constraint_adds_the_log_probability_of_feasibility() -> None:
    limit = view(ROWS[:, 1] - 0.5, Outcome.constraint("x"))
    p = limit.model.predict(limit.base_models.inputs(AT))
    aim, feasible = view(ROWS[:, 2]), ROWS[:, 1] <= 0.5
    with_it = scores(AcquisitionFunction((aim, limit), 1, feasible))
    # The incumbent is the best of the feasible trials, not of all.
    q = aim.model.predict(aim.base_models.inputs(AT))
    incumbents = q.fitted[:, feasible].min(axis=1)
    expected = mixture_score(q.means, q.deviations, incumbents, q.weights)
    expected = expected + log_feasibility(p.means, p.deviations, p.weights)
    np.testing.assert_allclose(with_it, expected, rtol=1e-9, atol=1e-9)


def test_while_nothing_is_feasible_feasibility_decides() -> None:
    limit = view(ROWS[:, 1] + 0.1, Outcome.constraint("x"))
    found = scores(AcquisitionFunction((view(ROWS[:, 2]), limit), 1, np.zeros(8, dtype=bool)))
    assert AT[np.argsort(-found)[:3], 1].max() < np.median(AT[:, 1])


@pytest.mark.parametrize("n", [0, 1, 2, 8])
def test_equal_objectives_are_improved_like_one(n: int) -> None:
    told = view(ROWS[:n, 1])
    both = scores(AcquisitionFunction((told, told), 2, np.ones(n, dtype=bool)))
    one = scores(AcquisitionFunction((told,), 1, np.ones(n, dtype=bool)))
    assert np.isfinite(both).all()
    assert np.corrcoef(np.argsort(np.argsort(both)), np.argsort(np.argsort(one)))[0, 1] > 0.8


def test_priors_that_have_lost_are_not_asked_about_candidates() -> None:
    cold = view(ROWS[:, 1], Outcome.constraint("unheard of"))
    goal = AcquisitionFunction((cold,), 1, np.ones(8, dtype=bool))
    assert not goal.asks_priors and goal.inputs(AT)[0].Z.shape == (12, 0)
    as_expected = view(bowl_prior().predict(ROWS).mean(axis=1))
    assert AcquisitionFunction((cold, as_expected), 2, np.ones(8, dtype=bool)).asks_priors

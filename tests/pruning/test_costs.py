"""Costs are learned up to a factor, and odd ones do no harm."""

from __future__ import annotations

import numpy as np
from optuna.distributions import FloatDistribution
import pytest

from optuna_meta.outcomes.curves import Curves
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.pruning.costs import Costs
from optuna_meta.pruning.costs import fit_costs
from optuna_meta.pruning.costs import log_costs
from optuna_meta.pruning.costs import prior_costs
from optuna_meta.space.search_space import Space
from optuna_meta.studies.task import Task


SPACE = Space.from_distributions({"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)})
NEW = np.random.default_rng(9).random((50, 2))
NOTHING = Costs(SPACE, np.zeros((0, 2)), np.zeros(0))


def seconds(rows: np.ndarray, factor: float = 1.0) -> np.ndarray:
    return factor * np.exp(3.0 * rows[:, 0])


def task(seed: int, factor: float = 1.0, n: int = 40) -> Task:
    rows = np.random.default_rng(seed).random((n, 2))
    curves = Curves(np.zeros(0), np.zeros((n, 0)), np.ones(n, dtype=bool), seconds(rows, factor))
    return Task(f"t{seed}", rows, rows[:, 1], curves=curves)


def own(n: int, factor: float = 1.0) -> Costs:
    rows = np.random.default_rng(7).random((n, 2))
    return Costs(SPACE, rows, log_costs(seconds(rows, factor)))


def test_machines_differ_by_a_factor_that_few_trials_tell() -> None:
    prior = prior_costs([task(0, 1.0), task(1, 60.0), task(2, 1e4)], SPACE)
    found = fit_costs(prior, own(3, 500.0)).log_cost(NEW, SPACE)
    assert np.abs(found - np.log(seconds(NEW, 500.0))).max() < 0.5


def test_a_study_with_constraints_keeps_its_costs() -> None:
    """The task of a constraint has the study's name, and no curves."""
    constraint = Task("t0", task(0).rows, np.zeros(40), outcome=Outcome.constraint("memory"))
    assert len(prior_costs([task(0), constraint], SPACE).rows) == 40


def test_before_any_trial_the_order_is_known() -> None:
    prior = prior_costs([task(s) for s in range(3)], SPACE)
    found = fit_costs(prior, NOTHING).log_cost(NEW, SPACE)
    assert np.corrcoef(found, NEW[:, 0])[0, 1] > 0.99


def test_own_trials_alone_are_enough() -> None:
    found = fit_costs(NOTHING, own(40, 10.0)).log_cost(NEW, SPACE)
    assert np.abs(found - np.log(seconds(NEW, 10.0))).mean() < 0.2


def test_where_the_target_costs_otherwise_its_trials_win() -> None:
    prior = prior_costs([task(s) for s in range(3)], SPACE)
    rows = np.random.default_rng(7).random((60, 2))
    reverse = Costs(SPACE, rows, -3.0 * rows[:, 0])
    found = fit_costs(prior, reverse).log_cost(NEW, SPACE)
    assert np.corrcoef(found, -NEW[:, 0])[0, 1] > 0.9


def test_nothing_known_costs_the_same_everywhere() -> None:
    assert np.ptp(fit_costs(NOTHING, NOTHING).log_cost(NEW, SPACE)) == 0.0


def test_costs_that_are_none_are_unknown() -> None:
    found = log_costs(np.array([np.nan, -1.0, np.inf, 4.0]))
    np.testing.assert_array_equal(np.isnan(found), [True, True, True, False])


def test_whole_seconds_leave_no_infinite_logarithm() -> None:
    assert np.isfinite(log_costs(np.array([0.0, 0.0, 1.0, 2.0]))).all()


@pytest.mark.parametrize("odd", [0.0, 1e9])
def test_one_misreported_duration_moves_little(odd: float) -> None:
    rows = np.random.default_rng(7).random((40, 2))
    costs = seconds(rows, 10.0)
    costs[5] = odd
    found = fit_costs(NOTHING, Costs(SPACE, rows, log_costs(costs))).log_cost(NEW, SPACE)
    assert np.abs(found - np.log(seconds(NEW, 10.0))).mean() < 0.4


def test_spaces_may_differ() -> None:
    wider = Space.from_distributions({"x": FloatDistribution(-1, 2), "z": FloatDistribution(0, 1)})
    prior = prior_costs([task(s) for s in range(3)], SPACE)
    rows = np.array([[0.4, 0.5], [0.6, 0.5]])  # x at 0.2 and 0.8.
    low, high = fit_costs(prior, Costs(wider, rows[:0], np.zeros(0))).log_cost(rows, wider)
    assert high > low + 0.4

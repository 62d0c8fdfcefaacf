"""What a trial costs to its end is read from durations, times of steps and reported numbers."""

from __future__ import annotations

from datetime import datetime
from datetime import timedelta
import math

import numpy as np
import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState
import pytest

from optuna_meta.outcomes.full_costs import cost_names
from optuna_meta.outcomes.full_costs import cost_of
from optuna_meta.outcomes.full_costs import full_costs
from optuna_meta.outcomes.full_costs import seconds_of
from optuna_meta.outcomes.full_costs import TIMES_KEY
from optuna_meta.outcomes.reported import CURVE_KEY


START = datetime(2026, 1, 1, 0, 0, 0, 250_000)
COMPLETE, PRUNED = TrialState.COMPLETE, TrialState.PRUNED


def trial(
    seconds: float,
    n_steps: int = 10,
    state: TrialState = COMPLETE,
    start: datetime = START,
    **attributes: object,
) -> FrozenTrial:
    made = optuna.trial.create_trial(
        state=state,
        value=1.0 if state == COMPLETE else None,
        intermediate_values=dict.fromkeys(range(n_steps), 1.0),
        user_attrs=attributes,
    )
    made.datetime_start, made.datetime_complete = start, start + timedelta(seconds=seconds)
    return made


@pytest.mark.parametrize(("seconds", "expected"), [(3.5, 3.5), (0.0, 0.0), (-1.0, math.nan)])
def test_durations_that_cannot_be_are_unknown(seconds: float, expected: float) -> None:
    made = trial(seconds)
    np.testing.assert_equal(seconds_of(made), expected)
    made.datetime_complete = None
    assert math.isnan(seconds_of(made))


def test_a_stopped_trial_would_have_gone_on_in_proportion() -> None:
    found = full_costs([trial(20.0), trial(6.0, 4, PRUNED)])
    np.testing.assert_allclose(found, [20.0, 15.0])


def test_where_times_are_known_only_the_steps_are_as_long_as_they_were() -> None:
    times = {"steps": [0, 1, 3], "seconds": [11.0, 12.0, 14.0]}  # Ten seconds to begin with.
    found = full_costs([trial(20.0), trial(14.5, 4, PRUNED, **{TIMES_KEY: times})])
    np.testing.assert_allclose(found[1], 14.5 + 6.0)


@pytest.mark.parametrize("shown", [0.0, 1.0])
def test_whole_seconds_get_their_fraction_from_the_times_of_steps(shown: float) -> None:
    start = START.replace(microsecond=0)
    times = {"steps": [0, 8], "seconds": [0.53, 0.77]}
    known = trial(shown, 10, start=start, **{TIMES_KEY: times})
    assert seconds_of(known) == pytest.approx(0.3)
    assert seconds_of(trial(shown, 10, start=start)) == shown


def test_whole_seconds_are_not_off_by_more_than_one() -> None:
    start = START.replace(microsecond=0)
    slow_to_begin = {"steps": [0, 8], "seconds": [50.0, 58.0]}
    assert seconds_of(trial(60.0, 10, start=start, **{TIMES_KEY: slow_to_begin})) == 59.0


def test_costs_by_name_are_numbers_that_can_be_paid() -> None:
    odd = [3, 0.0, True, "5", None, -1.0, math.nan, math.inf, 10**400]
    found = [cost_of(trial(1.0, money=value), "money") for value in odd]
    np.testing.assert_equal(found, [3.0, 0.0] + [math.nan] * 7)


def test_a_reported_cost_of_a_stopped_trial_is_one_of_its_part() -> None:
    found = full_costs([trial(1.0, money=8.0), trial(1.0, 5, PRUNED, money=2.0)], "money")
    np.testing.assert_allclose(found, [8.0, 4.0])


def test_without_a_way_to_compare_with_stopped_trials_tell_nothing() -> None:
    found = full_costs([trial(4.0, 0), trial(1.0, 5, PRUNED), trial(1.0, 0, PRUNED)])
    np.testing.assert_equal(found, [4.0, math.nan, math.nan])
    assert full_costs([]).shape == (0,)


def test_curves_of_several_objectives_are_a_way_too() -> None:
    curve = {"steps": [0, 10, 20, 30], "values": [[1.0, 1.0]] * 4}
    half = {"steps": [0, 10], "values": [[1.0, 1.0]] * 2}
    trials = [trial(8.0, 0, **{CURVE_KEY: curve}), trial(3.0, 0, PRUNED, **{CURVE_KEY: half})]
    np.testing.assert_allclose(full_costs(trials), [8.0, 6.0])


def test_broken_times_are_passed_over() -> None:
    for times in ("much", {"steps": [1]}, {"steps": [2, 2], "seconds": [1.0, 2.0]}):
        known = full_costs([trial(20.0), trial(6.0, 4, PRUNED, **{TIMES_KEY: times})])
        np.testing.assert_allclose(known[1], 15.0)


def test_names_are_those_of_numbers_and_not_of_ours() -> None:
    trials = [trial(1.0, money=1.0, note="a", **{"optuna_meta:x": 1.0}) for _ in range(2)]
    assert cost_names([*trials, trial(1.0, joules=5)]) == ("joules", "money")
    many = {f"n{i}": 1.0 for i in range(80)}
    assert len(cost_names([trial(1.0, **many)])) == 64

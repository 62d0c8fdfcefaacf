"""Which values a figure is about."""

from __future__ import annotations

import math

import optuna
import pytest

from optuna_meta.visualization.target_values import target_values


def two_objectives() -> optuna.Study:
    study = optuna.create_study(directions=["minimize", "maximize"])
    for i in range(3):
        study.add_trial(optuna.trial.create_trial(values=[float(i), 10.0 - i]))
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL))
    return study


def test_a_target_is_known_for_the_objective_that_it_gives() -> None:
    found = target_values(two_objectives(), lambda trial: trial.values[1])
    assert found.objective == 1 and found.sign == -1.0
    assert found.values.tolist() == [10.0, 9.0, 8.0]
    assert found.losses.tolist() == [-10.0, -9.0, -8.0]
    assert found.numbers.tolist() == [0, 1, 2]


def test_another_function_is_no_objective() -> None:
    found = target_values(two_objectives(), lambda trial: 2.0 * trial.values[0])
    assert found.objective is None and found.sign == 1.0


def test_values_that_are_not_finite_are_left_out() -> None:
    study = optuna.create_study(direction="maximize")
    for value in (1.0, math.inf, 3.0):
        study.add_trial(optuna.trial.create_trial(value=value))
    found = target_values(study, None)
    assert found.numbers.tolist() == [0, 2] and found.objective == 0 and found.sign == -1.0


def test_of_several_objectives_one_must_be_chosen() -> None:
    with pytest.raises(ValueError, match=r"2 objectives: say which to show, such as target="):
        target_values(two_objectives(), None)

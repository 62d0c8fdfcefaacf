"""A judge refuses chances that its tests refute, and its verdicts can be read again."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import optuna
from optuna.trial import TrialState
import pytest

from optuna_meta.pruning.curve_model import CurveModel
from optuna_meta.pruning.curve_model import fit_curves
from optuna_meta.pruning.expectation import Expectation
from optuna_meta.pruning.judge import Judge
from optuna_meta.pruning.judge import STOPPED_KEY
from optuna_meta.pruning.judge import Verdict
from tests.pruning.toys import curve
from tests.pruning.toys import N_STEPS
from tests.pruning.toys import prior


def complete(number: int, quality: float, test: float | None = None) -> optuna.trial.FrozenTrial:
    values = curve(quality)
    attrs = {}
    if test is not None:
        attrs[STOPPED_KEY] = Verdict(0, 0.1, True, test, 9, 1).record()
    made = optuna.trial.create_trial(
        value=values[-1], intermediate_values=dict(enumerate(values)), user_attrs=attrs
    )
    made.number, made.datetime_start = number, datetime(2026, 1, 1, 0, 0, number)
    return made


def verdict(trials: list[optuna.trial.FrozenTrial], model: CurveModel) -> Verdict | None:
    judge = Judge(model, (1.0,), 0.05, Expectation(None))
    running = optuna.trial.create_trial(state=TrialState.RUNNING)
    running.number = 99
    reports = {step: (value,) for step, value in enumerate(curve(0.05)[: N_STEPS // 2])}
    return judge.verdict([*trials, running], running, reports)


QUALITIES = np.linspace(0.9, 0.1, 9)
KNOWN = [complete(i, quality) for i, quality in enumerate(QUALITIES)]


def test_a_hopeless_trial_is_stopped_and_without_a_model_it_is_not() -> None:
    found = verdict(KNOWN, fit_curves(prior().tasks))
    assert found is not None
    assert found.step == N_STEPS // 2 - 1
    assert found.chance < 0.05
    assert verdict(KNOWN, CurveModel()) is None


@pytest.mark.parametrize(("chance", "is_refuted"), [(0.001, True), (0.5, False)])
def test_a_test_that_was_not_to_improve_and_did_refutes(chance: float, is_refuted: bool) -> None:
    tested = [*KNOWN, complete(9, 0.99, chance)]
    assert (verdict(tested, fit_curves(prior().tasks)) is None) == is_refuted


def test_a_test_that_did_not_improve_refutes_nothing() -> None:
    assert verdict([*KNOWN, complete(9, 0.2, 0.001)], fit_curves(prior().tasks)) is not None


def test_before_any_complete_trial_nothing_is_judged() -> None:
    assert verdict([], fit_curves(prior().tasks)) is None


@pytest.mark.parametrize(
    "found", [Verdict(3, 0.25, False, 0.0123, 412, 2), Verdict(0, 1.0, True, 0.5, 0, 0)]
)
def test_a_verdict_is_read_as_it_was_recorded(found: Verdict) -> None:
    trial = optuna.trial.create_trial(value=0.0, user_attrs={STOPPED_KEY: found.record()})
    assert Verdict.of(trial) == found


def test_it_says_what_it_counted() -> None:
    assert str(Verdict(7, 0.5, False, 0.01, 412, 2)) == (
        "stopped at step 7: of 412 prior trials that stood there, 2 ended below your best"
    )
    assert "to be stopped, but tested, at step 7" in str(Verdict(7, 0.5, True, 0.01, 412, 2))
    assert "its chance was 0.01" in str(Verdict(7, 0.5, False, 0.01, 0, 0))

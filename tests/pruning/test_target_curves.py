"""Finished trials are met at the same step, however they and the running one report."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import optuna
from optuna.trial import TrialState
import pytest

from optuna_meta.pruning.expectation import Expectation
from optuna_meta.pruning.standing import looks
from optuna_meta.pruning.target_curves import TargetCurves


Reports = Mapping[int, float]


def trial(
    number: int, reports: Reports, state: TrialState = TrialState.COMPLETE
) -> optuna.trial.FrozenTrial:
    value = reports[max(reports)] if state == TrialState.COMPLETE else None
    made = optuna.trial.create_trial(
        state=state, value=value, intermediate_values={k: float(v) for k, v in reports.items()}
    )
    made.number = number
    return made


def line(start: float, end: float, n: int = 10) -> dict[int, float]:
    return {step: start + (end - start) * step / (n - 1) for step in range(n)}


def target(*trials: optuna.trial.FrozenTrial, sign: float = 1.0) -> TargetCurves:
    made = TargetCurves([sign], Expectation(None))
    for one in trials:
        made.append(one)
    return made


def stand(made: TargetCurves, reports: Reports) -> tuple[float, np.ndarray] | None:
    running = trial(9, reports, TrialState.RUNNING)
    found = made.stand(running, {step: (value,) for step, value in reports.items()})
    return None if found is None else (found.position, found.standing)


KNOWN = [trial(i, line(1.0, end)) for i, end in enumerate((0.5, 0.1, 0.3))]


def test_the_way_is_counted_in_shares_of_the_best_trials() -> None:
    made = target(*KNOWN)
    first, late = stand(made, {0: 1.0}), stand(made, first_of(line(1.0, 0.2), 9))
    assert first is not None and late is not None
    assert (first[0], late[0]) == (0.1, 0.9)


def test_trials_are_looked_at_a_dozen_times_and_not_at_their_end() -> None:
    made = target(trial(0, line(1.0, 0.1, 100)), trial(1, line(1.0, 0.3, 100)))
    way = line(1.0, 0.2, 100)
    seen = [n - 1 for n in range(1, 101) if stand(made, first_of(way, n)) is not None]
    assert seen == looks(100).tolist()
    assert len(seen) == 12
    assert seen[0] == 0
    assert seen[-1] == 98


def test_who_is_asked_about_seldom_is_looked_at_whenever_a_look_was_passed() -> None:
    made = target(trial(0, line(1.0, 0.1, 100)), trial(1, line(1.0, 0.3, 100)))
    way = line(1.0, 0.4, 100)
    asked = [25, 50, 51, 75, 100]
    seen = [n for n in asked if stand(made, first_of(way, n)) is not None]
    assert seen == [25, 50, 75, 100]
    assert stand(made, way) is not None  # The same when asked once more.


def first_of(reports: Reports, n: int) -> Reports:
    return dict(list(reports.items())[:n])


def test_who_reports_seldom_is_as_early_as_its_reports_are_few() -> None:
    found = stand(target(*KNOWN), {0: 1.0, 8: 0.2})
    assert found is not None
    assert found[0] == pytest.approx(0.2)


def test_who_reports_backwards_stands_as_who_does_not() -> None:
    ahead = stand(target(*KNOWN), {0: 1.0, 1: 0.95, 2: 0.9})
    mirrored = [trial(t.number, _mirrored(t.intermediate_values)) for t in KNOWN]
    for t, known in zip(mirrored, KNOWN, strict=True):
        t.value = known.value
    behind = stand(target(*mirrored), {9: 1.0, 8: 0.95, 7: 0.9})
    assert ahead is not None and behind is not None
    assert ahead[0] == behind[0]
    np.testing.assert_allclose(ahead[1], behind[1])


def _mirrored(reports: Reports) -> dict[int, float]:
    return {9 - step: value for step, value in reports.items()}


def test_before_any_trial_is_complete_nothing_can_be_compared() -> None:
    stopped = trial(0, {0: 1.0}, TrialState.PRUNED)
    for made in (target(), target(stopped)):
        assert stand(made, {0: 1.0}) is None
    assert stand(target(*KNOWN), {}) is None


def test_steps_before_the_best_trials_first_are_not_compared() -> None:
    made = target(trial(0, {5: 1.0, 6: 0.5}))
    assert stand(made, {3: 1.0}) is None


def test_a_trial_that_was_stopped_is_met_where_it_was_and_improves_on_nothing() -> None:
    stopped = trial(3, {0: 1.0, 1: 0.01}, TrialState.PRUNED)
    made = target(*KNOWN, stopped)
    assert len(made) == 4
    assert made.is_complete.tolist() == [True, True, True, False]
    assert len(made.curves()[1]) == 3
    assert not made.improved(3)


def test_improved_is_to_end_below_all_that_had_begun_before() -> None:
    made = target(*KNOWN)
    assert [made.improved(i) for i in range(4)] == [True, True, False, False]


def test_failed_trials_and_those_without_reports_tell_nothing() -> None:
    silent = optuna.trial.create_trial(value=1.0)
    failed = trial(5, {0: 1.0}, TrialState.FAIL)
    made = target(silent, failed)
    assert len(made) == 0
    assert silent in made

"""Curves of a study come on one bounded grid of steps, with what is unknown left open."""

from __future__ import annotations

import numpy as np
import optuna
from optuna.trial import TrialState
import pytest

from optuna_meta.outcomes.curves import Curves
from optuna_meta.outcomes.curves import curves_of
from optuna_meta.outcomes.curves import on_grid


def trial(
    reports: dict[int, float], state: TrialState = TrialState.COMPLETE
) -> optuna.trial.FrozenTrial:
    value = 1.0 if state == TrialState.COMPLETE else None
    return optuna.trial.create_trial(state=state, value=value, intermediate_values=reports)


def test_the_latest_report_counts_between_steps_and_nothing_outside_of_them() -> None:
    found = on_grid({2: 5.0, 6: 4.0}, np.array([1.0, 2.0, 4.0, 6.0, 8.0]))
    np.testing.assert_array_equal(found, [np.nan, 5.0, 5.0, 4.0, np.nan])
    assert np.isnan(on_grid({}, np.array([1.0]))).all()


def test_lower_is_better_and_what_diverged_is_worst() -> None:
    (curves,) = curves_of([trial({0: 1.0, 1: -np.inf}), trial({0: np.nan, 1: 3.0})], (-1.0,))
    np.testing.assert_array_equal(curves.values, [[-1.0, np.inf], [np.nan, -3.0]])


def test_long_curves_are_thinned_evenly() -> None:
    (curves,) = curves_of([trial({s: float(s) for s in range(1_000)})])
    assert len(curves.steps) == 32
    assert curves.steps[[0, -1]].tolist() == [0.0, 999.0]
    np.testing.assert_array_equal(curves.values[0], curves.steps)


def test_stopped_trials_are_known_as_such() -> None:
    (curves,) = curves_of([trial({0: 1.0}), trial({0: 1.0}, TrialState.PRUNED)])
    assert curves.complete.tolist() == [True, False]
    assert len(curves.select(curves.complete)) == 1


def test_shapes_that_do_not_agree_are_refused() -> None:
    with pytest.raises(ValueError, match=r"2 trials at 3 steps need values \(2, 3\)"):
        Curves(np.arange(3.0), np.zeros((2, 2)), np.ones(2, dtype=bool), np.zeros(2))

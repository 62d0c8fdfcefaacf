from __future__ import annotations

import math
from typing import Any

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState
import pytest

from optuna_meta.outcomes.observations import constraint_keys
from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.outcomes.observations import objectives
from optuna_meta.outcomes.observations import observe
from optuna_meta.outcomes.observations import Outcome
from tests.outcomes.trials import pruned
from tests.outcomes.trials import trial


DOWN, UP = StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE


def test_complete_trials_keep_their_values_and_their_order() -> None:
    observed = observe([trial(2, 0.5), trial(0, 3.0), trial(1, -1.0)], [DOWN])
    assert observed.values.tolist() == [[3.0], [-1.0], [0.5]] and len(observed) == 3
    assert [p["x"] for p in observed.params] == [0.0, 1.0, 2.0]
    assert [list(d) for d in observed.distributions] == [["x"]] * 3


def test_failed_and_unfinished_trials_are_left_out() -> None:
    others = [s for s in TrialState if s not in FINISHED]
    trials = [trial(i, state=state) for i, state in enumerate(others)]
    assert len(observe([*trials, pruned(8, {}), pruned(9, {1: math.nan})], [DOWN])) == 0
    assert observe([], [DOWN]).values.shape == (0, 1)


def test_only_complete_trials_came_to_their_values() -> None:
    trials = [trial(1, 0.5), pruned(6, {1: 0.65}), trial(7, state=TrialState.FAIL), trial(8, 0.3)]
    assert observe(trials, [DOWN]).measured.tolist() == [True, False, True]


def test_trials_of_a_real_study_are_observed() -> None:
    study = optuna.create_study(
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3),
        sampler=optuna.samplers.RandomSampler(seed=0),
    )

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        if trial.number == 4:
            raise ArithmeticError
        for step in range(4):
            trial.report(x * step, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return 3 * x

    study.optimize(objective, n_trials=25, catch=ArithmeticError)
    states: list[Any] = [t.state for t in study.trials]
    observed = observe(study.trials, [UP])
    assert TrialState.PRUNED in states and len(observed) == 24
    best = int(np.argmin(observed.values))
    assert observed.params[best] == study.best_params
    x = np.array([p["x"] for p in observed.params])
    assert (observed.values[:, 0] >= -3.0 * x - 1e-12).all()


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (Outcome(), Outcome(), True),
        (Outcome("loss"), Outcome(), True),
        (Outcome("loss"), Outcome("loss", 1, 2), True),
        (Outcome("loss"), Outcome("time"), False),
        (Outcome("", 1, 2), Outcome("time", 1, 2), True),
        (Outcome("", 0, 2), Outcome("", 1, 2), False),
        (Outcome(), Outcome("", 0, 2), False),
        (Outcome.constraint("size"), Outcome.constraint("size"), True),
        (Outcome.constraint("size"), Outcome.constraint("time"), False),
        (Outcome.constraint("size"), Outcome("size"), False),
        (Outcome.constraint(""), Outcome(""), False),
    ],
)
def test_measures_match_by_name_else_by_position(a: Outcome, b: Outcome, same: bool) -> None:
    assert a.matches(b) == b.matches(a) == same


def test_objectives_have_the_names_that_are_set() -> None:
    assert objectives(1) == (Outcome(),)
    assert objectives(2, ["a", "b"]) == (Outcome("a", 0, 2), Outcome("b", 1, 2))


def test_constraint_keys_are_those_of_any_trial() -> None:
    trials = [
        optuna.trial.create_trial(value=1.0, constraints=constraints)
        for constraints in ({"b": 1.0}, {}, {"a": 0.0, "b": -1.0})
    ]
    assert constraint_keys(trials) == ("a", "b")
    assert constraint_keys([]) == ()

"""Times of steps are few, and written seldom."""

from __future__ import annotations

from datetime import timedelta

import optuna

from optuna_meta import MetaPruner
from optuna_meta.outcomes.full_costs import TIMES_KEY
from optuna_meta.pruning.step_times import times_to_write
from tests.pruning.toys import objective
from tests.pruning.toys import prior


def test_they_are_written_after_twice_as_many_reports_and_at_the_last() -> None:
    trial, written = optuna.create_study().ask()._get_latest_trial(), []
    for n in range(1, 101):
        assert trial.datetime_start is not None
        now = trial.datetime_start + timedelta(seconds=0.5 * n)
        record = times_to_write(trial, 10 * n, n, now, n == 100)
        if record is not None:
            trial.set_user_attr(TIMES_KEY, record)
            written.append(n)
        assert times_to_write(trial, 10 * n, n, now, True) is None or record is None
    assert written == [1, 2, 4, 8, 16, 32, 64, 100]
    assert trial.user_attrs[TIMES_KEY]["steps"] == [10 * n for n in written]
    assert trial.user_attrs[TIMES_KEY]["seconds"] == [0.5 * n for n in written]


def test_the_pruner_keeps_them_of_every_trial() -> None:
    study = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=3), pruner=MetaPruner(prior_studies=prior())
    )
    study.optimize(objective(), n_trials=20)
    for trial in study.trials:
        steps = trial.user_attrs[TIMES_KEY]["steps"]
        kept = {0, 1, 3, 7} & set(trial.intermediate_values)
        if trial.state.name == "PRUNED":
            kept |= {max(trial.intermediate_values)}
        assert steps == sorted(kept)


def test_several_objectives_too() -> None:
    pruner = MetaPruner()
    study = optuna.create_study(directions=["minimize"] * 2)
    trial = study.ask()
    for step in range(5):
        pruner.report(trial, [1.0] * 2, step)
        assert not pruner.should_prune(trial)
    assert study.trials[0].user_attrs[TIMES_KEY]["steps"] == [0, 1, 3]

"""One study: given trials, noise, workers, two objectives, pruning."""

import math

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler
import pytest

from benchmarks.arena.trials import run_trials
from benchmarks.methods.methods import Built
from benchmarks.methods.unpruned import BlindToPruned
from benchmarks.methods.unpruned import without_pruned
from benchmarks.tasks.curves import EPOCHS
from benchmarks.tasks.regimes import Conditions
from tests.benchmarks.toys import bowl_task
from tests.benchmarks.toys import curve_task
from tests.benchmarks.toys import objectives_task


class Spy(RandomSampler):
    """Notes what it is shown."""

    def __init__(self, seed=0):
        super().__init__(seed=seed)
        self.states, self.values, self.studies = [], [], []

    def before_trial(self, study, trial):
        self.states.append([t.state.name for t in study.get_trials(deepcopy=False)])
        self.studies.append(study)

    def after_trial(self, study, trial, state, values):
        self.values.append(values)


def run(task, sampler, n=12, **options):
    return list(run_trials(task, Built(sampler, []), n, setup=0.0, **options))


def test_one_worker_without_noise_is_a_plain_study():
    task = bowl_task("4")
    study = optuna.create_study(sampler=TPESampler(seed=3))
    study.optimize(lambda trial: task.evaluate(task.suggest(trial)), n_trials=15)
    rows = run(task, TPESampler(seed=3), n=15)
    values = [trial.value for trial in study.trials]
    assert [row.value for row in rows] == values
    assert [row.trial for row in rows] == list(range(1, 16))
    assert [row.regret_so_far for row in rows] == (np.minimum.accumulate(values) / 0.4).tolist()
    assert {row.cost for row in rows} == {1.0}


def test_given_trials_are_the_same_for_all_and_come_before_the_first():
    conditions = Conditions(given=5)
    spies = [Spy(seed=1), Spy(seed=2)]
    first, second = (run(bowl_task("4"), spy, conditions=conditions, seed=7) for spy in spies)
    given = [[t.value for t in spy.studies[0].trials[:5]] for spy in spies]
    assert given[0] == given[1]
    assert spies[0].states[0][:5] == ["COMPLETE"] * 5
    best = min(given[0])
    assert first[0].regret_so_far == pytest.approx(min(best, first[0].value) / 0.4)
    assert [row.value for row in first] != [row.value for row in second]
    assert (len(first), first[0].trial) == (12, 1)


def test_noise_is_shown_to_the_sampler_only():
    plain, noisy = Spy(), Spy()
    truth = run(bowl_task("4"), plain, n=400)
    rows = run(bowl_task("4"), noisy, n=400, conditions=Conditions(noise=0.1), seed=5)
    assert [row.value for row in rows] == [row.value for row in truth]
    assert [row.regret_so_far for row in rows] == [row.regret_so_far for row in truth]
    errors = np.array(noisy.values)[:, 0] - np.array(plain.values)[:, 0]
    assert errors.std() == pytest.approx(0.1 * 0.4, rel=0.15)  # a tenth of the gap
    assert errors.mean() == pytest.approx(0.0, abs=0.008)


def test_four_workers_always_leave_three_others_running():
    spy = Spy()
    rows = run(bowl_task("4"), spy, n=12, conditions=Conditions(workers=4))
    running = [states.count("RUNNING") for states in spy.states]
    assert running == [1, 2, 3] + [4] * 9  # with the trial that is asked for
    numbers = [t.number for t in sorted(spy.studies[0].trials, key=lambda t: t.datetime_complete)]
    assert sorted(numbers) == list(range(12))
    assert numbers != sorted(numbers)  # they finish in another order than they start
    trials = spy.studies[0].trials
    assert [row.value for row in rows] == [trials[n].value for n in numbers]
    again = run(bowl_task("4"), Spy(), n=12, conditions=Conditions(workers=4))
    assert [row.value for row in again] == [row.value for row in rows]


def test_pruned_trials_cost_their_epochs_and_do_not_count_for_regret():
    spy = Spy()
    rows = run(curve_task("4"), spy, n=30)
    trials = spy.studies[0].trials
    pruned = [trial.state.name == "PRUNED" for trial in trials]
    assert 0 < sum(pruned) < 30
    for row, trial, is_pruned in zip(rows, trials, pruned, strict=True):
        assert row.cost == max(trial.intermediate_values)
        assert row.cost == EPOCHS[-1] or is_pruned
        assert math.isnan(row.value) == is_pruned
    complete = [t.value for t in trials if t.state.name == "COMPLETE"]
    assert rows[-1].regret_so_far == pytest.approx(min(complete) / 0.4)


def test_a_sampler_that_is_blind_to_pruned_trials():
    spy = Spy()
    rows = run(curve_task("4"), BlindToPruned(spy), n=30)
    seen = run(curve_task("4"), Spy(), n=30)
    assert [(r.regret_so_far, r.cost) for r in rows] == [(r.regret_so_far, r.cost) for r in seen]
    assert {state for states in spy.states for state in states} == {"COMPLETE", "RUNNING"}
    study = spy.studies[-1]
    complete = [t for t in optuna.Study.get_trials(study._study) if t.state.name == "COMPLETE"]
    assert [t.params for t in study.trials] == [t.params for t in complete]
    assert [t.value for t in without_pruned(study._study).trials] == [t.value for t in complete]


def test_two_objectives_end_at_the_front():
    rows = run(objectives_task("4"), RandomSampler(seed=0), n=150)
    regrets = [row.regret_so_far for row in rows]
    assert regrets == sorted(regrets, reverse=True)
    assert regrets[0] > regrets[-1]
    assert 0.0 <= regrets[-1] < 0.05


def test_meta_features_of_the_target_are_on_its_study():
    spy = Spy()
    run(bowl_task("4"), spy, n=1, features={"rows": 10.0})
    assert spy.studies[0].user_attrs["optuna_meta:meta_features"] == {"rows": 10.0}

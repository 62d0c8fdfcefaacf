import numpy as np
import optuna
from optuna.samplers import RandomSampler
import pytest

from benchmarks.methods.methods import Unsupported
from benchmarks.methods.peers.history import normal_scores
from benchmarks.methods.peers.history import read_priors
from benchmarks.methods.peers.history import require_priors
from benchmarks.methods.peers.planned import PlannedSampler


class Best:
    """Suggests the prior studies' best configuration and keeps what it was told."""

    def __init__(self, priors):
        self.targets = []
        self._best = priors[0].best(1)[0] if priors else {}

    def suggest(self, target, rng):
        self.targets.append(target)
        return self._best


def study(objective, n_trials, **options):
    made = optuna.create_study(sampler=options.pop("sampler", RandomSampler(seed=0)), **options)
    made.optimize(objective, n_trials=n_trials, catch=(ZeroDivisionError,))
    return made


def bowl(trial):
    kind = trial.suggest_categorical("kind", ["a", "b"])
    return trial.suggest_float("x", 0, 1) + (kind == "b")


def planned(priors):
    histories = read_priors(priors)
    planner = Best(histories)
    return planner, PlannedSampler(planner, histories, seed=0)


def test_the_plan_is_served_from_the_first_trial_on():
    prior = study(bowl, 10)
    planner, sampler = planned([prior])
    target = study(bowl, 2, sampler=sampler)
    assert [trial.params for trial in target.trials] == [prior.best_params] * 2
    assert len(planner.targets) == 2  # one plan a trial, not one a parameter


def test_values_that_the_target_does_not_allow_are_moved():
    prior = study(bowl, 10, direction="maximize")
    _, sampler = planned([prior])

    def narrow(trial):
        trial.suggest_categorical("kind", ["c", "d"])  # neither is known
        trial.suggest_int("new", 0, 9)
        return trial.suggest_float("x", -1.0, 0.125)

    target = study(narrow, 1, sampler=sampler)
    assert target.trials[0].params["x"] == 0.125
    assert prior.best_params["x"] > 0.125


def test_failed_and_endless_values_are_left_out_but_count_as_taken():
    def objective(trial):
        value = trial.suggest_float("x", 0, 1)
        return [1 / 0 if trial.number == 0 else np.inf, np.nan, np.inf, value][trial.number]

    _, sampler = planned([study(bowl, 10)])
    target = study(objective, 4, sampler=sampler)
    told = sampler._target(target, target.ask())
    assert told.history.configurations == [target.trials[3].params]
    assert told.taken == [trial.params for trial in target.trials[:4]]


def test_losses_are_lower_the_better_whatever_the_direction():
    low, high = study(bowl, 10), study(lambda t: -bowl(t), 10, direction="maximize")
    (first,), (second,) = read_priors([low]), read_priors([high])
    assert first.losses.tolist() == second.losses.tolist()
    assert first.best(1) == second.best(1) == [low.best_params]


def test_priors_that_say_nothing_are_left_out():
    assert read_priors([study(bowl, 1), study(lambda trial: 1 / 0, 3)]) == []
    with pytest.raises(Unsupported, match="at least one prior study .* for CTS; got none"):
        require_priors([], "CTS")


def test_several_objectives_are_refused():
    def two(trial):
        return trial.suggest_float("x", 0, 1), 0.0

    several = study(two, 3, directions=["minimize", "minimize"])
    with pytest.raises(Unsupported, match="one objective"):
        read_priors([several])
    _, sampler = planned([study(bowl, 3)])
    with pytest.raises(Unsupported, match="one objective, got 2"):
        study(two, 1, directions=["minimize", "minimize"], sampler=sampler)


def test_fresh_candidates_are_those_that_no_trial_has():
    planner, sampler = planned([study(bowl, 10)])
    target = study(bowl, 1, sampler=sampler)
    seen = sampler._target(target, target.ask())
    taken = target.trials[0].params
    assert seen.is_taken({**taken, "not a parameter of the target": 1})
    assert seen.fresh([taken, {**taken, "x": 0.5}]) == [1]
    assert seen.fresh([taken, taken]) == [0, 1]


def test_normal_scores_are_symmetric_and_tie():
    assert normal_scores(np.array([3.0])).tolist() == [0.0]
    scores = normal_scores(np.array([5.0, 1.0, 3.0, 3.0]))
    assert scores[0] == -scores[1] > 0
    assert scores[2] == scores[3] == pytest.approx(0.0)

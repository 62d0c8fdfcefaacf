"""Traps of the search: each was seen to cost a user the optimum, or most of the trials."""

from __future__ import annotations

import math
import random

import optuna
from optuna.trial import TrialState
import pytest

from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import meta_sampler
from tests.toys import run


def arms(trial: optuna.Trial) -> float:
    """Four choices, of which the best one alone has a parameter of its own."""
    x, y = (trial.suggest_float(name, -5.0, 5.0) for name in "xy")
    kind = trial.suggest_categorical("kind", ["a", "b", "c", "d"])
    value = (
        0.3 * ((x - 1.0) ** 2 + (y + 2.0) ** 2) + {"a": 0.0, "b": 0.5, "c": 1.5, "d": 3.0}[kind]
    )
    return value + (2.0 * (trial.suggest_float("m", 0.0, 1.0) - 0.8) ** 2 if kind == "a" else 0.0)


@pytest.mark.parametrize("seed", range(4))
def test_the_choice_that_has_a_parameter_of_its_own_is_found(seed: int) -> None:
    """Configurations of other choices that differ in that parameter alone are one and the same."""
    assert run(arms, 50, sampler=meta_sampler(None, seed=seed)).best_value < 0.05


def learners(trial: optuna.Trial) -> float:
    """Trees come to .15 nearly everywhere; networks are bad but where they are best, at 0."""
    kind = trial.suggest_categorical("kind", ["linear", "trees", "network"])
    value = 0.5 * (trial.suggest_float("share", 0.0, 1.0) - 0.4) ** 2
    if kind == "linear":
        return value + 0.6
    if kind == "trees":
        value += 0.3 * (math.log10(trial.suggest_int("trees", 10, 1000, log=True) / 300) / 2) ** 2
        return value + 0.15 + ((trial.suggest_int("depth", 1, 20) - 8) / 20) ** 2
    rate = math.log10(trial.suggest_float("rate", 1e-5, 1.0, log=True)) / 5 + 0.6
    layers = (trial.suggest_int("layers", 1, 6) - 3) / 6
    return value + 6.0 * (rate + 0.3 * layers) ** 2 + layers**2


@pytest.mark.parametrize("seed", range(4))
def test_an_arm_whose_first_trials_are_bad_is_not_left_for_ever(seed: int) -> None:
    """Without turns a study tries one network, which is a bad one, and none later."""
    study = run(learners, 40, sampler=meta_sampler(None, seed=seed))
    kinds = [trial.params["kind"] for trial in study.trials]
    assert kinds.count("network") >= 4, kinds
    assert kinds.count("linear") <= 5, "it has no parameter of its own"


def models(trial: optuna.Trial) -> float:
    """27 configurations, each model with parameters of its own."""
    model = trial.suggest_categorical("model", ["svm", "forest", "neighbours"])
    if model == "svm":
        key = [
            trial.suggest_categorical("kernel", "lrp"),
            trial.suggest_categorical("C", [1, 2, 3]),
        ]
    elif model == "forest":
        key = [trial.suggest_int("depth", 2, 6), trial.suggest_categorical("criterion", "ge")]
    else:
        key = [trial.suggest_int("k", 1, 7, step=2), trial.suggest_categorical("weights", "ud")]
    return random.Random(str((model, *key))).random()


@pytest.mark.parametrize("seed", range(4))
def test_a_finite_conditional_space_is_searched_without_repetition(seed: int) -> None:
    study = run(models, 27, sampler=meta_sampler(None, seed=seed))
    assert len({tuple(sorted(map(str, trial.params.items()))) for trial in study.trials}) == 27


@pytest.mark.parametrize("with_prior", [True, False])
def test_a_running_trial_that_never_ends_bars_nothing(with_prior: bool) -> None:
    sampler = meta_sampler(bowl_prior() if with_prior else None)
    study = optuna.create_study(sampler=sampler)
    best = {"rate": 10 ** (4 * 0.3 - 4), "width": 0.6, "kind": "a"}
    study.enqueue_trial(best)
    bowl()(study.ask())  # Its worker is killed here.
    study.optimize(bowl(), n_trials=30)
    assert study.best_value < 1e-4


def test_workers_with_plans_do_not_slow_the_search() -> None:
    study, running = optuna.create_study(sampler=meta_sampler(bowl_prior())), []
    for _ in range(40):
        trial = study.ask()
        running.append((trial, bowl()(trial)))
        if len(running) > 4:
            study.tell(*running.pop(0))
    assert study.best_value < 1e-4
    configurations = {tuple(trial.params.values()) for trial in study.trials}
    assert len(configurations) == 40


def test_workers_that_have_no_plan_yet_do_not_slow_the_search() -> None:
    """Nobody leaves the best to nobody."""
    study = optuna.create_study(sampler=meta_sampler(bowl_prior()))
    for _ in range(30):
        others = [study._storage.create_new_trial(study._study_id) for _ in range(3)]
        trial = study.ask()
        study.tell(trial, bowl()(trial))
        for other in others:
            study._storage.set_trial_state_values(other, TrialState.FAIL)
    assert study.best_value < 1e-4

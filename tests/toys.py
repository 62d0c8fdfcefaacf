"""Small objectives and prior studies that many tests share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
import math
from typing import Any

import optuna

from optuna_meta import fit_prior
from optuna_meta import FittedPrior
from optuna_meta import MetaSampler
from optuna_meta import Prior


def run(
    objective: Callable[[optuna.Trial], float], n_trials: int, *, seed: int = 0, **options: Any
) -> optuna.Study:
    """A finished study; by default of random search."""
    sampler = options.pop("sampler", None) or optuna.samplers.RandomSampler(seed=seed)
    study = optuna.create_study(sampler=sampler, **options)
    study.optimize(objective, n_trials=n_trials)
    return study


def bowl(centre: float = 0.3, sign: float = 1.0) -> Callable[[optuna.Trial], float]:
    """A task with its best value, 0, at ``rate = 10 ** (4 * centre - 4)`` and ``kind = "a"``."""

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
        width = trial.suggest_float("width", 0.0, 1.0)
        kind = trial.suggest_categorical("kind", ["a", "b", "c"])
        position = 1.0 + math.log10(rate) / 4.0
        return sign * ((position - centre) ** 2 + (width - 0.6) ** 2 + 0.2 * (kind != "a"))

    return objective


def svm(gamma: float = 0.01) -> Callable[[optuna.Trial], float]:
    """A task with a conditional parameter: the best kernel is the one that has it."""

    def objective(trial: optuna.Trial) -> float:
        cost = trial.suggest_float("cost", 1e-3, 1e3, log=True)
        loss = 0.1 * abs(math.log10(cost) - 1.0)
        if trial.suggest_categorical("kernel", ["linear", "rbf"]) == "linear":
            return loss + 1.0
        found = trial.suggest_float("gamma", 1e-4, 1.0, log=True)
        return loss + 0.3 * abs(math.log10(found / gamma))

    return objective


def grid(best: int = 2) -> Callable[[optuna.Trial], float]:
    """A task of 12 configurations."""

    def objective(trial: optuna.Trial) -> float:
        depth = trial.suggest_int("depth", 0, 3)
        kind = trial.suggest_categorical("kind", ["a", "b", "c"])
        return abs(depth - best) + 0.5 * "abc".index(kind)

    return objective


@cache
def bowl_prior() -> FittedPrior:
    """Five studies that agree roughly with each other and with ``bowl()``."""
    centres = [0.26, 0.28, 0.3, 0.32, 0.34]
    studies = [run(bowl(c), 20, seed=i, study_name=f"bowl {i}") for i, c in enumerate(centres)]
    return fit_prior(Prior.from_studies(studies))


@cache
def svm_prior() -> FittedPrior:
    """Three studies of a conditional space."""
    gammas = [0.005, 0.01, 0.02]
    studies = [run(svm(g), 20, seed=i, study_name=f"svm {i}") for i, g in enumerate(gammas)]
    return fit_prior(Prior.from_studies(studies))


@cache
def grid_prior() -> FittedPrior:
    """Three studies of the task of 12 configurations."""
    studies = [run(grid(b), 10, seed=i, study_name=f"grid {i}") for i, b in enumerate([1, 2, 2])]
    return fit_prior(Prior.from_studies(studies))


def meta_sampler(prior_studies: Any, **options: Any) -> MetaSampler:
    """A sampler with a seed."""
    return MetaSampler(prior_studies=prior_studies, **{"seed": 0} | options)

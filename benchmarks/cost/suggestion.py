"""CPU time of a suggestion on a mixed space: ``python -m benchmarks.cost.suggestion``.

All samplers are timed in one process on one core. The prior studies are random trials of related
synthetic tasks: quadratic bowls whose minima lie near each other.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import statistics
import time
from typing import Any
from typing import NamedTuple

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.samplers import GPSampler
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler

from benchmarks.arena.jobs import be_quiet
from benchmarks.pool import run_all


__all__ = ["Load", "Timing", "main", "measure", "random_study", "suggest"]

_TIMED = 11  # suggestions, of which the median counts


class Load(NamedTuple):
    """What is timed."""

    n_priors: int  # of the comparison of samplers
    growth: tuple[int, ...]  # other numbers of prior studies, for ours
    prior_trials: int  # of each prior study
    trial: int  # the middle one of those that are timed; before them comes random search


class Timing(NamedTuple):
    """A line of the tables."""

    sampler: str
    n_priors: int
    setup_seconds: float  # CPU, before the first trial
    suggestion_ms: float  # CPU, median


class _Bowl:
    """A synthetic task: weighted squared distance from its optimum, with an effect of choices."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._optimum = np.clip(0.6 + 0.15 * rng.standard_normal(8), 0.0, 1.0)
        self._weights = np.exp(0.3 * rng.standard_normal(8))

    def __call__(self, trial: optuna.Trial) -> float:
        distances = suggest(trial) - self._optimum
        return float(self._weights @ distances**2)


def suggest(trial: optuna.Trial) -> Any:
    """Draw the eight parameters, and return them as a row of the unit cube, (8,)."""
    rate = trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True)
    decay = trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True)
    dropout = trial.suggest_float("dropout", 0.0, 0.8)
    layers = trial.suggest_int("layers", 1, 8)
    units = trial.suggest_int("units", 16, 1024, log=True)
    optimizer = trial.suggest_categorical("optimizer", ["adam", "rmsprop", "sgd"])
    activation = trial.suggest_categorical("activation", ["gelu", "relu", "tanh"])
    momentum = trial.suggest_float("momentum", 0.0, 1.0) if optimizer == "sgd" else 0.5
    row = [np.log10(rate) / 4 + 1.25, np.log10(decay) / 4 + 1.5, dropout / 0.8, (layers - 1) / 7]
    row += [np.log2(units / 16) / 6, ("adam", "rmsprop", "sgd").index(optimizer) / 2]
    row += [("gelu", "relu", "tanh").index(activation) / 2, momentum]
    return np.array(row)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cost.suggestion", description=__doc__
    )
    parser.add_argument("--priors", type=int, default=20, help="for the comparison of samplers")
    parser.add_argument("--growth", type=int, nargs="*", default=[1, 20, 100, 300])
    parser.add_argument("--prior-trials", type=int, default=100, help="of each prior study")
    parser.add_argument("--trial", type=int, default=100, help="the middle one of those timed")
    args = parser.parse_args(argv)
    load = Load(args.priors, tuple(args.growth), args.prior_trials, args.trial)
    for _, outcome in run_all(measure, [load], n_processes=1):
        if isinstance(outcome, Exception):
            raise outcome
        print(_comparison(load, outcome[:3]))
        print(_growth(outcome[3:]))


def measure(load: Load) -> list[Timing]:
    """Time three samplers, then ours with each other number of prior studies."""
    be_quiet()
    most = max(load.n_priors, *load.growth, 1)
    priors = [random_study(seed, load.prior_trials) for seed in range(most)]
    _time("MetaSampler", priors[:1], 2 * _TIMED)  # imports and first calls are not to be timed
    samplers = ("TPESampler", "GPSampler", "MetaSampler")
    timings = [_time(name, priors[: load.n_priors], load.trial) for name in samplers]
    return timings + [_time("MetaSampler", priors[:n], load.trial) for n in load.growth]


def _time(name: str, priors: Sequence[optuna.Study], trial: int) -> Timing:
    start = time.process_time()
    sampler = _sampler(name, priors)
    setup = time.process_time() - start
    study = optuna.create_study(sampler=sampler)
    untimed = max(0, trial - 1 - _TIMED // 2)
    study.add_trials(random_study(seed=10_000, n_trials=untimed).trials)
    task = _Bowl(seed=10_000)
    seconds = [_one_suggestion(study, task) for _ in range(_TIMED)]
    return Timing(name, len(priors), setup, 1000 * statistics.median(seconds))


def _one_suggestion(study: optuna.Study, task: _Bowl) -> float:
    start = time.process_time()
    trial = study.ask()
    value = task(trial)  # takes microseconds beyond its suggestions
    seconds = time.process_time() - start
    study.tell(trial, value)
    return seconds


def _sampler(name: str, priors: Sequence[optuna.Study]) -> BaseSampler:
    if name == "TPESampler":
        return TPESampler(seed=0)
    if name == "GPSampler":
        return GPSampler(seed=0, warn_independent_sampling=False)
    from optuna_meta import fit_prior
    from optuna_meta import MetaSampler
    from optuna_meta import Prior

    return MetaSampler(prior_studies=fit_prior(Prior.from_studies(list(priors))), seed=0)


def random_study(seed: int, n_trials: int) -> optuna.Study:
    """A study ``bowl-{seed}`` of random trials."""
    study = optuna.create_study(study_name=f"bowl-{seed}", sampler=RandomSampler(seed=seed))
    study.optimize(_Bowl(seed), n_trials=n_trials)
    return study


def _comparison(load: Load, timings: Sequence[Timing]) -> str:
    tpe = timings[0].suggestion_ms
    lines = [
        f"| {t.sampler} | {t.suggestion_ms:.1f} | {t.suggestion_ms / tpe:.2f} |" for t in timings
    ]
    head = [
        f"CPU time of a suggestion: median of {_TIMED} around trial {load.trial}, 8 parameters, "
        f"{load.n_priors} prior studies of {load.prior_trials} trials\n",
        "| sampler | ms | times TPE's |",
        "| --- | --- | --- |",
    ]
    return "\n".join([*head, *lines, ""])


def _growth(timings: Sequence[Timing]) -> str:
    lines = [f"| {t.n_priors} | {t.suggestion_ms:.1f} | {t.setup_seconds:.2f} |" for t in timings]
    head = ["MetaSampler by number of prior studies\n", "| priors | ms | s to fit, once |"]
    return "\n".join([*head, "| --- | --- | --- |", *lines])


if __name__ == "__main__":
    main()

"""One job: one method on one task, from the first trial to the last."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
import time
from typing import Any
from typing import NamedTuple
import warnings

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from benchmarks.methods import Built
from benchmarks.methods import METHODS
from benchmarks.priors import make_study
from benchmarks.priors import prior_studies
from benchmarks.priors import stable_seed
from benchmarks.tasks import BenchmarkTask
from benchmarks.tasks import Family
from benchmarks.tasks import load_suite


__all__ = [
    "SHARED",
    "Job",
    "PriorJob",
    "Row",
    "Settings",
    "be_quiet",
    "fit_to_space",
    "run_job",
    "run_prior",
]

SHARED = "shared"  # the regime of methods that use no priors, whose rows count in every regime


class Job(NamedTuple):
    """What identifies a run; a tidy file has these columns."""

    suite: str
    family: str
    task: str
    seed: int
    regime: str
    method: str


class PriorJob(NamedTuple):
    """What identifies a prior study."""

    suite: str
    family: str
    task: str
    seed: int
    sampler: str


class Settings(NamedTuple):
    """What all jobs of a file share."""

    trials: int
    prior_trials: int
    max_priors: int
    cache: Path
    data: Path | None


class Row(NamedTuple):
    """One trial of a job."""

    trial: int  # from 1
    value: float
    regret_so_far: float
    cpu_seconds_of_suggestion: float
    cpu_seconds_of_setup: float  # of the whole job, the same in each of its rows


def run_job(job: Job, settings: Settings) -> list[Row]:
    """Run all trials of a job.

    Args:
        job:
            Which method on which task.
        settings:
            How many trials, and where data and prior studies lie.
    """
    be_quiet()
    family = _family(job.suite, job.family, settings)
    task = family.load(job.task)
    priors = _priors(family, job, settings)
    start = time.process_time()
    built = METHODS[job.method].build(priors, stable_seed("run", job.family, job.task, job.seed))
    setup = time.process_time() - start
    return list(_trials(task, built, settings.trials, setup))


def run_prior(job: PriorJob, settings: Settings) -> None:
    """Make a prior study, for the cache."""
    be_quiet()
    make_study(
        _family(job.suite, job.family, settings),
        job.task,
        sampler=job.sampler,
        seed=job.seed,
        trials=settings.prior_trials,
        cache=settings.cache,
    )


def fit_to_space(
    params: dict[str, Any], distributions: dict[str, BaseDistribution]
) -> dict[str, Any]:
    """A configuration of another space, moved to the nearest values that this one allows.

    A category that is unknown here is left out. Parameters without a distribution stay as they
    are: they may be active in this configuration though they were not in the one that was asked.
    """
    result: dict[str, Any] = {}
    for name, value in params.items():
        distribution = distributions.get(name)
        if isinstance(distribution, IntDistribution | FloatDistribution):
            value = min(max(value, distribution.low), distribution.high)
        if not isinstance(distribution, CategoricalDistribution) or value in distribution.choices:
            result[name] = value
    return result


def be_quiet() -> None:
    """Silence what would come thousands of times, in this process."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)


def _priors(family: Family, job: Job, settings: Settings) -> Sequence[optuna.Study]:
    if job.regime == SHARED:
        return ()
    return prior_studies(
        family,
        job.task,
        regime=job.regime,
        seed=job.seed,
        trials=settings.prior_trials,
        cache=settings.cache,
        limit=settings.max_priors,
    )


def _trials(task: BenchmarkTask, built: Built, n_trials: int, setup: float) -> Iterator[Row]:
    study = optuna.create_study(direction=task.direction, sampler=built.sampler)
    _enqueue(study, task, built.enqueue)
    regret = float("inf")
    for number in range(1, n_trials + 1):
        start = time.process_time()  # of all threads of this process
        trial = study.ask()
        params = task.suggest(trial)
        seconds = time.process_time() - start
        value = task.evaluate(params)
        study.tell(trial, value)
        regret = min(regret, task.regret(value))
        yield Row(number, value, regret, seconds, setup)


def _enqueue(
    study: optuna.Study, task: BenchmarkTask, configurations: list[dict[str, Any]]
) -> None:
    if not configurations:
        return
    probe = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    task.suggest(probe)
    for params in configurations:
        study.enqueue_trial(fit_to_space(params, probe.distributions))


def _family(suite: str, name: str, settings: Settings) -> Family:
    return next(family for family in load_suite(suite, settings.data) if family.name == name)

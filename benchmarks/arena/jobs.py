"""One job: one method on one task, from the first trial to the last."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import time
from typing import NamedTuple
import warnings

import optuna

from benchmarks.arena.trials import Row
from benchmarks.arena.trials import run_trials
from benchmarks.methods.methods import METHODS
from benchmarks.methods.methods import PriorSet
from benchmarks.methods.methods import Unsupported
from benchmarks.tasks.priors import make_study
from benchmarks.tasks.priors import meta_features
from benchmarks.tasks.priors import prior_studies
from benchmarks.tasks.priors import stable_seed
from benchmarks.tasks.regimes import Conditions
from benchmarks.tasks.regimes import REGIMES
from benchmarks.tasks.regimes import SHARED
from benchmarks.tasks.suites import load_suite
from benchmarks.tasks.task import Family
from benchmarks.tasks.task import PRUNED_SUITE


__all__ = [
    "ARENA_TRIALS",
    "SHARED",
    "Budget",
    "Job",
    "PriorJob",
    "Row",
    "Settings",
    "be_quiet",
    "run_job",
    "run_prior",
]


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


class Budget(NamedTuple):
    """Trials of a study, by suite: ``50,lcbench=100`` on the command line."""

    trials: int
    exceptions: Mapping[str, int]

    def of(self, suite: str) -> int:
        """Trials in a suite."""
        return self.exceptions.get(suite, self.trials)

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read what ``str`` writes."""
        first, *others = text.split(",")
        pairs = [other.split("=") for other in others]
        return cls(int(first), {suite: int(trials) for suite, trials in pairs})

    def __str__(self) -> str:
        exceptions = [f"{suite}={trials}" for suite, trials in self.exceptions.items()]
        return ",".join([str(self.trials), *exceptions])


ARENA_TRIALS = Budget(50, {"lcbench": 100, PRUNED_SUITE: 100})


class Settings(NamedTuple):
    """What all jobs of a file share."""

    trials: Budget
    prior_trials: int
    max_priors: int
    cache: Path
    data: Path | None


def run_job(job: Job, settings: Settings) -> list[Row]:
    """Run all trials of a job.

    Args:
        job:
            Which method on which task.
        settings:
            How many trials, and where data and prior studies lie.

    Raises:
        Unsupported:
            The method cannot serve the task, or the regime needs what is not known of it.
    """
    be_quiet()
    family = _family(job.suite, job.family, settings)
    task = family.load(job.task)
    features = _features(family, job, settings)
    priors = _priors(family, job, settings)
    start = time.process_time()
    built = METHODS[job.method].build(priors, stable_seed("run", job.family, job.task, job.seed))
    setup = time.process_time() - start
    rows = run_trials(
        task,
        built,
        settings.trials.of(job.suite),
        setup=setup,
        conditions=Conditions() if job.regime == SHARED else REGIMES[job.regime].conditions,
        seed=stable_seed("conditions", job.family, job.task, job.seed),
        features=features,
    )
    return list(rows)


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


def be_quiet() -> None:
    """Silence what would come thousands of times, in this process."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)


def _priors(family: Family, job: Job, settings: Settings) -> PriorSet:
    if not METHODS[job.method].uses_priors:
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


def _features(family: Family, job: Job, settings: Settings) -> Mapping[str, float]:
    """Meta-features of the target, where the regime has any."""
    if job.regime == SHARED or REGIMES[job.regime].features is None:
        return {}
    known = meta_features(
        family, job.task, regime=job.regime, seed=job.seed, limit=settings.max_priors
    )
    if not known.get(job.task):
        raise Unsupported(f"No meta-features are known of task {job.task}.")
    return known[job.task]


def _family(suite: str, name: str, settings: Settings) -> Family:
    return next(family for family in load_suite(suite, settings.data) if family.name == name)

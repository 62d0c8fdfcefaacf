"""Jobs, each one method on one task, and the runner that keeps what they return."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import functools
from pathlib import Path
import time
import traceback
from typing import NamedTuple
import warnings

import optuna

from benchmarks.arena.results import append_rows
from benchmarks.arena.results import append_skip
from benchmarks.arena.results import Budget
from benchmarks.arena.results import Job
from benchmarks.arena.results import Row
from benchmarks.arena.trials import run_trials
from benchmarks.methods.methods import METHODS
from benchmarks.methods.methods import Unsupported
from benchmarks.pool import run_all
from benchmarks.pool import run_or_raise
from benchmarks.tasks.priors import make_study
from benchmarks.tasks.priors import meta_features
from benchmarks.tasks.priors import prior_studies
from benchmarks.tasks.priors import PriorSettings
from benchmarks.tasks.priors import stable_seed
from benchmarks.tasks.regimes import Regime
from benchmarks.tasks.regimes import REGIMES
from benchmarks.tasks.regimes import SHARED
from benchmarks.tasks.suites import load_suite
from benchmarks.tasks.task import Family


_PLAIN = Regime()  # of what is shared by all regimes that leave the target as it is


class Settings(NamedTuple):
    """What all jobs of a file share."""

    trials: Budget
    priors: PriorSettings
    data: Path | None


def run_job(job: Job, settings: Settings) -> list[Row]:
    """Run all trials of a job.

    Raises:
        Unsupported: The method cannot serve the task, or the regime needs what is not known of it.
    """
    be_quiet()
    family = _family(job.suite, job.family, settings.data)
    regime = REGIMES.get(job.regime, _PLAIN)
    features: Mapping[str, float] = {}
    if regime.features is not None:
        options = (job.regime, job.seed, settings.priors.limit)
        features = meta_features(family, job.task, *options).get(job.task, {})
        if not features:
            raise Unsupported(f"No meta-features are known of task {job.task}.")
    priors: Sequence[optuna.Study] = ()
    if METHODS[job.method].uses_priors:
        priors = prior_studies(family, job.task, job.regime, job.seed, settings.priors)
    start = time.process_time()
    built = METHODS[job.method].build(priors, stable_seed("run", job.family, job.task, job.seed))
    setup = time.process_time() - start
    rows = run_trials(
        family.load(job.task),
        built,
        settings.trials.of(job.suite),
        conditions=regime.conditions,
        seed=stable_seed("conditions", job.family, job.task, job.seed),
        features=features,
    )
    return [row._replace(cpu_seconds_of_setup=setup) for row in rows]


def make_priors(
    families: Sequence[Family], jobs: Sequence[Job], settings: Settings, n_processes: int
) -> None:
    """Make prior studies before they are needed, as several jobs read each of them."""
    by_name = {family.name: family for family in families}
    wanted = {
        job._replace(task=prior, regime="", method=REGIMES[job.regime].sampler): None
        for job in jobs
        if METHODS[job.method].uses_priors and job.regime not in (SHARED, "none")
        for prior in by_name[job.family].priors_of(job.task)[: settings.priors.limit]
    }
    print(f"{len(wanted)} prior studies to make or find", flush=True)
    for _ in run_or_raise(functools.partial(_make, settings), list(wanted), n_processes):
        pass


def be_quiet() -> None:
    """Silence what would come thousands of times, in this process."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)


class Runner:
    """Runs jobs side by side and keeps what they return."""

    def __init__(
        self, output: Path, n_jobs: int, n_processes: int, budget_hours: float | None = None
    ) -> None:
        self._output = output
        self._n_jobs = n_jobs
        self._n_processes = n_processes
        self._budget = float("inf") if budget_hours is None else 60.0 * budget_hours
        self._start = time.monotonic()
        self._n_done = 0
        self.n_failed = 0

    @property
    def minutes(self) -> float:
        """Elapsed minutes."""
        return (time.monotonic() - self._start) / 60.0

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return self.minutes > self._budget

    def run(self, work: Callable[[Job], list[Row]], jobs: Sequence[Job]) -> None:
        """Run jobs; results are kept as they come."""
        for job, outcome in run_all(work, jobs, self._n_processes):
            self._keep(job, outcome)
            if self.is_over:
                print("The time is up: the same command goes on from here.", flush=True)
                break

    def _keep(self, job: Job, outcome: list[Row] | Exception) -> None:
        if isinstance(outcome, Unsupported):
            append_skip(self._output, job, str(outcome))
            text = f"skipped: {outcome}"
        elif isinstance(outcome, Exception):
            self.n_failed += 1
            traceback.print_exception(outcome)
            text = f"FAILED {outcome!r}"
        else:
            append_rows(self._output, job, outcome)
            text = f"regret {outcome[-1].regret_so_far:.4f}"
        self._n_done += 1
        left = self.minutes / self._n_done * (self._n_jobs - self._n_done)
        progress = f"[{self._n_done}; {self.minutes:.1f} min, {left:.0f} left]"
        print(f"{progress} {'/'.join(map(str, job[1:]))}: {text}", flush=True)


def _make(settings: Settings, job: Job) -> None:
    """Make a prior study; its sampler stands in the place of a method."""
    be_quiet()
    family = _family(job.suite, job.family, settings.data)
    make_study(family, job.task, job.method, job.seed, settings.priors)


def _family(suite: str, name: str, data: Path | None) -> Family:
    return next(family for family in load_suite(suite, data) if family.name == name)

"""Runs jobs over several processes and keeps what they return."""

from __future__ import annotations

from collections.abc import Sequence
import functools
from pathlib import Path
import traceback

from benchmarks.arena.jobs import Job
from benchmarks.arena.jobs import PriorJob
from benchmarks.arena.jobs import Row
from benchmarks.arena.jobs import run_job
from benchmarks.arena.jobs import run_prior
from benchmarks.arena.jobs import Settings
from benchmarks.arena.jobs import SHARED
from benchmarks.arena.progress import Forecast
from benchmarks.arena.results import append_rows
from benchmarks.arena.results import append_skip
from benchmarks.methods.methods import METHODS
from benchmarks.methods.methods import Unsupported
from benchmarks.pool import run_all
from benchmarks.tasks.regimes import REGIMES
from benchmarks.tasks.task import Family


__all__ = ["Run"]


class Run:
    """Runs jobs and keeps what they return.

    Args:
        settings:
            What all jobs share.
        output:
            The file of results.
        n_processes:
            How many processes; 0 runs all in this one.
        forecast:
            Of all jobs of the run.
        budget_hours:
            Elapsed hours after which no further result is awaited.
    """

    def __init__(
        self,
        settings: Settings,
        output: Path,
        n_processes: int,
        forecast: Forecast,
        budget_hours: float | None,
    ) -> None:
        self._settings = settings
        self._output = output
        self._n_processes = n_processes
        self._forecast = forecast
        self._budget_seconds = float("inf") if budget_hours is None else 3600 * budget_hours
        self.n_failed = 0
        self._n_done = 0

    def is_over(self) -> bool:
        """Whether the time is up."""
        return self._forecast.elapsed > self._budget_seconds

    def make_priors(self, families: Sequence[Family], jobs: Sequence[Job]) -> None:
        """Make prior studies before they are needed, as several jobs read each of them."""
        by_name = {family.name: family for family in families}
        wanted = {
            PriorJob(job.suite, job.family, prior, job.seed, REGIMES[job.regime].sampler): None
            for job in jobs
            if METHODS[job.method].uses_priors and job.regime not in (SHARED, "none")
            for prior in by_name[job.family].priors_of(job.task)[: self._settings.max_priors]
        }
        print(f"{len(wanted)} prior studies to make or find", flush=True)
        work = functools.partial(run_prior, settings=self._settings)
        for prior, outcome in run_all(work, list(wanted), self._n_processes):
            if isinstance(outcome, Exception):
                raise RuntimeError(f"Prior study {prior} failed.") from outcome

    def run(self, jobs: Sequence[Job]) -> None:
        """Run jobs; results are kept as they come."""
        work = functools.partial(run_job, settings=self._settings)
        for job, outcome in run_all(work, jobs, self._n_processes):
            self._keep(job, outcome)
            if self.is_over():
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
        self._forecast.finish(job, None if isinstance(outcome, Exception) else outcome)
        minutes, left = self._forecast.elapsed / 60, self._forecast.left() / 60
        name = "/".join(map(str, job[1:]))
        print(f"[{self._n_done}; {minutes:.1f} min, {left:.0f} left] {name}: {text}", flush=True)

"""How long a run will still take, from the jobs that it has finished."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
import time

from benchmarks.arena.jobs import Job
from benchmarks.arena.jobs import Row


__all__ = ["Forecast"]

_LEAST_SECONDS = 0.5  # of CPU time a job takes beyond its suggestions


class Forecast:
    """The time that the jobs left will take.

    A job of a method on a suite will take as much CPU time as those that finished did; else as
    the method's on other suites, else as any. Elapsed time divided by the CPU time of the finished
    jobs says how much of it passes in a second.

    Args:
        jobs:
            All jobs of the run.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._left = dict.fromkeys(jobs)
        self._costs: dict[tuple[str, ...], list[float]] = defaultdict(list)
        self._start = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def finish(self, job: Job, rows: Sequence[Row] | None) -> None:
        """Note that a job has finished, with its rows if it has any."""
        self._left.pop(job, None)
        if rows:
            cost = rows[0].cpu_seconds_of_setup + _LEAST_SECONDS
            cost += sum(row.cpu_seconds_of_suggestion for row in rows)
            for key in _keys(job):
                self._costs[key].append(cost)

    def left(self, elapsed: float | None = None) -> float:
        """Seconds left; nan before any job has finished."""
        spent = sum(self._costs[()])
        if not spent:
            return float("nan")
        known = {key: sum(costs) / len(costs) for key, costs in self._costs.items() if costs}
        cost = sum(next(known[k] for k in _keys(job) if k in known) for job in self._left)
        return cost * (self.elapsed if elapsed is None else elapsed) / spent


def _keys(job: Job) -> tuple[tuple[str, ...], ...]:
    return (job.method, job.suite), (job.method,), ()

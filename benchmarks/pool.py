"""Processes that run jobs side by side, each on one core."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import as_completed
from concurrent.futures import ProcessPoolExecutor
import multiprocessing
import os
import signal
from typing import TypeVar


_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

J = TypeVar("J")
R = TypeVar("R")


def run_all(
    function: Callable[[J], R], jobs: Sequence[J], n_processes: int
) -> Iterator[tuple[J, R | Exception]]:
    """Yield each job with its result, or the error that stopped it, as they finish.

    The function must pickle; 0 processes run the jobs one after another in this one.
    """
    if n_processes == 0:
        yield from ((job, _attempt(function, job)) for job in jobs)
        return
    # Numerical libraries read these at import, hence new processes rather than forks of this one.
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(n_processes, mp_context=context, initializer=_ignore_interrupt)
    try:
        futures = {executor.submit(function, job): job for job in jobs}
        for future in as_completed(futures):
            error = future.exception()
            yield futures[future], error if isinstance(error, Exception) else future.result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def run_or_raise(
    function: Callable[[J], R], jobs: Sequence[J], n_processes: int
) -> Iterator[tuple[J, R]]:
    """Yield each job with its result; stop at the first error."""
    for job, outcome in run_all(function, jobs, n_processes):
        if isinstance(outcome, Exception):
            raise RuntimeError(f"{job} failed.") from outcome
        yield job, outcome


def _attempt(function: Callable[[J], R], job: J) -> R | Exception:
    try:
        return function(job)
    except Exception as error:
        return error


def _ignore_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops the pool, in good order

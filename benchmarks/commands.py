"""What the commands share: subcommands, processes that run jobs, each on one core, and a timer."""

import argparse
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import as_completed
from concurrent.futures import ProcessPoolExecutor
import importlib
import multiprocessing
import os
import signal
import time
from typing import Any
from typing import NamedTuple
import warnings

import optuna


Work = Callable[[Any], Any]  # which must pickle


def run_command(prog: str, names: Sequence[str], argv: Sequence[str] | None = None) -> None:
    """Run the module named by a subcommand: its ``add_arguments(parser)``, then ``main(args)``."""
    parser = argparse.ArgumentParser(prog=f"python -m {prog}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in names:
        module = importlib.import_module(f"{prog}.{name}")
        doc = module.__doc__ or ""
        command = commands.add_parser(name, help=doc.splitlines()[0], description=doc)
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        module.add_arguments(command)
        command.set_defaults(main=module.main)
    args = parser.parse_args(argv)
    args.main(args)


def run_all(work: Work, jobs: Sequence[Any], n_processes: int) -> Iterator[tuple[Any, Any]]:
    """Yield each job with its result or error as they finish; 0 processes run all in this one."""
    if n_processes == 0:
        for job in jobs:
            try:
                yield job, work(job)
            except Exception as error:
                yield job, error
        return
    # Numerical libraries read these at import, hence new processes rather than forks of this one.
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    # The parent stops the pool, in good order.
    ignore = (signal.signal, (signal.SIGINT, signal.SIG_IGN))
    executor = ProcessPoolExecutor(n_processes, context, *ignore)
    try:
        futures = {executor.submit(work, job): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future], future.exception() or future.result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def run_or_raise(work: Work, jobs: Sequence[Any], n_processes: int) -> Iterator[tuple[Any, Any]]:
    for job, outcome in run_all(work, jobs, n_processes):
        if isinstance(outcome, Exception):
            raise RuntimeError(f"{job} failed.") from outcome
        yield job, outcome


def be_quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)


MIB = 2.0**20


class Cost(NamedTuple):
    cpu: float  # of all threads of this process, the kernel's part included
    wall: float


def timed(function: Callable[[], Any]) -> tuple[Any, Cost]:
    cpu, wall = time.process_time(), time.perf_counter()
    result = function()
    return result, Cost(time.process_time() - cpu, time.perf_counter() - wall)

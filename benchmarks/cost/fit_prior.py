"""CPU time of reading and fitting prior studies: ``python -m benchmarks.cost.fit_prior``.

Each number of studies has a database and a process of its own, on one core. Imports come first and
are not timed. The studies are those of :mod:`benchmarks.cost.suggestion`; Optuna takes milliseconds to write
a trial, so that of many studies the first are written by Optuna and the others are copies of their
rows with values of their own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
import resource
import sqlite3
import sys
import tempfile
import time
from typing import NamedTuple
from typing import TypeVar

import optuna

from benchmarks.arena.jobs import be_quiet
from benchmarks.cost.suggestion import random_study
from benchmarks.cost.suggestion import suggest
from benchmarks.pool import run_all


__all__ = ["FitTiming", "main", "measure_fit", "write_studies"]

_WRITTEN_BY_OPTUNA = 20
_MIB = 2.0**20

T = TypeVar("T")

# A study's rows under the ids of another; the ids of a study's trials are consecutive.
_COPY = (
    "INSERT INTO studies (study_id, study_name) VALUES (:copy, 'bowl-' || (:copy - 1))",
    "INSERT INTO study_directions (direction, study_id, objective)"
    " SELECT direction, :copy, objective FROM study_directions WHERE study_id = :source",
    "INSERT INTO trials (trial_id, number, study_id, state, datetime_start, datetime_complete)"
    " SELECT trial_id + :shift, number, :copy, state, datetime_start, datetime_complete"
    " FROM trials WHERE study_id = :source",
    "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)"
    " SELECT trial_id + :shift, param_name, param_value, distribution_json FROM trial_params"
    " WHERE trial_id IN (SELECT trial_id FROM trials WHERE study_id = :source)",
    "INSERT INTO trial_values (trial_id, objective, value, value_type)"
    " SELECT trial_id + :shift, objective, value * (0.8 + (abs(random()) % 1000) / 2500.0),"
    " value_type FROM trial_values"
    " WHERE trial_id IN (SELECT trial_id FROM trials WHERE study_id = :source)",
)


class FitTiming(NamedTuple):
    """A line of the table: CPU seconds, and the process's greatest memory so far in MiB."""

    n_studies: int
    read: float  # Prior.from_storage
    memory_read: float
    fit: float  # fit_prior
    memory_fit: float
    save: float
    load: float
    file: float  # size of what was saved, MiB
    first: float  # the first suggestion of a sampler with the fitted prior


class _Work(NamedTuple):
    n_studies: int
    n_trials: int


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cost.fit_prior", description=__doc__
    )
    parser.add_argument("--studies", type=int, nargs="+", default=[1, 20, 100])
    parser.add_argument("--trials", type=int, default=100, help="of each study")
    args = parser.parse_args(argv)
    works = [_Work(n, args.trials) for n in args.studies]
    print(f"CPU seconds, and MiB of memory; prior studies of {args.trials} trials\n")
    print(
        "| studies | read | fit | fit / read | peak memory when read, when fitted | save | load "
        "| MiB of the file | first suggestion |"
    )
    print("|" + " --- |" * 9)
    for work in works:
        for _, outcome in run_all(measure_fit, [work], n_processes=1):
            if isinstance(outcome, Exception):
                raise outcome
            print(_line(outcome), flush=True)


def measure_fit(work: _Work) -> FitTiming:
    """Write the studies, then time each step from reading to the first suggestion."""
    be_quiet()
    from optuna_meta import fit_prior
    from optuna_meta import FittedPrior
    from optuna_meta import MetaSampler
    from optuna_meta import Prior

    with tempfile.TemporaryDirectory() as folder:
        database, saved = Path(folder, "studies.db"), Path(folder, "fitted")
        write_studies(database, *work)
        fit_prior(Prior.from_storage(f"sqlite:///{database}", ["bowl-0"]))  # imports, first calls
        prior, read = _timed(lambda: Prior.from_storage(f"sqlite:///{database}"))
        memory_read = _peak_memory()
        fitted, fit = _timed(lambda: fit_prior(prior))
        memory_fit = _peak_memory()
        _, save = _timed(lambda: fitted.save(saved))
        loaded, load = _timed(lambda: FittedPrior.load(saved))
        size = saved.stat().st_size / _MIB
    study = optuna.create_study(sampler=MetaSampler(prior_studies=loaded, seed=0))
    _, first = _timed(lambda: suggest(study.ask()))
    return FitTiming(len(fitted), read, memory_read, fit, memory_fit, save, load, size, first)


def write_studies(path: Path, n_studies: int, n_trials: int) -> None:
    """Make an SQLite database of studies ``bowl-0``, ``bowl-1``, ..., each of random trials."""
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    for seed in range(min(n_studies, _WRITTEN_BY_OPTUNA)):
        source = random_study(seed, n_trials)
        study = optuna.create_study(study_name=source.study_name, storage=storage)
        study.add_trials(source.trials)
    with closing(sqlite3.connect(path)) as connection, connection:
        for number in range(_WRITTEN_BY_OPTUNA, n_studies):
            _copy_study(connection, number % _WRITTEN_BY_OPTUNA + 1, number + 1, n_trials)


def _copy_study(connection: sqlite3.Connection, source: int, copy: int, n_trials: int) -> None:
    named = {"source": source, "copy": copy, "shift": (copy - source) * n_trials}
    for statement in _COPY:
        connection.execute(statement, named)


def _timed(function: Callable[[], T]) -> tuple[T, float]:
    start = time.process_time()  # of all threads of this process
    result = function()
    return result, time.process_time() - start


def _peak_memory() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MIB if sys.platform == "darwin" else peak / 1024.0


def _line(t: FitTiming) -> str:
    cells = [f"{t.read:.2f}", f"{t.fit:.2f}", f"{t.fit / t.read:.2f}"]
    cells += [f"{t.memory_read:.0f}, {t.memory_fit:.0f}", f"{t.save:.2f}", f"{t.load:.2f}"]
    return f"| {t.n_studies} | " + " | ".join([*cells, f"{t.file:.1f}", f"{t.first:.2f}"]) + " |"


if __name__ == "__main__":
    main()

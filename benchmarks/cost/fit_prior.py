"""Time reading and fitting prior studies, in CPU seconds, after all imports.

Each number of studies has a database and a process of its own; most studies are copied rows. With
``--most-read`` further studies are copies of the arrays that reading gives, with other values, and
bare reading is taken to cost as much more as there are more studies. Suggestions are those of one
new study; "later" is the median of the fifth and those after it.
"""

import argparse
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
import resource
import sqlite3
import statistics
import sys
import tempfile
from typing import Any

import numpy as np
import optuna
import sqlalchemy

from benchmarks import commands
from benchmarks.commands import be_quiet
from benchmarks.cost.suggestion import bowl
from benchmarks.cost.suggestion import random_study
from benchmarks.cost.suggestion import suggest
from benchmarks.report.markdown import table


N_WRITTEN = 20  # studies that Optuna writes, as many as take seconds
N_ASKED = 15  # suggestions; at the fourth, trials begin to tell the studies apart
_NEW = 20_000  # seed of the new study's task, no prior study's
_HEAD = ["studies", "bare reading", "read", "read / bare", "statements / bare", "read again"]
_HEAD += ["fit", "(fit + save) / bare", "peak memory when read, when saved"]
_HEAD += ["save", "load", "MiB of the file", "first suggestion", "second", "fourth", "later"]
_OF_TRIALS = "WHERE trial_id IN (SELECT trial_id FROM trials WHERE study_id = :source)"
# A study's rows under the ids of another; the ids of a study's trials are consecutive.
_COPY = (
    "INSERT INTO studies (study_id, study_name) VALUES (:copy, 'bowl-' || (:copy - 1))",
    "INSERT INTO study_directions (direction, study_id, objective)"
    " SELECT direction, :copy, objective FROM study_directions WHERE study_id = :source",
    "INSERT INTO trials (trial_id, number, study_id, state, datetime_start, datetime_complete)"
    " SELECT trial_id + :shift, number, :copy, state, datetime_start, datetime_complete"
    " FROM trials WHERE study_id = :source",
    "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)"
    " SELECT trial_id + :shift, param_name, param_value, distribution_json FROM trial_params "
    + _OF_TRIALS,
    "INSERT INTO trial_values (trial_id, objective, value, value_type)"
    " SELECT trial_id + :shift, objective, value * (0.8 + (abs(random()) % 1000) / 2500.0),"
    " value_type FROM trial_values " + _OF_TRIALS,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--studies", type=int, nargs="+", default=[1, 20, 100])
    parser.add_argument("--trials", type=int, default=100, help="of each study")
    parser.add_argument("--most-read", type=int, default=1000, help="studies in the database")


def main(args: argparse.Namespace) -> None:
    works = [(n, args.trials, args.most_read) for n in args.studies]
    # One after another, each in a process of its own: peak memory is a process's.
    lines = [line for work in works for _, line in commands.run_or_raise(measure_fit, [work], 1)]
    print(f"CPU seconds, and MiB of memory; prior studies of {args.trials} trials\n")
    print(table(_HEAD, lines))


def measure_fit(work: tuple[int, int, int]) -> list[str]:
    n_studies, n_trials, most_read = work
    be_quiet()
    from optuna_meta import fit_prior
    from optuna_meta import FittedPrior
    from optuna_meta import MetaSampler
    from optuna_meta import Prior

    with tempfile.TemporaryDirectory() as folder:
        url, saved = f"sqlite:///{folder}/studies.db", Path(folder, "fitted")
        write_studies(Path(folder, "studies.db"), min(n_studies, most_read), n_trials)
        fit_prior(Prior.from_storage(url, ["bowl-0"]))  # imports, first calls
        (_, bare), n_bare = _counted(lambda: commands.timed(lambda: _read_bare(url)))
        (prior, read), n_read = _counted(lambda: commands.timed(lambda: Prior.from_storage(url)))
        memory = f"{_peak_memory():.0f}"
        _, again = commands.timed(lambda: Prior.from_storage(url, update=prior))
        share = len(prior) / n_studies
        prior = copied(prior, n_studies)
        fitted, fit = commands.timed(lambda: fit_prior(prior))
        _, save = commands.timed(lambda: fitted.save(saved))
        memory += f", {_peak_memory():.0f}"
        loaded, load = commands.timed(lambda: FittedPrior.load(saved))
        size = saved.stat().st_size / commands.MIB
    study = optuna.create_study(sampler=MetaSampler(prior_studies=loaded, seed=0))
    asked = [_suggestion(study) for _ in range(N_ASKED)]
    times = [f"{bare.cpu:.2f}", f"{read.cpu:.2f}", f"{read.cpu / bare.cpu:.2f}"]
    times += [f"{n_read / n_bare:.2f}", f"{again.cpu:.2f}", f"{fit.cpu:.2f}"]
    times += [f"{share * (fit.cpu + save.cpu) / bare.cpu:.3f}", memory, f"{save.cpu:.2f}"]
    times += [f"{load.cpu:.2f}", f"{size:.1f}", *(f"{asked[i]:.3f}" for i in (0, 1, 3))]
    return [str(len(loaded)), *times, f"{statistics.median(asked[4:]):.3f}"]


def _suggestion(study: optuna.Study) -> float:
    """Return the CPU seconds that the next trial's suggestion takes, and tell its value."""
    trial, begun = commands.timed(study.ask)
    row, planned = commands.timed(lambda: suggest(trial))
    study.tell(trial, bowl(_NEW, row))
    return begun.cpu + planned.cpu


def copied(prior: Any, n_studies: int) -> Any:
    """Return a prior of as many studies, of which further ones are copies with other values."""
    rng, tasks = np.random.default_rng(0), list(prior.tasks)
    for number in range(len(tasks), n_studies):
        task = tasks[number % len(prior.tasks)]
        values = task.values * rng.uniform(0.8, 1.2, len(task.values))
        tasks.append(
            replace(task, name=f"copy-{number}", values=values, rows=task.rows.copy(), origin="")
        )
    return replace(prior, tasks=tuple(tasks))


def _read_bare(url: str) -> None:
    """Read what Optuna gives of every study, and keep nothing."""
    storage = optuna.storages.RDBStorage(url)
    for study in storage.get_all_studies():
        storage.get_all_trials(study._study_id, deepcopy=False)


def _counted(call: Callable[[], Any]) -> tuple[Any, int]:
    """Return what is returned, and how many SQL statements it took."""
    count = 0

    def add(*_: object) -> None:
        nonlocal count
        count += 1

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", add)
    try:
        result = call()
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", add)
    return result, count


def write_studies(path: Path, n_studies: int, n_trials: int) -> None:
    """Make an SQLite database of studies ``bowl-0``, ``bowl-1``, ..., each of random trials."""
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    for seed in range(min(n_studies, N_WRITTEN)):
        source = random_study(seed, n_trials)
        study = optuna.create_study(study_name=source.study_name, storage=storage)
        study.add_trials(source.trials)
    with closing(sqlite3.connect(path)) as connection, connection:
        for number in range(N_WRITTEN, n_studies):
            source_id, copy = number % N_WRITTEN + 1, number + 1
            ids = {"source": source_id, "copy": copy, "shift": (copy - source_id) * n_trials}
            for statement in _COPY:
                connection.execute(statement, ids)


def _peak_memory() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / commands.MIB if sys.platform == "darwin" else peak / 1024.0

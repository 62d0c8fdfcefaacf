"""Several workers on one study: what they find, and what waiting for each other costs.

    python -m benchmarks.workers --storage postgresql+psycopg://localhost/test

The workers start together, each a process with a sampler of its own that has loaded the fitted
prior studies, and each trial takes the same time. Beside them, one process runs as many trials
alone, in no time. Regret is what the best trial lacks to the best value there is, in units of what
the median of random ones lacks; of several seeds the median.
"""

import argparse
from collections.abc import Callable
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import ThreadPoolExecutor
import functools
import math
import multiprocessing
from multiprocessing.synchronize import Barrier
import os
from pathlib import Path
import statistics
import tempfile
import time
from typing import Any
from typing import NamedTuple
import uuid

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.samplers import GPSampler
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler
import sqlalchemy

from benchmarks import commands
from benchmarks.report.markdown import table
from optuna_meta import fit_prior
from optuna_meta import FittedPrior
from optuna_meta import MetaSampler
from optuna_meta import Prior


_N_PRIORS, _PRIOR_TRIALS = 8, 50
_NEW = 1_000  # seed of the new study's task, no prior study's
METHODS = ("meta", "cold", "tpe", "gp")
_LONGEST = 600  # seconds that workers wait for each other

Objective = Callable[[optuna.Trial, Any], float]  # of a trial and a random generator


def bowl(trial: optuna.Trial, rng: Any) -> float:
    c = rng.uniform(0.25, 0.75, 5)
    x = [trial.suggest_float(f"x{i}", 0, 1) for i in range(3)]
    x += [math.log10(trial.suggest_float("rate", 1e-5, 1e-1, log=True)) / 4 + 1.25]
    x += [(trial.suggest_int("size", 1, 1000) - 1) / 999]
    return float(np.sum((np.array(x) - c) ** 2))


def valley(trial: optuna.Trial, rng: Any) -> float:
    """Rosenbrock's function of three variables, shifted."""
    shift = rng.uniform(-0.3, 0.3, 3)
    x = np.array([trial.suggest_float(f"x{i}", -2, 2) for i in range(3)]) + shift
    return float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def waves(trial: optuna.Trial, rng: Any) -> float:
    """Rastrigin's function, with waves half as high."""
    c = rng.uniform(-1.0, 1.0, 3)
    x = np.array([trial.suggest_float(f"x{i}", -3, 3) for i in range(3)]) - c
    return float(np.sum(x**2 + 5 * (1 - np.cos(2 * np.pi * x))))


def branches(trial: optuna.Trial, rng: Any) -> float:
    """Each choice has parameters of its own."""
    c = rng.uniform(0.25, 0.75, 4)
    y = trial.suggest_float("y", 0, 1)
    if trial.suggest_categorical("kind", ["a", "b"]) == "a":
        a = trial.suggest_float("a0", 0, 1), trial.suggest_float("a1", 0, 1)
        return float((y - c[0]) ** 2 + (a[0] - c[1]) ** 2 + (a[1] - c[2]) ** 2)
    return float((y - c[0]) ** 2 + (trial.suggest_float("b", 0, 1) - c[3]) ** 2 + 0.1)


def grid(trial: optuna.Trial, rng: Any) -> float:
    """Of 486 configurations."""
    c, cost = rng.integers(2, 7, 2), rng.permutation(6)
    x, y = trial.suggest_int("x", 0, 8), trial.suggest_int("y", 0, 8)
    kind = int(cost["abcdef".index(trial.suggest_categorical("kind", list("abcdef")))])
    x, y = x - c[0], y - c[1]
    return float(1.1 * x**2 + 0.9 * y**2 + 0.53 * x * y + 1.3 * kind)


TARGETS: dict[str, Objective] = {f.__name__: f for f in (bowl, valley, waves, branches, grid)}


class Job(NamedTuple):
    """What workers are to do together.

    Args:
        folder: Of the fitted prior studies, by target.
        n_trials: Of each worker.
        seconds: That a trial takes.
        latency: Seconds that a message to the storage and its answer are on their way.
    """

    url: str
    folder: str
    target: str
    method: str
    n_workers: int
    n_trials: int
    seconds: float
    latency: float
    study_name: str = ""


class Run(NamedTuple):
    """One study by several workers.

    Args:
        cpu: seconds a trial, in the workers.
        wall: seconds from the first trial's start to the last one's end.
        statements: of SQL a trial.
    """

    regret: float
    repeats: int
    cpu: float
    wall: float
    statements: float


def task(name: str, seed: int) -> Callable[[optuna.Trial], float]:
    return lambda trial: TARGETS[name](trial, np.random.default_rng(seed))


def priors(name: str) -> list[optuna.Study]:
    studies = []
    for seed in range(_N_PRIORS):
        study = optuna.create_study(study_name=f"{name}-{seed}", sampler=TPESampler(seed=seed))
        study.optimize(task(name, seed), n_trials=_PRIOR_TRIALS)
        studies.append(study)
    return studies


def sampler_of(method: str, fitted: Path, seed: int) -> BaseSampler:
    match method:
        case "meta":
            return MetaSampler(prior_studies=FittedPrior.load(fitted), seed=seed)
        case "cold":
            return MetaSampler(seed=seed)
        case "gp":
            return GPSampler(seed=seed)
    return TPESampler(seed=seed)


@functools.cache
def unit(name: str) -> float:
    """Return the median value of random configurations; the best is 0."""
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    study.optimize(task(name, _NEW), n_trials=200)
    return float(statistics.median(trial.values[0] for trial in study.trials))


_start: Barrier  # of all workers, one of which each process is


def _join(start: Barrier) -> None:
    global _start
    _start = start
    commands.be_quiet()


def work(job: Job, seed: int) -> tuple[float, int]:
    """Run one worker's trials; return its CPU seconds and statements."""
    sampler = sampler_of(job.method, Path(job.folder, job.target), seed)
    storage = optuna.storages.RDBStorage(job.url)
    study = optuna.load_study(study_name=job.study_name, storage=storage, sampler=sampler)
    n_statements = 0

    def count(*_: Any) -> None:
        nonlocal n_statements
        n_statements += 1

    def travel(*_: Any) -> None:
        time.sleep(job.latency)

    def objective(trial: optuna.Trial) -> float:
        value = task(job.target, _NEW)(trial)
        time.sleep(job.seconds)
        return value

    sqlalchemy.event.listen(storage.engine, "before_cursor_execute", count)
    for round_trip in ("begin", "before_cursor_execute", "commit", "rollback"):
        if job.latency:
            sqlalchemy.event.listen(storage.engine, round_trip, travel)
    if job.n_workers > 1:
        _start.wait(_LONGEST)
    begun = time.process_time()
    study.optimize(objective, n_trials=job.n_trials)
    storage.remove_session()
    storage.engine.dispose()
    return time.process_time() - begun, n_statements


def run(pool: ProcessPoolExecutor, job: Job, seed: int) -> Run:
    """Run one study; a single worker waits for nobody."""
    job = job._replace(study_name=f"workers-{uuid.uuid4().hex}")
    optuna.create_study(study_name=job.study_name, storage=job.url)
    seeds = range(1000 * seed, 1000 * seed + job.n_workers)
    try:
        works = [pool.submit(work, job, s) for s in seeds]
        costs = [one.result() for one in works]
        trials = optuna.load_study(study_name=job.study_name, storage=job.url).trials
    finally:
        optuna.delete_study(study_name=job.study_name, storage=job.url)
    starts = [t.datetime_start for t in trials if t.datetime_start]
    ends = [t.datetime_complete for t in trials if t.datetime_complete]
    regret = min(t.value for t in trials if t.value is not None) / unit(job.target)
    repeats = len(trials) - len({repr(sorted(t.params.items())) for t in trials})
    cpu, statements = np.sum(costs, axis=0) / len(trials)
    return Run(regret, repeats, cpu, (max(ends) - min(starts)).total_seconds(), statements)


def line_of(runs: dict[str, list[Run]], job: Job) -> list[str]:
    """Sum up one method's runs, by target."""
    regrets = [statistics.median(r.regret for r in of_target) for of_target in runs.values()]
    everything = [r for of_target in runs.values() for r in of_target]
    cpu, wall, statements = np.mean([r[2:] for r in everything], axis=0)
    cells = [f"{r:.1e}" for r in (statistics.median(regrets), *regrets)]
    counts = [str(sum(r.repeats for r in everything)), f"{1000 * cpu:.0f}"]
    workers = f"{job.n_workers} × {job.n_trials}"
    return [
        workers,
        f"{job.seconds:g}",
        job.method,
        *cells,
        *counts,
        f"{wall:.1f}",
        f"{statements:.1f}",
    ]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.workers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--storage", default="postgresql+psycopg2://localhost:5432/test")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--trials", type=int, default=25, help="of each process")
    parser.add_argument("--objective-seconds", type=float, nargs="*", default=[0.0, 0.1, 2.0])
    parser.add_argument("--latency", type=float, default=0.0, help="seconds of a round trip")
    parser.add_argument("--methods", nargs="*", default=["meta", "tpe"], choices=METHODS)
    parser.add_argument("--targets", nargs="*", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--folder", help="where fitted prior studies are kept for further runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--not-alone", action="store_true", help="leave out one process's run")
    args = parser.parse_args(argv)
    commands.be_quiet()
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(args.processes)
    lines = []
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(args.processes, context, _join, (start,)) as pool,
    ):
        folder = args.folder or folder
        for target in set(args.targets) - set(os.listdir(folder)):
            fit_prior(Prior.from_studies(priors(target))).save(Path(folder, target))
        sizes = [(args.processes, args.trials, s) for s in args.objective_seconds]
        alone = [(1, args.processes * args.trials, 0.0)]
        for n_workers, n_trials, seconds in sizes if args.not_alone else alone + sizes:
            for method in args.methods:
                job = Job(
                    args.storage, folder, "", method, n_workers, n_trials, seconds, args.latency
                )
                wanted = [(t, s) for t in args.targets for s in args.seeds]
                # Studies of one worker each disturb each other little; several workers' do.
                with ThreadPoolExecutor(args.processes if job.n_workers == 1 else 1) as threads:
                    works = [
                        threads.submit(run, pool, job._replace(target=t), s) for t, s in wanted
                    ]
                runs: dict[str, list[Run]] = {t: [] for t in args.targets}
                for (target, _), done in zip(wanted, works, strict=True):
                    runs[target].append(done.result())
                lines.append(line_of(runs, job))
                print(lines[-1], flush=True)
    head = ["workers", "objective (s)", "method", "median regret", *args.targets]
    print(table([*head, "repeats", "CPU (ms)", "wall (s)", "statements"], lines))


if __name__ == "__main__":
    main()

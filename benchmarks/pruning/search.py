"""Searches, pruned or not, and with costs counted or not.

Regret after the epochs, and after the seconds, of so many full trials; 0 is the best and 1 the
median of the task's random configurations. Seconds are those of LCBench's surrogate, or of the
training, and trials get them as durations.
"""

import argparse
from collections.abc import Callable
from datetime import timedelta
import functools
from typing import Any
from typing import NamedTuple

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
import pandas as pd

from benchmarks import commands
from benchmarks.pruning.curves import Curve
from benchmarks.pruning.curves import curve_of
from benchmarks.pruning.curves import CurveTable
from benchmarks.pruning.curves import SUITES
from benchmarks.pruning.priors import add_common_arguments
from benchmarks.pruning.priors import fitted_prior
from benchmarks.pruning.priors import Source
from benchmarks.pruning.priors import source_of
from benchmarks.pruning.priors import tell
from benchmarks.pruning.replay import reached
from benchmarks.pruning.replay import run_curve
from benchmarks.pruning.replay import Step
from optuna_meta import FittedPrior
from optuna_meta import MetaPruner
from optuna_meta import MetaSampler


_FULL_TRIALS = 40
_AT = (7, 13, 20, 40)
SAMPLERS: dict[str, Callable[[FittedPrior, int, float], BaseSampler]] = {  # by prior, seed, budget
    "random": lambda prior, seed, budget: optuna.samplers.RandomSampler(seed=seed),
    "tpe": lambda prior, seed, budget: optuna.samplers.TPESampler(seed=seed),
    "meta": lambda prior, seed, budget: MetaSampler(prior_studies=prior, seed=seed),
    "meta-cost": lambda prior, seed, budget: MetaSampler(
        prior_studies=prior, seed=seed, cost_aware=True, budget=budget
    ),
}
PRUNERS: dict[str, Callable[[FittedPrior], BasePruner]] = {
    "none": lambda prior: optuna.pruners.NopPruner(),
    "median": lambda prior: optuna.pruners.MedianPruner(),
    "meta": lambda prior: MetaPruner(prior_studies=prior),
}
_PAIRS = ["tpe/none", "tpe/median", "tpe/meta", "meta/none", "meta/meta", "meta-cost/none"]


class Job(NamedTuple):
    suite: str
    task: int
    seed: int
    sampler: str
    pruner: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser)
    parser.add_argument("--suite", nargs="+", choices=SUITES, default=["lcbench"])
    parser.add_argument("--pair", nargs="+", default=_PAIRS, help="SAMPLER/PRUNER")
    parser.add_argument("--tasks", type=int, default=17, help="the first so many")


def main(args: argparse.Namespace) -> None:
    source = source_of(args)
    jobs = [
        Job(suite, task, seed, *pair.split("/"))
        for suite in args.suite
        for task in range(min(args.tasks, len(source.tables(suite))))
        for seed in range(args.seeds)
        for pair in args.pair
    ]
    work = functools.partial(run, source)
    rows = [row for _, row in commands.run_or_raise(work, jobs, args.jobs)]
    tell(report(pd.DataFrame(rows)), args.output)


def run(source: Source, job: Job) -> dict[str, Any]:
    commands.be_quiet()
    table = source.tables(job.suite)[job.task]
    prior = fitted_prior(source, job.suite, job.task, "all")
    n_epochs = table.values.shape[1]
    # What full trials of the space take on average.
    seconds = float(table.seconds[:, -1].mean())
    sampler = SAMPLERS[job.sampler](prior, job.seed, _FULL_TRIALS * seconds)
    curve = curve_of(job.suite, source.data, table)
    steps = search(table, curve, sampler, PRUNERS[job.pruner](prior), _FULL_TRIALS * seconds)
    row: dict[str, Any] = job._asdict() | {"trials": len(steps)}
    for n in _AT:
        by_epochs = reached(steps, [s.epochs for s in steps], n * n_epochs)
        by_seconds = reached(steps, [s.seconds for s in steps], n * seconds)
        row |= {f"epochs {n}": table.regret(by_epochs), f"seconds {n}": table.regret(by_seconds)}
        row[f"begun {n}"] = sum(s.epochs <= n * n_epochs for s in steps)
    return row


def search(
    table: CurveTable,
    curve: Callable[[optuna.Trial], Curve],
    sampler: BaseSampler,
    pruner: BasePruner,
    budget: float,
) -> list[Step]:
    """Search until both the epochs and the seconds of all full trials are spent."""
    study = optuna.create_study(direction=table.direction, sampler=sampler, pruner=pruner)
    most = _FULL_TRIALS * table.values.shape[1]
    steps: list[Step] = []
    epochs, seconds = 0, 0.0
    while epochs < most or (seconds < budget and len(steps) < 200):
        trial = study.ask()
        values, times = curve(trial)
        ran, is_pruned = run_curve(trial, values)
        epochs, seconds = epochs + ran, seconds + float(times[ran - 1])
        final = float(values[-1])
        tell_of(study, trial, None if is_pruned else final, float(times[ran - 1]))
        is_lost = is_pruned or not np.isfinite(final)
        steps.append(Step(epochs, seconds, np.inf if is_lost else table.sign * final))
    return steps


def tell_of(study: optuna.Study, trial: optuna.Trial, value: float | None, seconds: float) -> None:
    """End a trial that took so long; without a value it was stopped."""
    if value is None:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    elif np.isfinite(value):
        study.tell(trial, value)
    else:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    ended = study.get_trials(deepcopy=False)[-1]  # The storage's own.
    assert ended.datetime_start is not None
    ended.datetime_complete = ended.datetime_start + timedelta(seconds=seconds)


def report(rows: pd.DataFrame) -> str:
    """Return a table of each suite, a line a sampler and pruner."""
    parts = [_of_suite(suite, runs) for suite, runs in rows.groupby("suite", sort=False)]
    return "\n".join(parts)


def _of_suite(suite: str, rows: pd.DataFrame) -> str:
    columns = [c for c in rows.columns if c.startswith(("epochs", "seconds"))]
    lines = [f"\n### {suite}, {rows.task.nunique()} tasks\n"]
    lines += [f"| sampler / pruner | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for (sampler, pruner), runs in rows.groupby(["sampler", "pruner"], sort=False):
        found = runs[columns].clip(upper=10.0)  # a run that ends nothing in time
        errors = found.std() / np.sqrt(len(found)) if len(found) > 1 else 0.0 * found.mean()
        cells = [f"{found[c].mean():.3f} ± {errors[c]:.3f}" for c in columns]
        lines.append(f"| {sampler} / {pruner} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_paired(rows), "", *_begun(rows)]) + "\n"


def _begun(rows: pd.DataFrame) -> list[str]:
    """Return how many trials ended, stopped or not, within the epochs, a line a pair."""
    columns = [c for c in rows.columns if c.startswith("begun")]
    return [
        f"- {sampler}/{pruner}: "
        + ", ".join(f"{runs[c].mean():.1f} trials within the epochs of{c[5:]}" for c in columns)
        for (sampler, pruner), runs in rows.groupby(["sampler", "pruner"], sort=False)
    ]


# Each with what it is compared with, run by run: lower is better.
_QUESTIONS = [
    ("tpe/meta", "epochs 40", "tpe/none", "epochs 40"),
    ("meta/meta", "epochs 13", "meta/none", "epochs 40"),
    ("meta/meta", "epochs 13", "meta/none", "epochs 13"),
    ("meta/meta", "epochs 20", "meta/none", "epochs 40"),
    ("meta/meta", "epochs 20", "meta/none", "epochs 20"),
    ("meta/meta", "epochs 40", "meta/none", "epochs 40"),
    ("meta-cost/none", "seconds 20", "meta/none", "seconds 20"),
]


def _paired(rows: pd.DataFrame) -> list[str]:
    """Return the differences of regrets, with their standard errors, a line a question."""
    runs = rows.assign(pair=rows.sampler + "/" + rows.pruner).set_index(["pair", "task", "seed"])
    lines = []
    for ours, at, theirs, when in _QUESTIONS:
        if {ours, theirs} <= set(runs.index.get_level_values("pair")):
            found, other = runs.loc[ours][at], runs.loc[theirs][when]
            off = found.clip(upper=10.0) - other.clip(upper=10.0)
            error = off.std() / np.sqrt(len(off)) if len(off) > 1 else 0.0
            text = f"{ours} at {at} less {theirs} at {when}: {off.mean():+.3f} ± {error:.3f}"
            lines.append(f"- {text}")
    return lines

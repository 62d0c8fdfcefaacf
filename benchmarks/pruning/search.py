"""Searches on LCBench's surrogate, pruned or not, and with costs counted or not.

Regret after the epochs, and after the seconds, of so many full trials; 0 is the best and 1 the
median of 200 random configurations. Seconds are the surrogate's; trials get them as durations.
"""

import argparse
from collections.abc import Callable
from datetime import timedelta
import functools
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
import pandas as pd

from benchmarks import commands
from benchmarks.pruning.curves import CurveTable
from benchmarks.pruning.curves import lcbench
from benchmarks.pruning.priors import fitted_prior
from benchmarks.pruning.priors import Source
from benchmarks.pruning.replay import reached
from benchmarks.pruning.replay import run_curve
from benchmarks.pruning.replay import Step
from benchmarks.tasks import yahpo
from benchmarks.tasks.base import Array
from optuna_meta import FittedPrior
from optuna_meta import MetaPruner
from optuna_meta import MetaSampler


_N_EPOCHS, _FULL_TRIALS = 52, 40
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
    task: int
    seed: int
    sampler: str
    pruner: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of yahpo/ etc.")
    parser.add_argument("--pair", nargs="+", default=_PAIRS, help="SAMPLER/PRUNER")
    parser.add_argument("--half", choices=["choosing", "reported"], default="reported")
    parser.add_argument("--tasks", type=int, default=17, help="the first so many")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes; 0 for this one")
    parser.add_argument("--output", type=Path, help="where to write the table")


def main(args: argparse.Namespace) -> None:
    source = Source(args.data, None, args.half)
    n_tasks = min(args.tasks, len(source.tables("lcbench")))
    jobs = [
        Job(task, seed, *pair.split("/"))
        for task in range(n_tasks)
        for seed in range(args.seeds)
        for pair in args.pair
    ]
    work = functools.partial(run, source)
    text = report(pd.DataFrame([row for _, row in commands.run_or_raise(work, jobs, args.jobs)]))
    print(text)
    if args.output:
        args.output.write_text(text)


def run(source: Source, job: Job) -> dict[str, Any]:
    commands.be_quiet()
    table = source.tables("lcbench")[job.task]
    prior = fitted_prior(source, "lcbench", job.task, "all")
    # What full trials of the space take on average.
    seconds = float(table.seconds[:, -1].mean())
    sampler = SAMPLERS[job.sampler](prior, job.seed, _FULL_TRIALS * seconds)
    steps = search(source, table, sampler, PRUNERS[job.pruner](prior), _FULL_TRIALS * seconds)
    row: dict[str, Any] = job._asdict()
    for n in _AT:
        by_epochs = reached(steps, [s.epochs for s in steps], n * _N_EPOCHS)
        by_seconds = reached(steps, [s.seconds for s in steps], n * seconds)
        row |= {f"epochs {n}": table.regret(by_epochs), f"seconds {n}": table.regret(by_seconds)}
    return row


def search(
    source: Source, table: CurveTable, sampler: BaseSampler, pruner: BasePruner, budget: float
) -> list[Step]:
    """Search until both the epochs and the seconds of all full trials are spent."""
    surrogate = lcbench(source.data)
    study = optuna.create_study(direction=table.direction, sampler=sampler, pruner=pruner)
    steps: list[Step] = []
    epochs, seconds = 0, 0.0
    while epochs < _FULL_TRIALS * _N_EPOCHS or (seconds < budget and len(steps) < 200):
        trial = study.ask()
        values, times = _curve(surrogate, table.name, surrogate.suggest(trial))
        ran, is_pruned = run_curve(trial, values)
        epochs, seconds = epochs + ran, seconds + float(times[ran - 1])
        if is_pruned:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, float(values[-1]))
        ended = study.get_trials(deepcopy=False)[-1]  # The storage's own.
        assert ended.datetime_start is not None
        ended.datetime_complete = ended.datetime_start + timedelta(seconds=float(times[ran - 1]))
        loss = np.inf if is_pruned else table.sign * float(values[-1])
        steps.append(Step(epochs, seconds, loss))
    return steps


def _curve(surrogate: yahpo.Surrogate, task: str, params: dict[str, Any]) -> tuple[Array, Array]:
    inputs = yahpo.one_row(surrogate.space, params, n=_N_EPOCHS)
    inputs["epoch"] = np.arange(1.0, _N_EPOCHS + 1.0)
    outputs = surrogate.outputs(task, inputs)
    return outputs[:, 1], np.maximum.accumulate(np.maximum(outputs[:, 0], 1e-3))


def report(rows: pd.DataFrame) -> str:
    """Return a table, a line a sampler and pruner."""
    columns = [c for c in rows.columns if c.startswith(("epochs", "seconds"))]
    lines = [f"| sampler / pruner | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for (sampler, pruner), runs in rows.groupby(["sampler", "pruner"], sort=False):
        found = runs[columns].clip(upper=10.0)  # a run that ends nothing in time
        errors = found.std() / np.sqrt(len(found)) if len(found) > 1 else 0.0 * found.mean()
        cells = [f"{found[c].mean():.3f} ± {errors[c]:.3f}" for c in columns]
        lines.append(f"| {sampler} / {pruner} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_paired(rows)]) + "\n"


# Each with what it is compared with, run by run: lower is better.
_QUESTIONS = [
    ("tpe/meta", "epochs 40", "tpe/none", "epochs 40"),
    ("meta/meta", "epochs 13", "meta/none", "epochs 40"),
    ("meta/meta", "epochs 40", "meta/none", "epochs 40"),
    ("meta-cost/none", "seconds 20", "meta/none", "seconds 20"),
]


def _paired(rows: pd.DataFrame) -> list[str]:
    """Return the differences of regrets, with their standard errors, a line a question."""
    runs = rows.assign(pair=rows.sampler + "/" + rows.pruner).set_index(["pair", "task", "seed"])
    lines = []
    for ours, at, theirs, when in _QUESTIONS:
        if {ours, theirs} <= set(runs.index.get_level_values("pair")):
            off = (runs.loc[ours][at] - runs.loc[theirs][when]).clip(-10.0, 10.0)
            error = off.std() / np.sqrt(len(off)) if len(off) > 1 else 0.0
            text = f"{ours} at {at} less {theirs} at {when}: {off.mean():+.3f} ± {error:.3f}"
            lines.append(f"- {text}")
    return lines

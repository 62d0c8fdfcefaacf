"""Replay tasks, leave one out: every pruner meets the same configurations in the same order.

Told of each: the share of runs that keep the best of the first 40 configurations and the epochs
that these took; at the epochs, and at the seconds, of 20 full trials how much lower its regret is
than without pruning, and in which share of runs it is higher. Of the share of runs that keep the
best, the 95 % interval of Clopper and Pearson is told, which takes runs to be independent.
"""

import argparse
from collections.abc import Callable
from collections.abc import Sequence
import functools
from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
import optuna
from optuna.pruners import BasePruner
import pandas as pd
from scipy.stats import beta

from benchmarks import commands
from benchmarks.pruning import curves
from benchmarks.pruning.folds import FOLDS
from benchmarks.pruning.folds import of_folds
from benchmarks.pruning.priors import add_common_arguments
from benchmarks.pruning.priors import fitted_prior
from benchmarks.pruning.priors import PRIORS
from benchmarks.pruning.priors import Source
from benchmarks.pruning.priors import source_of
from benchmarks.pruning.priors import tell
from benchmarks.tasks.base import Array
from optuna_meta import MetaPruner


_KEPT_OF, _FULL_TRIALS = 40, 20
# By the number of epochs, and for the threshold the middle of what other tasks ended with.
PRUNERS: dict[str, Callable[[int, float, bool], BasePruner]] = {
    "none": lambda n, middle, rises: optuna.pruners.NopPruner(),
    "median": lambda n, middle, rises: optuna.pruners.MedianPruner(),
    "halving": lambda n, middle, rises: optuna.pruners.SuccessiveHalvingPruner(),
    "hyperband": lambda n, middle, rises: optuna.pruners.HyperbandPruner(max_resource=n),
    "patient": lambda n, middle, rises: optuna.pruners.PatientPruner(
        optuna.pruners.MedianPruner(), n // 10
    ),
    "threshold": lambda n, middle, rises: optuna.pruners.ThresholdPruner(
        lower=middle if rises else None, upper=None if rises else middle, n_warmup_steps=n // 2
    ),
    "wilcoxon": lambda n, middle, rises: optuna.pruners.WilcoxonPruner(),
}
OF_FOLDS = "wilcoxon"  # It compares values of folds, and not means of them.
META = "meta"


class Job(NamedTuple):
    suite: str
    task: int
    seed: int
    pruner: str
    priors: str = ""


class Step(NamedTuple):
    """One trial's end: what all took so far, and its loss; infinite where it was stopped."""

    epochs: int
    seconds: float
    loss: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser)
    parser.add_argument("--suite", nargs="+", choices=curves.SUITES, default=["lcbench"])
    parser.add_argument("--pruner", nargs="+", choices=[META, *PRUNERS], default=[META, *PRUNERS])
    parser.add_argument("--priors", nargs="+", choices=list(PRIORS), default=["all"])
    parser.add_argument("--tasks", type=int, default=17, help="the first so many")
    parser.add_argument("--max-loss", type=float, default=0.05)


def main(args: argparse.Namespace) -> None:
    source = source_of(args)
    pruners = dict.fromkeys(["none", *args.pruner])
    jobs = [
        Job(suite, task, seed, pruner, priors)
        for suite in args.suite
        for task in range(min(args.tasks, len(source.tables(suite))))
        for seed in range(args.seeds)
        for pruner in pruners
        if suite == FOLDS or pruner != OF_FOLDS
        for priors in (args.priors if pruner == META else [""])
    ]
    work = functools.partial(run, source, args.max_loss)
    rows = [row for _, row in commands.run_or_raise(work, jobs, args.jobs)]
    tell(report(pd.DataFrame(rows)), args.output)


def run(source: Source, max_loss: float, job: Job) -> dict[str, Any]:
    commands.be_quiet()
    table = source.tables(job.suite)[job.task]
    if job.pruner == META:
        prior = fitted_prior(source, job.suite, job.task, job.priors)
        pruner: BasePruner = MetaPruner(prior_studies=prior, max_loss=max_loss)
    else:
        finals = [t.values[:, -1] for t in source.tables(job.suite) if t is not table]
        middle = float(np.nanmedian(np.concatenate(finals)))
        make = PRUNERS[job.pruner]
        pruner = make(table.values.shape[1], middle, table.direction == "maximize")
    order = np.random.default_rng([job.seed, job.task]).permutation(len(table))
    told = of_folds(table.values) if job.pruner == OF_FOLDS else table.values
    steps, cost = commands.timed(lambda: play(table, order, pruner, told))
    n_epochs = table.values.shape[1]
    first = table.losses[order[:_KEPT_OF]]
    epochs, seconds = _FULL_TRIALS * n_epochs, table.seconds[order[:_FULL_TRIALS], -1].sum()
    return {
        **job._asdict(),
        "kept": min(s.loss for s in steps[:_KEPT_OF]) <= first.min(),
        "share": steps[_KEPT_OF - 1].epochs / (_KEPT_OF * n_epochs),
        "by_epochs": table.regret(reached(steps, [s.epochs for s in steps], epochs)),
        "by_seconds": table.regret(reached(steps, [s.seconds for s in steps], seconds)),
        "milliseconds": 1e3 * cost.cpu / steps[-1].epochs,
    }


def play(
    table: curves.CurveTable, order: NDArray[np.int64], pruner: BasePruner, told: Array
) -> list[Step]:
    """Run configurations in this order until all peers would be at the end of theirs.

    Args:
        table: The task.
        order: Places of configurations.
        pruner: The pruner.
        told: What it is told of each on its way.  # (n, S)
    """
    sampler = optuna.samplers.RandomSampler(seed=0)
    # A name, since Hyperband draws brackets by it.
    study = optuna.create_study(
        study_name=table.name, direction=table.direction, sampler=sampler, pruner=pruner
    )
    distributions, n_epochs = table.distributions(), table.values.shape[1]
    budget = _FULL_TRIALS * n_epochs
    budget_seconds = table.seconds[order[:_FULL_TRIALS], -1].sum()
    steps: list[Step] = []
    epochs, seconds = 0, 0.0
    for i in order:
        spent = epochs >= budget and seconds >= budget_seconds
        if spent and len(steps) >= _KEPT_OF:
            break
        study.enqueue_trial(table.configurations[i])
        trial = study.ask(distributions)
        ran, is_pruned = run_curve(trial, told[i])
        epochs, seconds = epochs + ran, seconds + float(table.seconds[i, ran - 1])
        value = float(table.values[i, -1])
        if is_pruned or not np.isfinite(value):
            state = optuna.trial.TrialState.PRUNED if is_pruned else optuna.trial.TrialState.FAIL
            study.tell(trial, state=state)
        else:
            study.tell(trial, value)
        steps.append(Step(epochs, seconds, np.inf if is_pruned else float(table.losses[i])))
    return steps


def run_curve(trial: optuna.Trial, values: Array) -> tuple[int, bool]:
    """Report a curve as far as the pruner lets it; return the epochs, and whether it was cut."""
    for epoch, value in enumerate(values.tolist(), start=1):
        trial.report(value, epoch)
        if epoch < len(values) and trial.should_prune():
            return epoch, True
    return len(values), False


def reached(steps: Sequence[Step], spent: Sequence[float], budget: float) -> float:
    """Return the best loss of the trials that ended within a budget."""
    within = [s.loss for s, so_far in zip(steps, spent, strict=True) if so_far <= budget + 1e-9]
    return min(within, default=np.inf)


def report(rows: pd.DataFrame) -> str:
    """Return a table of each suite, a line a pruner."""
    lines = []
    keys = ["suite", "task", "seed"]
    none = rows[rows.pruner == "none"].set_index(keys)[["by_epochs", "by_seconds"]]
    rows = rows.join(none.add_suffix("_none"), on=keys)
    for suite, of_suite in rows.groupby("suite", sort=False):
        lines += [f"\n### {suite}\n", _HEAD, "|---" * _HEAD.count(" | ") + "|---|"]
        for (pruner, priors), runs in of_suite.groupby(["pruner", "priors"], sort=False):
            lines.append(_line(f"{pruner} {priors}".strip(), runs))
    return "\n".join(lines) + "\n"


_HEAD = (
    "| pruner | best of 40 kept | epochs | gain at epochs of 20 | worse | gain at seconds of 20 "
    "| worse | ms a step |"
)


def _line(name: str, runs: pd.DataFrame) -> str:
    cells = [name, _share_of(int(runs.kept.sum()), len(runs)), f"{runs.share.mean():.3f}"]
    for column in ("by_epochs", "by_seconds"):
        gain = runs[f"{column}_none"] - runs[column]
        gain = gain.clip(-10.0, 10.0)  # a run that ends nothing in time
        error = gain.std() / np.sqrt(len(gain)) if len(gain) > 1 else 0.0
        cells += [f"{gain.mean():+.3f} ± {error:.3f}", f"{(gain < -1e-9).mean():.3f}"]
    cells.append(f"{runs.milliseconds.median():.2f}")
    return "| " + " | ".join(cells) + " |"


def _share_of(k: int, n: int) -> str:
    """Return so many of n runs as a share, with its interval."""
    low, high = beta.ppf([0.025, 0.975], [k, k + 1], [n - k + 1, n - k])
    ends = 0.0 if k == 0 else low, 1.0 if k == n else high
    return f"{k / n:.3f} ({ends[0]:.2f} to {ends[1]:.2f})"

"""Searches by seconds: whether to count what trials will cost, against peers that do not.

Regret once so much of the seconds of 20 average trials is spent, those of the sampler included; 0
is the best and 1 the median of random configurations. Seconds are those of YAHPO's surrogates, of
NMT's GPUs, or of the networks that ``train`` trained; priors are 30 random trials on other tasks.
"""

import argparse
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import functools
from typing import Any
from typing import NamedTuple

import numpy as np
import optuna
from optuna.samplers import BaseSampler
import pandas as pd

from benchmarks import commands
from benchmarks.pruning.curves import CurveTable
from benchmarks.pruning.curves import load_tables
from benchmarks.pruning.priors import add_common_arguments
from benchmarks.pruning.priors import Source
from benchmarks.pruning.priors import source_of
from benchmarks.pruning.priors import tell
from benchmarks.pruning.replay import reached
from benchmarks.pruning.replay import Step
from benchmarks.pruning.search import tell_of
from benchmarks.pruning.train import KINDS
from benchmarks.tasks import suites
from benchmarks.tasks import tables
from benchmarks.tasks import yahpo
from benchmarks.tasks.base import Direction
from benchmarks.tasks.base import Params
from optuna_meta import fit_prior
from optuna_meta import FittedPrior
from optuna_meta import MetaSampler
from optuna_meta import Prior


SUITES = ("lcbench", "rbv2_rpart", "rbv2_xgboost", "nmt", *KINDS)
# What is measured, and the time of training, among the outputs of a surrogate.
_OUTPUTS = {"lcbench": (1, 0), "rbv2_rpart": (0, 6), "rbv2_xgboost": (0, 6)}
_N_TASKS, _N_PRIOR_TRIALS, _FULL_TRIALS, _MOST_TRIALS = 10, 30, 20, 100
_N_RANDOM = 200
_PARTS = (0.25, 0.5, 1.0)
SAMPLERS: dict[str, Callable[[FittedPrior, int, float], BaseSampler]] = {  # by prior, seed, budget
    "meta-cost": lambda prior, seed, budget: MetaSampler(
        prior_studies=prior, seed=seed, cost_aware=True, budget=budget
    ),
    "meta": lambda prior, seed, budget: MetaSampler(prior_studies=prior, seed=seed),
    "tpe": lambda prior, seed, budget: optuna.samplers.TPESampler(seed=seed),
    "gp": lambda prior, seed, budget: optuna.samplers.GPSampler(seed=seed),
}


class Priced(NamedTuple):
    name: str
    sign: float  # -1 where higher is better
    suggest: Callable[[optuna.Trial], dict[str, Any]]
    evaluate: Callable[[Params], tuple[float, float]]  # to a value and seconds

    def create_study(self, sampler: BaseSampler) -> optuna.Study:
        direction: Direction = "minimize" if self.sign > 0.0 else "maximize"
        return optuna.create_study(study_name=self.name, direction=direction, sampler=sampler)


class Job(NamedTuple):
    suite: str
    task: int
    seed: int
    sampler: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser)
    parser.add_argument("--suite", nargs="+", choices=SUITES, default=list(SUITES))
    parser.add_argument("--sampler", nargs="+", choices=list(SAMPLERS), default=list(SAMPLERS))
    parser.add_argument("--tasks", type=int, default=_N_TASKS, help="the first so many")


def main(args: argparse.Namespace) -> None:
    source = source_of(args)
    jobs = [
        Job(suite, task, seed, sampler)
        for suite in args.suite
        for task in range(min(args.tasks, len(priced_tasks(source, suite))))
        for seed in range(args.seeds)
        for sampler in args.sampler
    ]
    work = functools.partial(run, source)
    rows = [row for _, row in commands.run_or_raise(work, jobs, args.jobs)]
    tell(report(pd.DataFrame(rows)), args.output)


@functools.cache
def priced_tasks(source: Source, suite: str) -> Sequence[Priced]:
    if suite in _OUTPUTS:
        surrogate = yahpo.Surrogate(source.data / "yahpo" / suite, yahpo._SCENARIOS[suite])
        names = np.random.default_rng(1).permutation(surrogate.tasks)[:_N_TASKS].tolist()
        return [_of_surrogate(surrogate, name, *_OUTPUTS[suite]) for name in names]
    if suite == "nmt":
        corpora = {n: suites.read_corpus(source.data / "nmt", n) for n in suites._CORPORA}
        return [Priced(n, -1.0, c.suggest, _pair_of(c.evaluate)) for n, c in corpora.items()]
    return [_of_table(table) for table in load_tables(suite, source.data, source.cache, "")]


def _pair_of(
    evaluate: Callable[[Params], tuple[float, ...]],
) -> Callable[[Params], tuple[float, float]]:
    def pair(params: Params) -> tuple[float, float]:
        value, seconds = evaluate(params)
        return value, seconds

    return pair


def _of_surrogate(surrogate: yahpo.Surrogate, name: str, value: int, seconds: int) -> Priced:
    def evaluate(params: Params) -> tuple[float, float]:
        outputs = surrogate.outputs(name, yahpo.one_row(surrogate.space, params))[0]
        return float(outputs[value]), max(float(outputs[seconds]), 1e-3)

    return Priced(name, -1.0, surrogate.suggest, evaluate)


def _of_table(table: CurveTable) -> Priced:
    rows = [tables.Row(c, float(i)) for i, c in enumerate(table.configurations)]
    nearest = tables.read_table(rows, rows)

    def evaluate(params: Params) -> tuple[float, float]:
        i = int(nearest.evaluate(params))
        return float(table.values[i, -1]), float(table.seconds[i, -1])

    return Priced(table.name, table.sign, nearest.suggest, evaluate)


@functools.lru_cache(maxsize=4)
def _prior(source: Source, suite: str, task: int) -> FittedPrior:
    studies = []
    for i, other in enumerate(priced_tasks(source, suite)):
        if i != task:
            study = other.create_study(optuna.samplers.RandomSampler(seed=i))
            spend(study, other, np.inf, _N_PRIOR_TRIALS)
            studies.append(study)
    return fit_prior(Prior.from_studies(studies))


@functools.lru_cache(maxsize=4)
def _random(source: Source, suite: str, task: int) -> Sequence[Step]:
    priced = priced_tasks(source, suite)[task]
    study = priced.create_study(optuna.samplers.RandomSampler(seed=1_000 + task))
    return spend(study, priced, np.inf, _N_RANDOM)


def run(source: Source, job: Job) -> dict[str, Any]:
    commands.be_quiet()
    priced = priced_tasks(source, job.suite)[job.task]
    known = _random(source, job.suite, job.task)
    losses = np.array([step.loss for step in known])
    budget = _FULL_TRIALS * known[-1].seconds / len(known)
    prior = _prior(source, job.suite, job.task)
    study = priced.create_study(SAMPLERS[job.sampler](prior, job.seed, budget))
    steps = spend(study, priced, budget, _MOST_TRIALS)
    best, median = losses.min(), np.median(losses)
    row: dict[str, Any] = job._asdict() | {"trials": len(steps)}
    for part in _PARTS:
        loss = reached(steps, [step.seconds for step in steps], part * budget)
        row[f"at {part:g}"] = (loss - best) / (median - best)
    return row


def spend(study: optuna.Study, priced: Priced, budget: float, most: int) -> list[Step]:
    """Run trials until so many seconds, the sampler's CPU time included, are spent."""
    steps: list[Step] = []
    spent = 0.0
    while spent < budget and len(steps) < most:
        (trial, params), cost = commands.timed(functools.partial(_asked, study, priced))
        value, seconds = priced.evaluate(params)
        spent += seconds + cost.cpu
        tell_of(study, trial, value, seconds)
        loss = priced.sign * value if np.isfinite(value) else np.inf
        steps.append(Step(len(steps) + 1, spent, loss))
    return steps


def _asked(study: optuna.Study, priced: Priced) -> tuple[optuna.Trial, Mapping[str, Any]]:
    trial = study.ask()
    return trial, priced.suggest(trial)


def report(rows: pd.DataFrame) -> str:
    """Return a table of each suite, with what counting costs changes, run by run."""
    lines = []
    columns = [f"at {part:g}" for part in _PARTS]
    for suite, of_suite in rows.groupby("suite", sort=False):
        lines += [f"\n### {suite}, {of_suite.task.nunique()} tasks\n"]
        lines += [f"| sampler | trials | {' | '.join(columns)} |", "|---" * 5 + "|"]
        runs = {
            s: r.set_index(["task", "seed"]) for s, r in of_suite.groupby("sampler", sort=False)
        }
        for sampler, found in runs.items():
            cells = [_shown(found[c].clip(upper=10.0)) for c in columns]
            lines.append(f"| {sampler} | {found.trials.mean():.0f} | {' | '.join(cells)} |")
        ours = runs.pop("meta-cost", None)
        for sampler, theirs in runs.items() if ours is not None else ():
            # Clipped before, as neither may have ended anything in time.
            off = [ours[c].clip(upper=10.0) - theirs[c].clip(upper=10.0) for c in columns]
            lines.append(f"| meta-cost less {sampler} | | {' | '.join(map(_shown, off))} |")
    return "\n".join(lines) + "\n"


def _shown(values: "pd.Series[float]") -> str:
    error = values.std() / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{values.mean():+.3f} ± {error:.3f}"

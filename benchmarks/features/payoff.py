"""Put extracted meta-features to use on training runs.

Leaves out one data set of ``benchmarks.tasks train``: each other one has a study of 50 TPE trials,
from which the new study of ``MetaSampler`` learns. Prints the regret of all prior studies without
meta-features (``none``), with those that ``extract_meta_features`` finds (``learned``), with those
of other data sets (``permuted``), and of only the few prior studies ``nearest`` in them, by
Euclidean distance after each feature is scaled to unit variance (Feurer et al., 2015).

Regret is 0 at the best of the grid and 1 at its median. Differences are paired; replicates of a
data set are averaged first, and standard errors are over data sets.
"""

import argparse
from collections.abc import Mapping
import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.arena.runs import run_trials
from benchmarks.commands import be_quiet
from benchmarks.commands import run_or_raise
from benchmarks.methods.methods import METHODS
from benchmarks.report.markdown import table
from benchmarks.report.summary import estimate
from benchmarks.report.summary import score
from benchmarks.tasks import regimes
from benchmarks.tasks.base import Family
from benchmarks.tasks.train import GRIDS
from benchmarks.tasks.train import trained_family


_REGIMES = {"none": "base", "learned": "features", "permuted": "features-permuted"}
ARMS = (*_REGIMES, "nearest")
_N_NEAREST = 3
_SHOWN = (1, 2, 3, 5, 10)  # trials
_EARLY = 3  # trials whose mean is shown, too


class Replicate(NamedTuple):
    task: str
    seed: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cache", type=Path, required=True, help="folder of the values")
    parser.add_argument("--kind", choices=list(GRIDS), default="svm")
    parser.add_argument("--seeds", type=int, default=3, help="replicates of each data set")
    parser.add_argument("--trials", type=int, default=10, help="of each study")
    parser.add_argument("--prior-trials", type=int, default=50, help="of each prior study")
    parser.add_argument("--jobs", type=int, default=2, help="processes")


def main(args: argparse.Namespace) -> None:
    family = trained_family(args.cache, args.kind)
    jobs = [Replicate(name, seed) for seed in range(args.seeds) for name in family.targets]
    found: list[pd.DataFrame] = []
    work = functools.partial(run_replicate, args.cache, args.kind, args.trials, args.prior_trials)
    for job, regrets in run_or_raise(work, jobs, args.jobs):
        found.append(regrets)
        print(f"{len(found)} of {len(jobs)}: {job.task}, {job.seed}", flush=True)
    gaps = {name: family.load(name).gap() for name in family.targets}
    print(report(pd.concat(found), gaps, GRIDS[args.kind].unit))


def run_replicate(
    cache: Path, kind: str, trials: int, prior_trials: int, replicate: Replicate
) -> pd.DataFrame:
    be_quiet()
    settings = regimes.PriorSettings(prior_trials, limit=100, cache=cache)
    family = trained_family(cache, kind)
    rows = []
    for arm in ARMS:
        regrets = _run(family, settings, arm, trials, *replicate)
        rows += [(*replicate, arm, trial, regret) for trial, regret in enumerate(regrets, start=1)]
    return pd.DataFrame(rows, columns=[*Replicate._fields, "arm", "trial", "regret"])


def report(rows: pd.DataFrame, gaps: Mapping[str, float], unit: str) -> str:
    points = rows.assign(regret=rows["regret"] * 100.0 * rows["task"].map(gaps))
    n_replicates = rows.groupby(["task", "seed"]).ngroups
    return f"""{rows["task"].nunique()} data sets, {n_replicates} replicates in all.

Regret, of the distance between the median and the best of the grid:

{_table(rows)}

Regret, in points (1/100) of {unit}:

{_table(points)}"""


def nearest(features: Mapping[str, Mapping[str, float]], target: str, n: int) -> list[str]:
    """Return the n data sets nearest to the target; a feature that one lacks is at its mean."""
    X = pd.DataFrame.from_dict(features, orient="index")
    spread = X.std(ddof=0)
    scaled = ((X - X.mean()) / spread.where(spread > 0.0, np.inf)).fillna(0.0)
    distances = np.sqrt(((scaled - scaled.loc[target]) ** 2).sum(axis=1))
    return list(distances.drop(target).sort_values(kind="stable").index[:n])


def _run(
    family: Family, settings: regimes.PriorSettings, arm: str, trials: int, task: str, seed: int
) -> list[float]:
    regime = _REGIMES.get(arm, "base")
    if arm == "nearest":
        features = regimes.meta_features(family, task, "features", seed, settings.limit)
        names = nearest(features, task, _N_NEAREST)
        priors = tuple(regimes.make_study(family, name, "tpe", seed, settings) for name in names)
    else:
        priors = regimes.prior_studies(family, task, regime, seed, settings)
    known = regimes.meta_features(family, task, regime, seed, settings.limit)
    built = METHODS["meta"].build(priors, regimes.stable_seed("run", family.name, task, seed))
    rows = run_trials(family.load(task), built, trials, features=known.get(task))
    return [row.regret_so_far for row in rows]


def _table(rows: pd.DataFrame) -> str:
    by_task = rows.groupby(["arm", "task", "trial"], sort=False)["regret"].mean().unstack("trial")
    shown = [trial for trial in _SHOWN if trial in by_task]
    columns = by_task[shown].assign(early=by_task.loc[:, :_EARLY].mean(axis=1))
    lines = [[arm, *(estimate(values) for _, values in columns.loc[arm].items())] for arm in ARMS]
    for arm in ARMS[1:]:
        apart = columns.loc[arm] - columns.loc["none"]
        lines.append([f"{arm} - none", *(estimate(d).signed for _, d in apart.items())])
        lines.append(["better / same / worse", *(score(d) for _, d in apart.items())])
    return table(["trial", *shown, f"mean of 1 to {_EARLY}"], lines)

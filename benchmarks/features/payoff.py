"""Extracted meta-features on training runs: ``python -m benchmarks.features.payoff --cache FOLDER``.

Leaves one data set of :mod:`.real_runs`, or with ``--kind`` of :mod:`.kind_runs`, out: each other
one has a study of 50 TPE trials, from which the new study of ``MetaSampler`` learns. Prints the
regret of

* ``none``: all prior studies, no meta-features;
* ``learned``: the same with those that ``extract_meta_features`` finds, weighed by the sampler;
* ``permuted``: those of other data sets, drawn anew for each target and replicate;
* ``nearest``: no features, and of the prior studies only the few that are nearest in them, by
  Euclidean distance after each feature is scaled to unit variance (Feurer et al., 2015).

Regret is 0 at the best of the grid and 1 at its median, and is given in points of what is measured
as well, as some medians are close to the best. Differences are paired: replicates of a
data set are averaged first, and standard errors are over data sets. (They are no independent
sample, as each is a prior of the others.)
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.arena.jobs import be_quiet
from benchmarks.arena.trials import run_trials
from benchmarks.methods.methods import METHODS
from benchmarks.pool import run_all
from benchmarks.report.markdown import signed
from benchmarks.report.markdown import table
from benchmarks.report.summary import estimate
from benchmarks.tasks.kind_models import GRIDS
from benchmarks.tasks.kind_runs import kind_family
from benchmarks.tasks.priors import make_study
from benchmarks.tasks.priors import meta_features
from benchmarks.tasks.priors import prior_studies
from benchmarks.tasks.priors import stable_seed
from benchmarks.tasks.real_runs import real_family
from benchmarks.tasks.real_runs import REAL_SUITE
from benchmarks.tasks.task import Family


__all__ = ["ARMS", "Replicate", "Setting", "main", "nearest", "report", "run_replicate"]

ARMS = ("none", "learned", "permuted", "nearest")
_REGIMES = {"none": "base", "learned": "features", "permuted": "features-permuted"}
_UNITS = {
    REAL_SUITE: "balanced accuracy",
    "images": "accuracy",
    "texts": "accuracy",
    "interactions": "root mean squared error",
}
_SHOWN = (1, 2, 3, 5, 10)  # trials
_EARLY = 3  # trials whose mean is shown, too


class Replicate(NamedTuple):
    """A data set to leave out."""

    task: str
    seed: int


class Setting(NamedTuple):
    """What all replicates share."""

    cache: Path
    kind: str = REAL_SUITE
    trials: int = 10
    prior_trials: int = 50
    n_nearest: int = 3
    max_priors: int = 100

    def family(self) -> Family:
        """The data sets."""
        if self.kind == REAL_SUITE:
            return real_family(self.cache)
        return kind_family(self.cache, self.kind)


Regrets = Mapping[str, Sequence[float]]  # by arm, one a trial


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables; what is finished so far where it is interrupted."""
    name = "python -m benchmarks.features.payoff"
    parser = argparse.ArgumentParser(prog=name, description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="folder of the values")
    parser.add_argument("--kind", choices=(REAL_SUITE, *GRIDS), default=REAL_SUITE)
    parser.add_argument("--seeds", type=int, default=3, help="replicates of each data set")
    parser.add_argument("--trials", type=int, default=10, help="of each study")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    args = parser.parse_args(argv)
    setting = Setting(args.cache, args.kind, args.trials)
    family = setting.family()
    jobs = [Replicate(name, seed) for seed in range(args.seeds) for name in family.targets]
    found: dict[Replicate, Regrets] = {}
    try:
        for job, outcome in run_all(
            functools.partial(run_replicate, setting), jobs, n_processes=args.jobs
        ):
            if isinstance(outcome, Exception):
                raise outcome
            found[job] = outcome
            print(f"{len(found)} of {len(jobs)}: {job.task}, {job.seed}", flush=True)
    except KeyboardInterrupt:
        print("Interrupted.")
    if found:
        gaps = {job.task: family.load(job.task).gap for job in found}
        print(report(found, gaps, _UNITS[args.kind]))


def run_replicate(setting: Setting, replicate: Replicate) -> Regrets:
    """Regret so far of each arm."""
    be_quiet()
    family = setting.family()
    return {arm: _run(family, setting, arm, *replicate) for arm in ARMS}


def report(
    found: Mapping[Replicate, Regrets],
    gaps: Mapping[str, float],
    unit: str = _UNITS[REAL_SUITE],
) -> str:
    """Mean regrets, and their differences to those without features, in Markdown.

    Args:
        found:
            Regrets of each replicate.
        gaps:
            Of each data set, the distance between the median and the best value.
        unit:
            What the values are.
    """
    n_tasks = len({job.task for job in found})
    points = {job: _scaled(regrets, 100.0 * gaps[job.task]) for job, regrets in found.items()}
    return "\n".join(
        [
            f"{n_tasks} data sets, {len(found)} replicates in all.\n",
            "Regret, of the distance between the median and the best of the grid:\n",
            _table(found),
            f"\nRegret, in points (1/100) of {unit}:\n",
            _table(points),
        ]
    )


def nearest(features: Mapping[str, Mapping[str, float]], target: str, n: int) -> tuple[str, ...]:
    """Names of the n data sets nearest to the target; a feature that one lacks is at its mean.

    Args:
        features:
            Of the target and the others, by name.
        target:
            Name of the target.
        n:
            How many.
    """
    names = [name for name in features if name != target]
    columns = sorted({feature for known in features.values() for feature in known})
    X = np.array([[features[k].get(c, np.nan) for c in columns] for k in (target, *names)])
    centre, spread = np.nanmean(X, axis=0), np.nanstd(X, axis=0)
    scaled = np.divide(X - centre, spread, out=np.zeros_like(X), where=spread > 0.0)
    scaled = np.nan_to_num(scaled)
    distances = np.linalg.norm(scaled[1:] - scaled[0], axis=1)
    return tuple(names[i] for i in np.argsort(distances, kind="stable")[:n])


def _run(family: Family, setting: Setting, arm: str, task: str, seed: int) -> list[float]:
    regime = _REGIMES.get(arm, "base")
    limit, cache, n = setting.max_priors, setting.cache, setting.prior_trials
    if arm == "nearest":
        features = meta_features(family, task, regime="features", seed=seed, limit=limit)
        chosen = nearest(features, task, setting.n_nearest)
        priors = tuple(
            make_study(family, name, sampler="tpe", seed=seed, trials=n, cache=cache)
            for name in chosen
        )
    else:
        priors = prior_studies(
            family, task, regime=regime, seed=seed, trials=n, cache=cache, limit=limit
        )
    known = meta_features(family, task, regime=regime, seed=seed, limit=limit)
    built = METHODS["meta"].build(priors, stable_seed("run", family.name, task, seed))
    rows = run_trials(
        family.load(task), built, setting.trials, setup=0.0, features=known.get(task)
    )
    return [row.regret_so_far for row in rows]


def _scaled(regrets: Regrets, factor: float) -> Regrets:
    return {arm: [factor * regret for regret in line] for arm, line in regrets.items()}


def _table(found: Mapping[Replicate, Regrets]) -> str:
    means = {arm: _by_task(found, arm) for arm in ARMS}
    n_trials = means["none"].shape[1]
    shown = [trial for trial in _SHOWN if trial <= n_trials]
    columns = [[trial - 1] for trial in shown] + [list(range(min(_EARLY, n_trials)))]
    lines = [
        [arm, *(estimate(regret[:, c].mean(axis=1)) for c in columns)]
        for arm, regret in means.items()
    ]
    for arm in ARMS[1:]:
        apart = [(means[arm] - means["none"])[:, c].mean(axis=1) for c in columns]
        lines.append([f"{arm} - none", *(signed(estimate(d)) for d in apart)])
        lines.append(["better / same / worse", *(_counts(d) for d in apart)])
    return table(["trial", *shown, f"mean of 1 to {_EARLY}"], lines)


def _counts(differences: NDArray[np.float64]) -> str:
    """Of how many data sets regret is lower, the same, higher."""
    signs = np.sign(differences.round(9))
    return " / ".join(str(int((signs == sign).sum())) for sign in (-1, 0, 1))


def _by_task(found: Mapping[Replicate, Regrets], arm: str) -> NDArray[np.float64]:
    """Mean regret over the replicates of each data set.  # (tasks, trials)"""
    tasks: Iterable[str] = dict.fromkeys(job.task for job in found)
    return np.array(
        [
            np.mean([regrets[arm] for job, regrets in found.items() if job.task == task], axis=0)
            for task in tasks
        ]
    )


if __name__ == "__main__":
    main()

"""Tell what meta-features are worth at the first trial, by the way they weigh prior studies.

Leaves one data set out: the prior studies are 20 others (50 TPE trials each), and the first trial
is the known configuration that their weighted mean expects to be best. Only the weights differ.
*By the target itself* is no method but a limit: the five studies that agree best with its own.
"""

import argparse
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import optuna
import pandas as pd

from benchmarks.report.markdown import table
from benchmarks.report.summary import estimate
from benchmarks.tasks import regimes
from benchmarks.tasks.base import Array
from benchmarks.tasks.base import Family
from benchmarks.tasks.suites import load_suite
from optuna_meta import fit_prior
from optuna_meta import Prior
from optuna_meta.features.similarity import learned_similarity
from optuna_meta.outcomes.transforms import rank_normal


_N_PRIORS, _PRIOR_TRIALS = 20, 50  # as in the arena
_BEST, _LEADING = 15, 5  # trials of a study that count; studies of the limit
_SUITES = ("lcbench", "rbv2_xgboost")


@dataclass(frozen=True)
class World:
    """All studies of a family, and what their best configurations come to on every data set."""

    features: Sequence[Mapping[str, float]]
    Z: Array  # (B, T) what each study expects of each configuration
    owners: NDArray[np.int64]  # (B,) which study a configuration is from
    regrets: Array  # (B, T) of each configuration on each data set

    def first_regret(self, target: int, priors: NDArray[np.int64], weights: Array) -> float:
        """Return the regret at trial 1 on a data set, from prior studies of weights (t,)."""
        known = np.flatnonzero(np.isin(self.owners, priors))
        best = known[np.argmin(self.Z[np.ix_(known, priors)] @ weights)]
        return float(self.regrets[best, target])


Weighting = Callable[[World, NDArray[np.int64], int], Array]


def _nearest(n: int) -> Weighting:
    return lambda world, priors, target: _leading(-_distances(world, priors, target), n)


def _gaussian(world: World, priors: NDArray[np.int64], target: int) -> Array:
    squared = _distances(world, priors, target)
    closeness = np.exp(-squared / np.median(squared))
    return np.asarray(0.5 / len(priors) + 0.5 * closeness / closeness.sum())


def _learned(world: World, priors: NDArray[np.int64], target: int) -> Array:
    rows = np.flatnonzero(np.isin(world.owners, priors))
    features = [world.features[t] for t in priors]
    Z, owners = world.Z[np.ix_(rows, priors)], np.searchsorted(priors, world.owners[rows])
    teachers = np.arange(len(priors))
    return learned_similarity(features, world.features[target], teachers, Z, owners).weights


def _by_the_target(world: World, priors: NDArray[np.int64], target: int) -> Array:
    rows = np.isin(world.owners, priors)
    agreement = np.asarray(np.corrcoef(world.Z[rows][:, [*priors, target]].T))[-1, :-1]
    return _leading(agreement, _LEADING)


WEIGHTINGS: Mapping[str, Weighting] = {
    "no features": lambda world, priors, target: np.full(len(priors), 1.0 / len(priors)),
    "nearest 1": _nearest(1),
    "nearest 3": _nearest(3),
    "fixed soft weights": _gaussian,
    "learned weights": _learned,
    "by the target itself": _by_the_target,
}


def _leading(values: Array, n: int) -> Array:
    """Return equal weights (t,) of the n largest values (t,), none of the others."""
    weights = np.zeros(len(values))
    weights[np.argsort(-values, kind="stable")[:n]] = 1.0 / n
    return weights


def _distances(world: World, priors: NDArray[np.int64], target: int) -> Array:
    """Return the mean squared difference (t,) of the normal scores of the features' ranks."""
    values = pd.DataFrame([world.features[t] for t in (*priors, target)])
    scores = values.apply(lambda v: pd.Series(rank_normal(v.dropna()), v.dropna().index))
    squared = (scores.iloc[:-1] - scores.iloc[-1]) ** 2
    return np.asarray(squared.mean(axis=1).fillna(0.0))


def read_world(family: Family, names: Sequence[str], seed: int, cache: Path) -> World:
    assert family.features is not None
    settings = regimes.PriorSettings(_PRIOR_TRIALS, _N_PRIORS, cache)
    studies = [regimes.make_study(family, name, "tpe", seed, settings) for name in names]
    fitted = fit_prior(Prior.from_studies(studies))
    best, owners = [], []
    for t, study in enumerate(studies):
        trials = sorted(study.trials, key=lambda trial: -(trial.value or 0.0))[:_BEST]
        best += [trial.params for trial in trials]
        owners += [t] * len(trials)
    tasks = [family.load(name) for name in names]
    regrets = np.array([[task.regret([task.evaluate(p)]) for task in tasks] for p in best])
    Z = fitted.predict(fitted.space.rows(best))
    features = [family.features(name) for name in names]
    return World(features, Z, np.array(owners), regrets)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("benchmarks/cache"))
    parser.add_argument("--suite", action="append", choices=_SUITES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=60, help="data sets, at most")


def main(args: argparse.Namespace) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for suite in args.suite or _SUITES:
        (family,) = load_suite(suite, args.data)
        assert family.features is not None
        everyone = list(dict.fromkeys([*family.targets, *family.sources]))
        names = [name for name in everyone if family.features(name)][: args.tasks]
        n_targets = sum(name in family.targets for name in names)
        worlds = [read_world(family, names, seed, args.cache) for seed in range(args.seeds)]
        print(f"\n{suite}: {len(names)} data sets, {n_targets} of them the arena's targets\n")
        print(compared(worlds, n_targets), flush=True)


def compared(worlds: Sequence[World], n_targets: int) -> str:
    """Return mean regret at trial 1 by weighting, and the paired difference to uniform weights."""
    own, permuted = (
        sum(_regrets(world, seed, kind) for seed, world in enumerate(worlds)) / len(worlds)
        for kind in (False, True)
    )
    uniform, *_, limit = list(WEIGHTINGS)
    others = permuted.drop(columns=[uniform, limit]).add_suffix(", permuted")
    lines = []
    for name, regrets in pd.concat([own, others], axis=1).items():
        cells = []
        for tasks in (slice(n_targets, None), slice(n_targets)):
            difference = estimate((regrets - own[uniform])[tasks])
            cells += [f"{regrets[tasks].mean():.3f}"]
            cells += [f"{difference.mean:+.3f} ± {difference.error:.3f}"]
        lines.append([name, *cells])
    head = ["weights", "others: trial 1", "difference", "targets: trial 1", "difference"]
    return table(head, lines)


def _regrets(world: World, seed: int, permuted: bool) -> pd.DataFrame:
    """Return the regret at trial 1, a row a data set, a column a weighting."""
    n = len(world.features)
    if permuted:
        rng = np.random.default_rng(regimes.stable_seed("features", "permuted", "all", seed))
        world = replace(world, features=[world.features[t] for t in rng.permutation(n)])
    rows = []
    for target in range(n):
        rng = np.random.default_rng(regimes.stable_seed("features", "draw", str(target), seed))
        priors = np.sort(rng.permutation(np.delete(np.arange(n), target))[:_N_PRIORS])
        weights = {name: weigh(world, priors, target) for name, weigh in WEIGHTINGS.items()}
        rows.append({k: world.first_regret(target, priors, w) for k, w in weights.items()})
    return pd.DataFrame(rows)

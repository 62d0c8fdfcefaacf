"""What meta-features are worth at the first trial: ``python -m benchmarks.features.relevance``.

Leave one data set out: of every data set with known meta-features, the prior studies are 20 others
(50 TPE trials each), and the first trial is the known configuration that their weighted mean
expects to be best. Only the weights differ: the same for all, the nearest studies alone, half of
the weight by a Gaussian of the distance of all features, and weights learned from the prior
studies (``optuna_meta.features.similarity``); each with the data sets' own features and with those of
others. *By the target itself* is no method but a limit: the five studies that agree best with the
target's own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import optuna

from benchmarks.report.markdown import table
from benchmarks.tasks.priors import make_study
from benchmarks.tasks.priors import stable_seed
from benchmarks.tasks.suites import load_suite
from benchmarks.tasks.task import BenchmarkTask
from benchmarks.tasks.task import Family
from optuna_meta import fit_prior
from optuna_meta import Prior
from optuna_meta.features.similarity import learned_similarity
from optuna_meta.outcomes.transforms import rank_normal


__all__ = ["main", "WEIGHTINGS", "World"]

Array = NDArray[np.float64]
Features = Sequence[Mapping[str, float]]
_N_PRIORS, _BEST, _LEADING = 20, 15, 5
_SUITES = ("lcbench", "rbv2_xgboost")


@dataclass(frozen=True)
class World:
    """All studies of a family, and what their best configurations come to on every data set.

    Args:
        features: Meta-features of each data set.
        Z: What each study expects of the configurations.  # (B, T)
        owners: Which study each configuration is from.  # (B,)
        regrets: Regret of each configuration on each data set.  # (B, T)
    """

    features: Features
    Z: Array
    owners: NDArray[np.int64]
    regrets: Array

    def first_regret(self, target: int, priors: NDArray[np.int64], weights: Array) -> float:
        """Regret of the first trial on a data set, from prior studies of these weights (t,)."""
        known = np.flatnonzero(np.isin(self.owners, priors))
        best = known[np.argmin(self.Z[np.ix_(known, priors)] @ weights)]
        return float(self.regrets[best, target])


Weighting = Callable[[World, NDArray[np.int64], int], Array]


def _uniform(world: World, priors: NDArray[np.int64], target: int) -> Array:
    return np.full(len(priors), 1.0 / len(priors))


def _nearest(n: int) -> Weighting:
    def weigh(world: World, priors: NDArray[np.int64], target: int) -> Array:
        return _only(np.argsort(_distances(world, priors, target), kind="stable")[:n], len(priors))

    return weigh


def _gaussian(world: World, priors: NDArray[np.int64], target: int) -> Array:
    squared = _distances(world, priors, target)
    closeness = np.exp(-squared / np.median(squared))
    weights: Array = 0.5 / len(priors) + 0.5 * closeness / closeness.sum()
    return weights


def _learned(world: World, priors: NDArray[np.int64], target: int) -> Array:
    rows = np.flatnonzero(np.isin(world.owners, priors))
    features = [world.features[t] for t in priors]
    Z, owners = world.Z[np.ix_(rows, priors)], np.searchsorted(priors, world.owners[rows])
    teachers = np.arange(len(priors))
    return learned_similarity(features, world.features[target], teachers, Z, owners).weights


def _by_the_target(world: World, priors: NDArray[np.int64], target: int) -> Array:
    rows = np.isin(world.owners, priors)
    agreement = np.asarray(np.corrcoef(world.Z[rows][:, [*priors, target]].T))[-1, :-1]
    return _only(np.argsort(-agreement, kind="stable")[:_LEADING], len(priors))


WEIGHTINGS: Mapping[str, Weighting] = {
    "no features": _uniform,
    "nearest 1": _nearest(1),
    "nearest 3": _nearest(3),
    "fixed soft weights": _gaussian,
    "learned weights": _learned,
    "by the target itself": _by_the_target,
}


def _only(chosen: NDArray[np.int64], n: int) -> Array:
    weights = np.zeros(n)
    weights[chosen] = 1.0 / len(chosen)
    return weights


def _distances(world: World, priors: NDArray[np.int64], target: int) -> Array:
    """Mean squared difference (t,) of the normal scores of the features' ranks."""
    everyone = [world.features[t] for t in (*priors, target)]
    names = sorted(set().union(*everyone))
    values = np.array([[f.get(name, np.nan) for name in names] for f in everyone])
    columns = []
    for column in values.T:
        known = np.isfinite(column)
        scores = np.full(len(column), np.nan)
        scores[known] = rank_normal(column[known])
        columns.append(scores)
    squared = (np.array(columns).T[:-1] - np.array(columns).T[-1]) ** 2
    known_pairs = np.isfinite(squared)
    sums = np.where(known_pairs, squared, 0.0).sum(axis=1)
    distances: Array = sums / np.maximum(known_pairs.sum(axis=1), 1)
    return distances


def read_world(family: Family, names: Sequence[str], seed: int, cache: Path) -> World:
    """The studies of data sets, made or read, and their best configurations everywhere."""
    assert family.features is not None
    studies = [
        make_study(family, name, sampler="tpe", seed=seed, trials=50, cache=cache)
        for name in names
    ]
    fitted = fit_prior(Prior.from_studies(studies))
    best, owners = [], []
    for t, study in enumerate(studies):
        trials = sorted(study.trials, key=lambda trial: -(trial.value or 0.0))[:_BEST]
        best += [trial.params for trial in trials]
        owners += [t] * len(trials)
    regrets = np.empty((len(best), len(names)))
    for t, name in enumerate(names):
        task = family.load(name)
        assert isinstance(task, BenchmarkTask)
        regrets[:, t] = [task.regret(task.evaluate(params)) for params in best]
    Z = fitted.predict(fitted.space.rows(best))
    features = [family.features(name) for name in names]
    return World(features, Z, np.array(owners), regrets)


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table for each suite."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features.relevance")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("benchmarks/cache"))
    parser.add_argument("--suite", action="append", choices=_SUITES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=60, help="data sets, at most")
    args = parser.parse_args(argv)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for suite in args.suite or _SUITES:
        (family,) = load_suite(suite, args.data)
        assert family.features is not None
        everyone = list(dict.fromkeys([*family.targets, *family.sources]))
        names = [name for name in everyone if family.features(name)][: args.tasks]
        n_targets = sum(name in family.targets for name in names)
        worlds = [read_world(family, names, seed, args.cache) for seed in range(args.seeds)]
        print(f"\n{suite}: {len(names)} data sets, {n_targets} of them the arena's targets\n")
        print(_compared(worlds, n_targets), flush=True)


def _compared(worlds: Sequence[World], n_targets: int) -> str:
    """Mean regret at trial 1 by weighting, and the paired difference to uniform weights."""
    lines = []
    for permuted in (False, True):
        regrets = np.array([_regrets(w, s, permuted) for s, w in enumerate(worlds)]).mean(axis=0)
        for k, name in enumerate(WEIGHTINGS):
            if permuted and k in (0, len(WEIGHTINGS) - 1):
                continue
            cells = []
            for tasks in (slice(n_targets, None), slice(n_targets)):
                differences = regrets[tasks, k] - regrets[tasks, 0]
                error = differences.std(ddof=1) / np.sqrt(len(differences))
                cells += [
                    f"{regrets[tasks, k].mean():.3f}",
                    f"{differences.mean():+.3f} ± {error:.3f}",
                ]
            lines.append([f"{name}, permuted" if permuted else name, *cells])
    head = ["weights", "others: trial 1", "difference", "targets: trial 1", "difference"]
    return table(head, lines)


def _regrets(world: World, seed: int, permuted: bool) -> Array:
    """Regret at trial 1 by data set and weighting.  # (T, weightings)"""
    n = len(world.features)
    if permuted:
        order = np.random.default_rng(
            stable_seed("features", "permuted", "all", seed)
        ).permutation(n)
        world = World([world.features[t] for t in order], world.Z, world.owners, world.regrets)
    regrets = np.empty((n, len(WEIGHTINGS)))
    for target in range(n):
        rng = np.random.default_rng(stable_seed("features", "draw", str(target), seed))
        others = rng.permutation(np.delete(np.arange(n), target))[:_N_PRIORS]
        priors = np.sort(others)
        for k, weigh in enumerate(WEIGHTINGS.values()):
            regrets[target, k] = world.first_regret(target, priors, weigh(world, priors, target))
    return regrets


if __name__ == "__main__":
    main()

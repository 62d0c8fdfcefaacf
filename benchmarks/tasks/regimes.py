"""Regimes: what the prior studies are like and how the new study runs, one factor at a time."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from typing import Literal
from typing import NamedTuple

import numpy as np

from benchmarks.tasks.task import Array


SHARED = "shared"  # of methods that use no priors, whose rows count wherever the target is as ever
_NOISE = 0.05  # of the distance between a task's median and best value

Names = tuple[str, ...]
Values = list[Array]  # of the trials of each prior study, (n,) each


class Conditions(NamedTuple):
    """How the new study runs."""

    given: int = 0  # random trials, the same for all methods, before the first that counts
    noise: float = 0.0  # standard deviation of what is added to values, in gaps of the task
    workers: int = 1  # trials that run at the same time


def _choose_all(names: Names, rng: np.random.Generator) -> Names:
    return names


def _choose_one(names: Names, rng: np.random.Generator) -> Names:
    return (names[rng.integers(len(names))],)


def _choose_three(names: Names, rng: np.random.Generator) -> Names:
    chosen = set(rng.permutation(len(names))[:3].tolist())
    return tuple(name for i, name in enumerate(names) if i in chosen)


class Regime(NamedTuple):
    """What the prior studies are like, and how the new study runs."""

    choose: Callable[[Names, np.random.Generator], Names] = _choose_all
    alter: Callable[[Values, np.random.Generator], Values] | None = None
    sampler: str = "tpe"  # that made the prior trials
    features: Literal["own", "permuted"] | None = None  # meta-features of whose data sets
    conditions: Conditions = Conditions()


def changes_target(regime: str) -> bool:
    """Return whether methods without priors must run in a regime: its new study is another one."""
    return regime != SHARED and REGIMES[regime].conditions != Conditions()


def _permuted(values: Values, rng: np.random.Generator) -> Values:
    """Return values that have nothing to do with their configurations."""
    return [rng.permutation(y) for y in values]


def _half_permuted(values: Values, rng: np.random.Generator) -> Values:
    """Return half of the studies (rounded down) as noise, the others intact."""
    noise = set(rng.permutation(len(values))[: len(values) // 2].tolist())
    return [rng.permutation(y) if i in noise else y for i, y in enumerate(values)]


REGIMES: Mapping[str, Regime] = {
    "base": Regime(),
    "none": Regime(lambda names, rng: ()),
    "one": Regime(_choose_one),
    "three": Regime(_choose_three),
    "random-priors": Regime(sampler="random"),
    "half-permuted": Regime(alter=_half_permuted),
    "permuted": Regime(alter=_permuted),
    "negated": Regime(alter=lambda values, rng: [-y for y in values]),
    "features": Regime(features="own"),
    "features-permuted": Regime(features="permuted"),
    "given-5": Regime(conditions=Conditions(given=5)),
    "noise": Regime(conditions=Conditions(noise=_NOISE)),
    "workers-4": Regime(conditions=Conditions(workers=4)),
}

"""Regimes: what the prior studies are like and how the new study runs, one factor at a time."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from typing import Literal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


__all__ = ["REGIMES", "SHARED", "Conditions", "Regime", "changes_target"]

SHARED = "shared"  # of methods that use no priors, whose rows count wherever the target is as ever
_NOISE = 0.05  # of the distance between a task's median and best value

Names = tuple[str, ...]
Values = list[NDArray[np.float64]]  # of the trials of each prior study, (n,) each


class Conditions(NamedTuple):
    """How the new study runs."""

    given: int = 0  # random trials, the same for all methods, before the first that counts
    noise: float = 0.0  # standard deviation of what is added to values, in gaps of the task
    workers: int = 1  # trials that run at the same time


class Regime(NamedTuple):
    """What the prior studies are like, and how the new study runs."""

    choose: Callable[[Names, np.random.Generator], Names]
    alter: Callable[[Values, np.random.Generator], Values] | None = None
    sampler: str = "tpe"  # that made the prior trials
    features: Literal["own", "permuted"] | None = None  # meta-features of whose data sets
    conditions: Conditions = Conditions()


def changes_target(regime: str) -> bool:
    """Whether methods without priors must run in a regime, as the new study is another one."""
    return regime != SHARED and REGIMES[regime].conditions != Conditions()


def _negated(values: Values, rng: np.random.Generator) -> Values:
    """The opposite of the truth."""
    return [-y for y in values]


def _permuted(values: Values, rng: np.random.Generator) -> Values:
    """Values that have nothing to do with their configurations."""
    return [rng.permutation(y) for y in values]


def _half_permuted(values: Values, rng: np.random.Generator) -> Values:
    """Half of the studies (rounded down) are noise, the others intact."""
    noise = set(rng.permutation(len(values))[: len(values) // 2].tolist())
    return [rng.permutation(y) if i in noise else y for i, y in enumerate(values)]


def _all(names: Names, rng: np.random.Generator) -> Names:
    return names


def _none(names: Names, rng: np.random.Generator) -> Names:
    return ()


def _one(names: Names, rng: np.random.Generator) -> Names:
    return (names[rng.integers(len(names))],)


def _three(names: Names, rng: np.random.Generator) -> Names:
    chosen = set(rng.permutation(len(names))[:3].tolist())
    return tuple(name for i, name in enumerate(names) if i in chosen)


REGIMES: Mapping[str, Regime] = {
    "base": Regime(_all),
    "none": Regime(_none),
    "one": Regime(_one),
    "three": Regime(_three),
    "random-priors": Regime(_all, sampler="random"),
    "half-permuted": Regime(_all, _half_permuted),
    "permuted": Regime(_all, _permuted),
    "negated": Regime(_all, _negated),
    "features": Regime(_all, features="own"),
    "features-permuted": Regime(_all, features="permuted"),
    "given-5": Regime(_all, conditions=Conditions(given=5)),
    "noise": Regime(_all, conditions=Conditions(noise=_NOISE)),
    "workers-4": Regime(_all, conditions=Conditions(workers=4)),
}

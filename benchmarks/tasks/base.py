"""A task, which a study optimises, and a family of related tasks, priors to each other."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import functools
from typing import Any
from typing import Literal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
import optuna


Array = NDArray[np.float64]
Params = Mapping[str, Any]
Direction = Literal["maximize", "minimize"]
Suggest = Callable[[optuna.Trial], dict[str, Any]]

OBJECTIVES_SUITES = ("lcbench-2", "nmt-2")
PRUNED_SUITE = "lcbench-pruned"


class Reference(NamedTuple):
    """Two values of a task between which regret is measured."""

    best: float
    median: float  # over all configurations, or over many random ones

    def regret(self, value: float) -> float:
        """Return 0 for the best value or a better one, 1 for the median."""
        return max(0.0, (value - self.best) / (self.median - self.best))


class Outcome(NamedTuple):
    values: tuple[float, ...] | None  # one an objective; None of a pruned trial
    cost: float = 1.0  # in the suite's unit: epochs where trials can be pruned, else trials


@dataclass(frozen=True)
class Task:
    name: str  # of the data set behind it
    directions: tuple[Direction, ...]  # one an objective
    suggest: Suggest  # draws the parameters of a trial, define-by-run
    evaluate: Callable[[Params], tuple[float, ...]]  # to values, one an objective or an epoch
    regret: Callable[[Sequence[tuple[float, ...]]], float]  # of the values of all trials so far
    gap: Callable[[], float]  # between the median and the best value, the unit of noise
    epochs: tuple[int, ...] = ()  # at which values are reported to the median pruner, if any
    size: int | None = None  # of the table behind it, if there is one of few rows

    def create_study(self, sampler: optuna.samplers.BaseSampler) -> optuna.Study:
        pruner = optuna.pruners.MedianPruner() if self.epochs else optuna.pruners.NopPruner()
        directions = list(self.directions)
        return optuna.create_study(directions=directions, sampler=sampler, pruner=pruner)

    def run(self, trial: optuna.Trial, params: Params) -> Outcome:
        values = self.evaluate(params)
        if not self.epochs:
            return Outcome(values)
        for epoch, value in zip(self.epochs, values, strict=True):
            trial.report(value, epoch)
            if epoch < self.epochs[-1] and trial.should_prune():
                return Outcome(None, cost=epoch)
        return Outcome((values[-1],), cost=self.epochs[-1])


def single_task(
    name: str,
    direction: Direction,
    suggest: Suggest,
    evaluate: Callable[[Params], float],
    reference: Callable[[], Reference],
    size: int | None = None,
) -> Task:
    """Return a task with one objective; the reference is asked for when regret first is."""
    known = functools.cache(reference)  # takes seconds on a surrogate

    def regret(values: Sequence[tuple[float, ...]]) -> float:
        return min((known().regret(value) for (value,) in values), default=float("inf"))

    def gap() -> float:
        return abs(known().median - known().best)

    values = lambda params: (evaluate(params),)  # noqa: E731
    return Task(name, (direction,), suggest, values, regret, gap, size=size)


@dataclass(frozen=True)
class Family:
    suite: str  # name on the command line
    name: str
    targets: tuple[str, ...]  # names of the tasks to optimise
    sources: tuple[str, ...]  # of those that can serve as priors
    load: Callable[[str], Task]
    features: Callable[[str], Mapping[str, float]] | None = None  # of a data set; empty if unknown
    group: Callable[[str], str] = lambda name: (
        ""
    )  # Only tasks of one group are priors of each other.

    def priors_of(self, target: str) -> tuple[str, ...]:
        group = self.group(target)
        return tuple(n for n in self.sources if n != target and self.group(n) == group)


class Front(NamedTuple):
    point: tuple[float, float]  # the reference point, in losses
    best: float  # hypervolume


def objectives_task(
    name: str,
    suggest: Suggest,
    evaluate: Callable[[Params], tuple[float, ...]],
    front: Callable[[], Front],
) -> Task:
    """Return a task with a score to maximise and a time to minimise, the values of evaluate."""
    known = functools.cache(front)

    def regret(values: Sequence[tuple[float, ...]]) -> float:
        Y = np.array(values, dtype=float).reshape(-1, 2)
        return max(0.0, 1.0 - hypervolume(losses(Y), known().point) / known().best)

    def gap() -> float:
        raise ValueError(f"Task {name!r} has two objectives, without a common unit: no noise.")

    return Task(name, ("maximize", "minimize"), suggest, evaluate, regret, gap)


def losses(Y: Array) -> Array:
    """Return the losses, (n, 2), of scores and times, (n, 2)."""
    return np.stack([-Y[:, 0], np.log(Y[:, 1])], axis=1)


def front_of(Y: Array, more: Array | None = None) -> Front:
    """Return reference point of scores and times Y (n, 2), and hypervolume with more (m, 2)."""
    L = losses(Y)
    point = (float(np.median(L[:, 0])), float(L[:, 1].max()))
    known = L if more is None else np.concatenate([L, losses(more)])
    return Front(point, hypervolume(known, point))


def non_dominated(L: Array) -> NDArray[np.intp]:
    """Return the indices of the losses, (n, 2), that no other ones dominate, by the first loss."""
    order = np.lexsort((L[:, 1], L[:, 0]))
    second = L[order, 1]
    lowest = np.minimum.accumulate(np.concatenate([[np.inf], second[:-1]]))
    return np.asarray(order[second < lowest])


def hypervolume(L: Array, point: Sequence[float]) -> float:
    """Return the area that losses, (n, 2), dominate up to a reference point."""
    L = L[(point > L).all(axis=1)]
    front = L[non_dominated(L)]  # from left to right, and so from top to bottom
    tops = np.concatenate([[point[1]], front[:-1, 1]])
    return float(((point[0] - front[:, 0]) * (tops - front[:, 1])).sum())

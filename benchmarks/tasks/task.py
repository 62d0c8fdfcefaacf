"""A task, which a study optimises, and a family of related tasks, priors to each other."""

from __future__ import annotations

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
    """What a trial came to."""

    values: tuple[float, ...] | None  # one an objective; None of a pruned trial
    cost: float = 1.0  # in the suite's unit: epochs where trials can be pruned, else trials


@dataclass(frozen=True)
class Task:
    """A function with a known optimum."""

    name: str  # of the data set behind it
    directions: tuple[Direction, ...]  # one an objective
    suggest: Suggest  # draws the parameters of a trial, define-by-run
    evaluate: Callable[[Params], tuple[float, ...]]  # to values, one an objective or an epoch
    regret: Callable[[Sequence[tuple[float, ...]]], float]  # of the values of all trials so far
    gap: Callable[[], float]  # between the median and the best value, the unit of noise
    epochs: tuple[int, ...] = ()  # at which values are reported to the median pruner, if any

    def create_study(self, sampler: optuna.samplers.BaseSampler) -> optuna.Study:
        """Return an empty study of the task."""
        pruner = optuna.pruners.MedianPruner() if self.epochs else optuna.pruners.NopPruner()
        directions = list(self.directions)
        return optuna.create_study(directions=directions, sampler=sampler, pruner=pruner)

    def run(self, trial: optuna.Trial, params: Params) -> Outcome:
        """Evaluate a trial, or train until the end or until the pruner stops it."""
        values = self.evaluate(params)
        if not self.epochs:
            return Outcome(values)
        for epoch, value in zip(self.epochs, values, strict=True):
            trial.report(value, epoch)
            if epoch < self.epochs[-1] and trial.should_prune():
                return Outcome(None, cost=epoch)
        return Outcome((values[-1],), cost=self.epochs[-1])

    def regret_so_far(self, outcomes: Sequence[Outcome]) -> float:
        """Return the regret of all trials that were not pruned."""
        return self.regret([o.values for o in outcomes if o.values is not None])


def single_task(
    name: str,
    direction: Direction,
    suggest: Suggest,
    evaluate: Callable[[Params], float],
    reference: Callable[[], Reference],
) -> Task:
    """Return a task with one objective; the reference is asked for when regret first is."""
    known = functools.cache(reference)  # takes seconds on a surrogate

    def regret(values: Sequence[tuple[float, ...]]) -> float:
        return min((known().regret(value) for (value,) in values), default=float("inf"))

    def gap() -> float:
        return abs(known().median - known().best)

    return Task(name, (direction,), suggest, lambda params: (evaluate(params),), regret, gap)


@dataclass(frozen=True)
class Family:
    """Related tasks, some of which are optimised while others hold earlier studies."""

    suite: str  # name on the command line
    name: str
    targets: tuple[str, ...]  # names of the tasks to optimise
    sources: tuple[str, ...]  # of those that can serve as priors
    load: Callable[[str], Task]
    features: Callable[[str], Mapping[str, float]] | None = None  # of a data set; empty if unknown

    def priors_of(self, target: str) -> tuple[str, ...]:
        """Return the names of all sources but the target itself."""
        return tuple(name for name in self.sources if name != target)

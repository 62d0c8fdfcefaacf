"""The records that every source of tasks fills in: a task, and a family of related tasks."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from typing import Literal
from typing import NamedTuple

import optuna


__all__ = ["BenchmarkTask", "Direction", "Family", "Params", "Reference"]

Params = Mapping[str, Any]
Direction = Literal["maximize", "minimize"]


class Reference(NamedTuple):
    """Two values of a task between which regret is measured."""

    best: float
    median: float


@dataclass(frozen=True)
class BenchmarkTask:
    """One black-box function with a known optimum.

    Args:
        name:
            Name of the data set behind the task.
        family:
            Name of the family; tasks of one family can serve each other as priors.
        direction:
            ``"maximize"`` or ``"minimize"``.
        suggest:
            Draws the parameters of a trial, define-by-run.
        evaluate:
            Returns the value of a configuration; the same value whenever it is asked.
        reference:
            Returns the best and the median value of the task. It is a function as estimating them
            takes seconds on a surrogate, and tasks that only serve as priors never need them.
    """

    name: str
    family: str
    direction: Direction
    suggest: Callable[[optuna.Trial], dict[str, Any]]
    evaluate: Callable[[Params], float]
    reference: Callable[[], Reference]

    def __post_init__(self) -> None:
        if self.direction not in ("maximize", "minimize"):
            raise ValueError(
                f"Expected the direction of task {self.name!r} to be 'maximize' or 'minimize', "
                f"got {self.direction!r}."
            )

    @property
    def best(self) -> float:
        """Best value of the task."""
        return self.reference().best

    @property
    def median(self) -> float:
        """Value of a middling configuration: the median over all (or many random) ones."""
        return self.reference().median

    def regret(self, value: float) -> float:
        """Distance of a value from the best one: 0 is the best, 1 a middling configuration.

        The best value of a surrogate is an estimate, so a better one than that counts as 0.
        """
        best, median = self.reference()
        return max(0.0, (value - best) / (median - best))


@dataclass(frozen=True)
class Family:
    """Related tasks, some of which are optimised while others hold earlier studies.

    Args:
        suite:
            Name on the command line.
        name:
            Name of the family.
        targets:
            Names of the tasks to optimise.
        sources:
            Names of the tasks that can serve as priors.
        load:
            Returns a task of the family by its name; loads every task once.
    """

    suite: str
    name: str
    targets: tuple[str, ...]
    sources: tuple[str, ...]
    load: Callable[[str], BenchmarkTask]

    def priors_of(self, target: str) -> tuple[str, ...]:
        """Names of the prior tasks of a target: all sources but itself."""
        return tuple(name for name in self.sources if name != target)

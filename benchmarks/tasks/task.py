"""The records that every source of tasks fills in: a task, and a family of related tasks."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Literal
from typing import NamedTuple
from typing import Protocol

import optuna


__all__ = [
    "OBJECTIVES_SUITES",
    "PRUNED_SUITE",
    "BenchmarkTask",
    "Direction",
    "Family",
    "Outcome",
    "Params",
    "Reference",
    "Task",
]

Params = Mapping[str, Any]
Direction = Literal["maximize", "minimize"]
OBJECTIVES_SUITES = ("lcbench-2", "nmt-2")
PRUNED_SUITE = "lcbench-pruned"


class Reference(NamedTuple):
    """Two values of a task between which regret is measured."""

    best: float
    median: float


class Outcome(NamedTuple):
    """What a trial came to."""

    values: tuple[float, ...] | None  # one an objective; None of a pruned trial
    cost: float = 1.0  # in the suite's unit: epochs where trials can be pruned, else trials


class Task(Protocol):
    """What a study can be run on."""

    @property
    def name(self) -> str:
        """Name of the data set behind the task."""

    @property
    def directions(self) -> Sequence[Direction]:
        """One an objective."""

    @property
    def suggest(self) -> Callable[[optuna.Trial], dict[str, Any]]:
        """Draws the parameters of a trial, define-by-run."""

    @property
    def pruner(self) -> optuna.pruners.BasePruner:
        """The pruner of its studies."""

    @property
    def gap(self) -> float:
        """Distance between a middling and the best value, the unit of noise."""

    def run(self, trial: optuna.Trial, params: Params) -> Outcome:
        """Evaluate a trial; reports to it where there is a learning curve."""

    def regret_so_far(self, outcomes: Sequence[Outcome]) -> float:
        """Regret of all trials together: 0 is the best."""


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
    def directions(self) -> tuple[Direction]:
        """The one direction."""
        return (self.direction,)

    @property
    def pruner(self) -> optuna.pruners.BasePruner:
        """None: there are no learning curves."""
        return optuna.pruners.NopPruner()

    @property
    def best(self) -> float:
        """Best value of the task."""
        return self.reference().best

    @property
    def median(self) -> float:
        """Value of a middling configuration: the median over all (or many random) ones."""
        return self.reference().median

    @property
    def gap(self) -> float:
        """Distance between the median and the best value."""
        return abs(self.median - self.best)

    def regret(self, value: float) -> float:
        """Distance of a value from the best one: 0 is the best, 1 a middling configuration.

        The best value of a surrogate is an estimate, so a better one than that counts as 0.
        """
        best, median = self.reference()
        return max(0.0, (value - best) / (median - best))

    def run(self, trial: optuna.Trial, params: Params) -> Outcome:
        """Evaluate a trial."""
        return Outcome((self.evaluate(params),))

    def regret_so_far(self, outcomes: Sequence[Outcome]) -> float:
        """Regret of the best trial."""
        values = [outcome.values[0] for outcome in outcomes if outcome.values is not None]
        return min(map(self.regret, values), default=float("inf"))


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
        features:
            Returns the meta-features of a task's data set by its name, empty where they are not
            known; ``None`` where they are known of no task.
    """

    suite: str
    name: str
    targets: tuple[str, ...]
    sources: tuple[str, ...]
    load: Callable[[str], Task]
    features: Callable[[str], Mapping[str, float]] | None = None

    def priors_of(self, target: str) -> tuple[str, ...]:
        """Names of the prior tasks of a target: all sources but itself."""
        return tuple(name for name in self.sources if name != target)

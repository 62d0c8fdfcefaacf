"""One number that the trials of a study report: an objective, or a constraint."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial


__all__ = ["Outcome", "constraint_keys", "objectives"]


@dataclass(frozen=True)
class Outcome:
    """What a column of a study's values means.

    Args:
        name: Metric name of an objective, key of a constraint; empty where an objective has none.
        position: Index of an objective among those of its study; 0 for a constraint.
        n_objectives: How many objectives its study has; 0 for a constraint.
    """

    name: str = ""
    position: int = 0
    n_objectives: int = 1

    @classmethod
    def constraint(cls, key: str) -> Outcome:
        """The constraint of a key: at most 0 is feasible."""
        return cls(key, 0, 0)

    @property
    def is_constraint(self) -> bool:
        """Whether this is a constraint."""
        return self.n_objectives == 0

    def matches(self, other: Outcome) -> bool:
        """Whether two studies outcome the same: by name, else objectives by position."""
        if self.is_constraint or other.is_constraint or (self.name and other.name):
            return self.is_constraint == other.is_constraint and self.name == other.name
        return (self.position, self.n_objectives) == (other.position, other.n_objectives)


def objectives(n_objectives: int, names: Sequence[str] | None = None) -> tuple[Outcome, ...]:
    """The objectives of a study, in order.

    Args:
        n_objectives: How many.
        names: Their metric names, where they are set.
    """
    known = names or [""] * n_objectives
    return tuple(Outcome(name, i, n_objectives) for i, name in enumerate(known))


def constraint_keys(trials: Iterable[FrozenTrial]) -> tuple[str, ...]:
    """Keys of all constraints that any of the trials reports, sorted."""
    return tuple(sorted({key for trial in trials for key in trial.constraints}))

"""Trials of one study -> configurations with comparable values, and what each value means."""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._typing import Array
from optuna_meta.outcomes.trial_table import curve_of
from optuna_meta.outcomes.trial_table import TrialTable


__all__ = [
    "constraint_keys",
    "fingerprint_of",
    "has_failed",
    "FINISHED",
    "key_of",
    "objectives",
    "Observations",
    "observe",
    "Outcome",
]


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
        """Return the constraint of a key: at most 0 is feasible."""
        return cls(key, 0, 0)

    @property
    def is_constraint(self) -> bool:
        """Whether this is a constraint."""
        return self.n_objectives == 0

    def matches(self, other: Outcome) -> bool:
        """Tell whether two studies measure the same: by name, else objectives by position."""
        if self.is_constraint or other.is_constraint or (self.name and other.name):
            return self.is_constraint == other.is_constraint and self.name == other.name
        return (self.position, self.n_objectives) == (other.position, other.n_objectives)


def objectives(n_objectives: int, names: Sequence[str] | None = None) -> tuple[Outcome, ...]:
    """Return the objectives of a study, in order.

    Args:
        n_objectives: How many.
        names: Their metric names, where they are set.
    """
    known = names or [""] * n_objectives
    return tuple(Outcome(name, i, n_objectives) for i, name in enumerate(known))


def constraint_keys(trials: Iterable[FrozenTrial]) -> tuple[str, ...]:
    """Return keys of all constraints that any of the trials reports, sorted."""
    return tuple(sorted({key for trial in trials for key in trial.constraints}))


FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Observations:
    """What a study's finished trials say, in the order of the trials.

    Args:
        params: The configurations, n of them.
        distributions: For each configuration its parameters' distributions.
        values: Values of the K objectives, lower is better, finite.  # (n, K)
        constraint_values: Values of the J constraints, at most 0 where a trial is feasible; NaN
            where it reports none.  # (n, J)
        measured: Which values trials came to, and not only what is likely of them.  # (n,)
    """

    params: tuple[Mapping[str, Any], ...]
    distributions: tuple[Mapping[str, BaseDistribution], ...]
    values: Array  # (n, K)
    constraint_values: Array  # (n, J)
    measured: NDArray[np.bool_]  # (n,)

    def __len__(self) -> int:
        return len(self.params)


def key_of(trial: FrozenTrial) -> Hashable:
    """Return what tells a trial apart: its number alone comes again in a study made anew."""
    return trial.number, trial.datetime_start


def fingerprint_of(trials: Sequence[FrozenTrial]) -> str:
    """Return number and start of the first trial: the same wherever a study is read from."""
    if not trials or trials[0].datetime_start is None:
        return ""
    return f"{trials[0].number}@{trials[0].datetime_start.timestamp():.6f}"


def has_failed(trial: FrozenTrial) -> bool:
    """Tell whether the trial has ended and says of its configuration only that it is no good."""
    if not trial.params:
        return False
    silent = trial.state == TrialState.PRUNED and not curve_of(trial)
    return silent or trial.state == TrialState.FAIL


def observe(
    trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection], keys: Sequence[str] = ()
) -> Observations:
    """Return the observations of a study's trials.

    Args:
        trials: Trials of any state.
        directions: The study's, one for each objective.
        keys: The constraints to read.
    """
    table, finished = TrialTable(directions), [t for t in trials if t.state in FINISHED]
    for trial in finished:
        table.append(trial)
    reports = table.reports(keys)
    return Observations(
        tuple(finished[i].params for i in reports.places),
        tuple(finished[i].distributions for i in reports.places),
        reports.values,
        reports.constraint_values,
        reports.measured,
    )

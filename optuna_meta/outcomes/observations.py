"""Trials of one study -> configurations with comparable values, and what each value means."""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from datetime import timedelta
import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._typing import Array
from optuna_meta.outcomes.curves import Curves
from optuna_meta.outcomes.curves import curves_of
from optuna_meta.outcomes.reported import CURVE_KEY
from optuna_meta.outcomes.reported import curve_of
from optuna_meta.outcomes.trial_table import TrialTable


__all__ = [
    "constraint_keys",
    "fingerprint_of",
    "is_of_study",
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


_SECOND = timedelta(seconds=1)
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
        curves: What they reported of each objective on their way, and how long they ran.
    """

    params: Sequence[Mapping[str, Any]]
    distributions: tuple[Mapping[str, BaseDistribution], ...]
    values: Array  # (n, K)
    constraint_values: Array  # (n, J)
    measured: NDArray[np.bool_]  # (n,)
    curves: tuple[Curves, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.params)


def key_of(trial: FrozenTrial) -> Hashable:
    """Return what tells a trial apart: its number alone comes again in a study made anew."""
    return trial.number, trial.datetime_start


def fingerprint_of(trials: Sequence[FrozenTrial]) -> str:
    """Return number, start and content of the first trial, by which its study is known again.

    The same wherever a study is read from; see :func:`is_of_study`.
    """
    first = trials[0] if trials else None
    if first is None or first.datetime_start is None:
        return ""
    content = [sorted((n, _rounded(v)) for n, v in first.params.items()), first.state.name]
    content += [_rounded(value) for value in first.values or ()]
    digest = hashlib.sha256(repr(content).encode("utf-8", "backslashreplace")).hexdigest()[:16]
    return f"{first.number}@{first.datetime_start.isoformat()}#{digest}"


def is_of_study(fingerprint: str, trials: Mapping[int, FrozenTrial]) -> bool:
    """Tell whether a fingerprint is of one of a study's trials, by their number.

    Contents must agree, and starts within a second: databases keep fractions of one, cut them off
    or round them. Studies that were started in the same second are told apart by their contents.
    """
    number, _, mark = fingerprint.partition("@")
    trial = trials.get(int(number)) if number.isdecimal() else None
    if trial is None or trial.datetime_start is None:
        return False
    if "#" not in mark:  # As earlier versions wrote it: the start, to the microsecond.
        return mark == f"{trial.datetime_start.timestamp():.6f}" and not mark.endswith(".000000")
    start, _, content = mark.partition("#")
    # Most of many studies began at another time, and a content takes longer to read.
    if abs(datetime.fromisoformat(start) - trial.datetime_start) > _SECOND:
        return False
    return fingerprint_of([trial]).partition("#")[2] == content


def _rounded(value: Any) -> str:
    """Return a value's text: the last digits of a float may change in a storage."""
    return f"{value:.12g}" if isinstance(value, float) else repr(value)


def has_failed(trial: FrozenTrial) -> bool:
    """Tell whether the trial has ended and says of its configuration only that it is no good."""
    if not trial.params:
        return False
    has_curve = bool(curve_of(trial)) or CURVE_KEY in trial.user_attrs
    silent = trial.state == TrialState.PRUNED and not has_curve
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
    signs = [-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in directions]
    return Observations(
        tuple(finished[i].params for i in reports.places),
        tuple(finished[i].distributions for i in reports.places),
        reports.values,
        reports.constraint_values,
        reports.measured,
        curves_of([finished[i] for i in reports.places], signs),
    )

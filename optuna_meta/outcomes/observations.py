"""Trials of one study -> configurations with comparable values.

Complete trials keep their values. Failed trials and NaN are left out, as Optuna's own samplers do.
A pruned trial gets the final value that its curve makes likely: the quantile it held, at the last
step that it shares with complete trials, among their final values; never better than its curve.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._typing import Array
from optuna_meta.outcomes.transforms import finite_values


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
        keys: What tells the trials apart, also from those of other studies.
        params: The configurations, n of them.
        distributions: For each configuration its parameters' distributions.
        values: Values of the K objectives, lower is better, finite.  # (n, K)
        constraint_values: Values of the J constraints, at most 0 where a trial is feasible; NaN
            where it reports none.  # (n, J)
        measured: Which values trials came to, and not only what is likely of them.  # (n,)
    """

    keys: tuple[Hashable, ...]
    params: Sequence[Mapping[str, Any]]
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
    """Return number, start and content of the first trial, by which its study is known again.

    The same wherever a study is read from; see :func:`is_of_study`.
    """
    if not trials or trials[0].datetime_start is None:
        return ""
    first = trials[0]
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
    if fingerprint_of([trial]).partition("#")[2] != content:
        return False
    return abs(datetime.fromisoformat(start) - trial.datetime_start) <= _SECOND


def _rounded(value: Any) -> str:
    """Return a value's text: the last digits of a float may change in a storage."""
    return f"{value:.12g}" if isinstance(value, float) else repr(value)


def has_failed(trial: FrozenTrial) -> bool:
    """Tell whether the trial has ended and says of its configuration only that it is no good."""
    if not trial.params:
        return False
    silent = trial.state == TrialState.PRUNED and not _curve(trial, 1.0)
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
    signs = np.array([-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in directions])
    complete = [t for t in trials if t.state == TrialState.COMPLETE and _has_values(t)]
    finals = _final_values(complete, signs)
    known = {t.number: row for t, row in zip(complete, finals, strict=True)}
    if len(signs) == 1:  # Optuna prunes studies of one objective only.
        known |= _likely_values(trials, complete, finals[:, 0], float(signs[0]))
    kept = sorted((t for t in trials if t.number in known), key=lambda t: t.number)
    values = np.array([known[t.number] for t in kept]).reshape(len(kept), len(signs))
    return Observations(
        tuple(map(key_of, kept)),
        tuple(t.params for t in kept),
        tuple(t.distributions for t in kept),
        _finite_columns(values),
        _limits(kept, keys),
        np.isin([t.number for t in kept], [t.number for t in complete]),
    )


def _final_values(complete: Sequence[FrozenTrial], signs: Array) -> Array:
    """Return values (n, K) of complete trials, lower is better, finite."""
    values = [[float(value) for value in t.values] for t in complete]
    return _finite_columns(np.array(values).reshape(len(complete), len(signs)) * signs)


def _finite_columns(values: Array) -> Array:
    return np.column_stack([finite_values(column) for column in values.T])


def _limits(trials: Sequence[FrozenTrial], keys: Sequence[str]) -> Array:
    """Return constraint values (n, J), NaN where a trial reports none."""
    constraint_values = np.full((len(trials), len(keys)), np.nan)
    if keys:
        for i, trial in enumerate(trials):
            reported = trial.constraints
            constraint_values[i] = [reported.get(key, np.nan) for key in keys]
    return constraint_values


def _likely_values(
    trials: Sequence[FrozenTrial], complete: Sequence[FrozenTrial], finals: Array, sign: float
) -> dict[int, Array]:
    """Return the likely final value, (1,), of each pruned trial by its number."""
    cut = [(t.number, _curve(t, sign)) for t in trials if t.state == TrialState.PRUNED]
    cut = [(number, curve) for number, curve in cut if curve]
    if not cut:
        return {}
    curves = [(_curve(t, sign), float(v)) for t, v in zip(complete, finals, strict=True)]
    peers, one_measure = _sorted_peers(curves), _is_one_measure(curves)
    middle = float(np.median(finals)) if len(finals) else -math.inf
    found = {}
    for number, curve in cut:
        likely = _likely_final(curve, peers, middle)
        # Where nothing is to compare with, nor what it is a value of: no better than its curve.
        bounded = one_measure or peers.keys().isdisjoint(curve)
        found[number] = np.array([max(likely, min(curve.values())) if bounded else likely])
    return found


def _has_values(trial: FrozenTrial) -> bool:
    return trial.values is not None and not any(math.isnan(value) for value in trial.values)


def _curve(trial: FrozenTrial, sign: float) -> dict[int, float]:
    """Read values by step, lower is better; NaN left out, infinite ones the worst there is."""
    reported = sorted(trial.intermediate_values.items())
    return {
        step: math.inf if math.isinf(value) else sign * value
        for step, value in reported
        if not math.isnan(value)
    }


def _sorted_peers(
    complete: Sequence[tuple[Mapping[int, float], float]],
) -> dict[int, tuple[list[float], list[float]]]:
    """Sort, by step, the values and the finals of the complete trials that reported there."""
    by_step: dict[int, list[tuple[float, float]]] = {}
    for curve, final in complete:
        for step, value in curve.items():
            by_step.setdefault(step, []).append((value, final))
    return {
        step: (sorted(value for value, _ in pairs), sorted(final for _, final in pairs))
        for step, pairs in by_step.items()
    }


def _likely_final(
    curve: Mapping[int, float], peers: Mapping[int, tuple[list[float], list[float]]], middle: float
) -> float:
    """Return the final value (lower is better) that a pruned trial's curve makes likely."""
    for step in sorted(curve, reverse=True):
        if step in peers:
            values, finals = peers[step]
            # With k better peers at this step it ranked k-th from the best (from 0): so does its
            # final.
            return finals[min(bisect_left(values, curve[step]), len(finals) - 1)]
    return middle  # Nothing to compare with: a pruner stops what is worse than the middle.


def _is_one_measure(complete: Sequence[tuple[Mapping[int, float], float]]) -> bool:
    """Tell whether curves report what the final value is: most finals lie on their own curve."""
    curves = [(list(c.values()), final) for c, final in complete if c]
    slack = 1e-9 * max((abs(final) for _, final in curves), default=0.0)
    within = [min(c) - slack <= final <= max(c) + slack for c, final in curves]
    return 2 * sum(within) >= len(within)

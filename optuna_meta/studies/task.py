"""Prior studies as records of arrays: as they were read, and one outcome of one as a task."""

from __future__ import annotations

from collections.abc import Container
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from itertools import count
import warnings

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.outcomes.curves import Curves
from optuna_meta.outcomes.observations import Observations
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.space.dimension import Dimension
from optuna_meta.studies.outage import shown


__all__ = ["RawStudy", "Task", "unchanged", "unreadable", "usable"]


@dataclass(frozen=True)
class Task:
    """One outcome of a prior study: a study of two objectives and a constraint is three tasks.

    Args:
        name: The study's name.
        rows: Cells of the n trials in the prior's space.  # (n, D)
        values: Their values, lower is better, finite.  # (n,)
        meta_features: Named numbers of the study's data set; empty where none are known.
        fingerprint: Number, start and content of the study's first usable trial, by which it
            recognises itself among the priors; empty for trials that never were in Optuna.
        outcome: What the values mean.
        origin: The storage's mark and the study's number there; empty where unknown.
        curves: What the n trials reported on their way, if anything is known of that.
    """

    name: str
    rows: Array = field(repr=False)  # (n, D)
    values: Array = field(repr=False)  # (n,)
    meta_features: Mapping[str, float] = field(default_factory=dict)
    fingerprint: str = ""
    outcome: Outcome = Outcome()
    origin: str = ""
    curves: Curves | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.curves is not None and len(self.curves) != len(self.rows):
            raise ValueError(
                f"Task {self.name!r} has {len(self.rows)} trials and curves of {len(self.curves)}."
            )
        if self.rows.ndim != 2 or self.values.shape != (len(self.rows),):
            raise ValueError(
                f"Task {self.name!r} needs rows (n, D) and values (n,), "
                f"got {self.rows.shape} and {self.values.shape}."
            )
        if not np.isfinite(self.values).all():
            raise ValueError(f"Task {self.name!r} needs finite values.")

    @property
    def tuned(self) -> NDArray[np.bool_]:
        """Which dimensions the study has tuned.  # (D,)"""
        return np.logical_not(np.isnan(self.rows).all(axis=0))


@dataclass(frozen=True)
class RawStudy:
    """What a reader of prior studies found.

    Args:
        name: The study's name.
        observations: Its trials.
        outcomes: What the columns of their values, then of their constraint values, mean: K + J.
        dimensions: Every range that its trials had; a parameter may have several.
        meta_features: Named numbers of its data set.
        fingerprint: Number, start and content of its first trial; empty for trials never in
            Optuna.
        problem: Why it cannot be read; empty where it can.
        origin: The storage's mark and the study's number there; empty where unknown.
        version: What differs once the study has changed; empty where unknown.
        is_unchanged: Whether it is as it was when it was read before, and was not read again.
    """

    name: str
    observations: Observations
    outcomes: Sequence[Outcome] = (Outcome(),)
    dimensions: Sequence[Dimension] = ()
    meta_features: Mapping[str, float] = field(default_factory=dict)
    fingerprint: str = ""
    problem: str = ""
    origin: str = ""
    version: str = ""
    is_unchanged: bool = False

    @property
    def rejection_reason(self) -> str:
        """Why the study cannot serve as a prior; empty where it can."""
        values = self.observations.values  # (n, K)
        if self.problem:
            return self.problem
        if len(values) == 0:
            return "it has no finished trial with a value"
        if not any(len(params) for params in self.observations.params):
            return "its trials have no parameters"
        if (values == values[0]).all():
            only = ", ".join(f"{value:g}" for value in values[0])
            return f"all its usable trials ({len(values)}) have one value, {only}"
        return ""


def unreadable(name: str, problem: str) -> RawStudy:
    """Return a study of which nothing is known but why."""
    return RawStudy(name, _NOTHING, problem=problem)


def unchanged(name: str, origin: str) -> RawStudy:
    """Return a study that needs not be read again."""
    return RawStudy(name, _NOTHING, origin=origin, is_unchanged=True)


_NOTHING = Observations((), (), np.zeros((0, 1)), np.zeros((0, 1)), np.zeros(0, dtype=np.bool_))


def usable(studies: Iterable[RawStudy], taken: Iterable[str] = ()) -> Iterator[RawStudy]:
    """Keep the studies that can serve as priors, under different names.

    Each other one is named in a warning.

    Args:
        studies: The studies.
        taken: Names that others have.
    """
    names = set(taken)
    for study in studies:
        if reason := study.rejection_reason:
            warnings.warn(f"Prior study {shown(study.name)} is left out: {reason}.", stacklevel=2)
        else:
            name = _unique(study.name, names)
            names.add(name)
            yield replace(study, name=name)


def _unique(name: str, taken: Container[str]) -> str:
    candidates = (name if i == 1 else f"{name} ({i})" for i in count(1))
    return next(candidate for candidate in candidates if candidate not in taken)

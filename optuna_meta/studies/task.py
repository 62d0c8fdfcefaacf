"""What one prior study says of one outcome, as a frozen record of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import Outcome


__all__ = ["Task"]


@dataclass(frozen=True)
class Task:
    """One outcome of a prior study: a study of two objectives and a constraint is three tasks.

    Args:
        name: The study's name.
        rows: Cells of the n trials in the prior's space.  # (n, D)
        values: Their values, lower is better, finite.  # (n,)
        meta_features: Named numbers of the study's data set; empty where none are known.
        fingerprint: Number and start of the study's first usable trial, by which it recognises
            itself among the priors; empty for trials that never were in Optuna.
        outcome: What the values mean.
    """

    name: str
    rows: Array = field(repr=False)  # (n, D)
    values: Array = field(repr=False)  # (n,)
    meta_features: Mapping[str, float] = field(default_factory=dict)
    fingerprint: str = ""
    outcome: Outcome = Outcome()

    def __post_init__(self) -> None:
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

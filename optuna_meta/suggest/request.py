"""What a trial asks of the suggester, and what it gets, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.outcomes.outcome import Measure
from optuna_meta.space.conditions import Condition
from optuna_meta.space.search_space import Space


__all__ = ["MOST_AHEAD", "Question", "Suggestion"]

MOST_AHEAD = 8


@dataclass(frozen=True)
class Question:
    """Everything a suggestion depends on, as arrays.

    Args:
        space: The target's space.
        rows: The finished trials.  # (n, D)
        values: Their objective values, lower is better, finite.  # (n, K)
        pending: Running trials.  # (p, D)
        fixed: Cells that are already decided, NaN for the others.  # (D,)
        conditions: Which dimensions exist under which others.
        ahead: Running trials whose configuration is not known yet.
        limits: The trials' constraint values, NaN where one reports none.  # (n, J)
        measures: The K objectives, then the J constraints.
        candidates: The only rows that may be suggested; ``None`` for all.  # (C, D)
        choices: Index of each candidate in the user's list.  # (C,)
        tried: Which of the candidates an earlier trial has run or will run.  # (C,)
        measured: Which values trials came to, and not only what is likely of them; all if
            ``None``.  # (n,)
    """

    space: Space
    rows: Array  # (n, D)
    values: Array  # (n, K)
    pending: Array  # (p, D)
    fixed: Array  # (D,)
    conditions: tuple[Condition, ...] = ()
    ahead: int = 0
    limits: Array = field(default_factory=lambda: np.zeros((0, 0)))  # (n, J)
    measures: tuple[Measure, ...] = (Measure(),)
    candidates: Array | None = None  # (C, D)
    choices: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # (C,)
    tried: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))  # (C,)
    measured: NDArray[np.bool_] | None = None  # (n,)

    def __post_init__(self) -> None:
        n_constraints = len(self.measures) - self.values.shape[1]
        if self.limits.shape != (len(self.rows), n_constraints):
            assert n_constraints == 0, "Each constraint needs a column of limits."
            object.__setattr__(self, "limits", np.zeros((len(self.rows), 0)))

    def after(self, taken: Suggestion) -> Question:
        """The question when another trial has been given a suggestion."""
        tried = self.tried.copy()
        if self.candidates is not None:
            tried[taken.candidate] = True
        return replace(self, pending=np.vstack([self.pending, taken.row]), tried=tried)

    def of_trials(self, kept: NDArray[np.int64]) -> Question:
        """The question with some of the finished trials."""
        rows, values, limits = self.rows[kept], self.values[kept], self.limits[kept]
        measured = None if self.measured is None else self.measured[kept]
        return replace(self, rows=rows, values=values, limits=limits, measured=measured)

    def of_measured(self) -> Question:
        """The question with those trials alone that came to their values."""
        return self if self.measured is None else self.of_trials(np.flatnonzero(self.measured))


@dataclass(frozen=True)
class Suggestion:
    """A chosen configuration and why; what is said of prior studies is a mean over objectives.

    Args:
        row: Its cells in the question's space.  # (D,)
        trust: Posterior probability that the prior studies inform the target.
        weights: Weight of each prior study before any trial.  # (T,)
        coefficients: Signed weight of each prior study in the posterior mean.  # (T,)
        contributions: Each study's part of the predicted advantage over the average candidate,
            in the priors' units.  # (T,)
        tests: Whether the components that doubt them chose it, to test what the prior studies say.
        candidate: Its index among the question's candidates; -1 where there are none.
    """

    row: Array  # (D,)
    trust: float
    weights: Array  # (T,)
    coefficients: Array  # (T,)
    contributions: Array  # (T,)
    tests: bool = False
    candidate: int = -1

"""What a trial asks of the suggester, and what it gets, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.outcomes.outcome import Outcome
from optuna_meta.space.conditions import Condition
from optuna_meta.space.search_space import Space


__all__ = ["MOST_AHEAD", "SuggestRequest", "Suggestion"]

MOST_AHEAD = 8


@dataclass(frozen=True)
class SuggestRequest:
    """Everything a suggestion depends on, as arrays.

    Args:
        space: The target's space.
        rows: The finished trials.  # (n, D)
        values: Their objective values, lower is better, finite.  # (n, K)
        pending: Running trials.  # (p, D)
        fixed: Cells that are already decided, NaN for the others.  # (D,)
        conditions: Which dimensions exist under which others.
        ahead: Running trials whose configuration is not known yet.
        constraint_values: The trials' constraint values, NaN where one reports none.  # (n, J)
        outcomes: The K objectives, then the J constraints.
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
    constraint_values: Array = field(default_factory=lambda: np.zeros((0, 0)))  # (n, J)
    outcomes: tuple[Outcome, ...] = (Outcome(),)
    candidates: Array | None = None  # (C, D)
    choices: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # (C,)
    tried: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))  # (C,)
    measured: NDArray[np.bool_] | None = None  # (n,)

    def __post_init__(self) -> None:
        n_constraints = len(self.outcomes) - self.values.shape[1]
        if self.constraint_values.shape != (len(self.rows), n_constraints):
            assert n_constraints == 0, "Each constraint needs a column of constraint_values."
            object.__setattr__(self, "constraint_values", np.zeros((len(self.rows), 0)))

    def after(self, taken: Suggestion) -> SuggestRequest:
        """The request when another trial has been given a suggestion."""
        tried = self.tried.copy()
        if self.candidates is not None:
            tried[taken.candidate] = True
        return replace(self, pending=np.vstack([self.pending, taken.row]), tried=tried)

    def of_trials(self, kept: NDArray[np.int64]) -> SuggestRequest:
        """The request with some of the finished trials."""
        rows, values, constraint_values = (
            self.rows[kept],
            self.values[kept],
            self.constraint_values[kept],
        )
        measured = None if self.measured is None else self.measured[kept]
        return replace(
            self, rows=rows, values=values, constraint_values=constraint_values, measured=measured
        )

    def of_measured(self) -> SuggestRequest:
        """The request with those trials alone that came to their values."""
        return self if self.measured is None else self.of_trials(np.flatnonzero(self.measured))


@dataclass(frozen=True)
class Suggestion:
    """A chosen configuration and why; what is said of prior studies is a mean over objectives.

    Args:
        row: Its cells in the request's space.  # (D,)
        trust: Posterior probability that the prior studies inform the target.
        weights: Weight of each prior study before any trial.  # (T,)
        coefficients: Signed weight of each prior study in the posterior mean.  # (T,)
        contributions: Each study's part of the predicted advantage over the average candidate,
            in the priors' units.  # (T,)
        tests: Whether the components that doubt them chose it, to test what the prior studies say.
        candidate: Its index among the request's candidates; -1 where there are none.
    """

    row: Array  # (D,)
    trust: float
    weights: Array  # (T,)
    coefficients: Array  # (T,)
    contributions: Array  # (T,)
    tests: bool = False
    candidate: int = -1

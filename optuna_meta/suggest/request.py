"""What a trial asks of the suggester, and what it gets, as arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.outcomes.pareto import best_first
from optuna_meta.space.conditions import Condition
from optuna_meta.space.rows import beyond
from optuna_meta.space.search_space import Space
from optuna_meta.suggest.comparison import Comparison
from optuna_meta.surrogate.padding import representative


__all__ = ["LEAST_TRUST", "MOST_TRIALS", "SOURCES", "SuggestRequest", "Suggestion", "reason_of"]

LEAST_TRUST = 0.1  # Below it the priors have lost: nine to one against them.
SOURCES = (
    "prior studies",
    "prior studies and own trials",
    "cold start",
    "test of the prior studies",
)
MOST_TRIALS = 200  # Of the target, in a model: its price grows with their cube.
_THINNED_EVERY = 20  # Trials: what the first of them tell is learned once, not at each trial.
_ROUNDING = 1e-9  # Of cells.
_REACH = 1.0  # Ranges: a function's values that far from its range tell nothing of those in it.


@dataclass(frozen=True)
class SuggestRequest:
    """Everything a suggestion depends on, as arrays.

    Args:
        space: The target's space.
        rows: The finished trials.  # (n, D)
        values: Their objective values, lower is better, finite.  # (n, K)
        pending: Running trials.  # (p, D)
        fixed: Cells that are already fixed, NaN for the others.  # (D,)
        conditions: Which dimensions exist under which others.
        constraint_values: The trials' constraint values, NaN where one reports none.  # (n, J)
        outcomes: The K objectives, then the J constraints.
        candidates: The only rows that may be suggested; ``None`` for all.  # (C, D)
        choices: Index of each candidate in the user's list.  # (C,)
        tried: Which of the candidates an earlier trial has run or will run.  # (C,)
        measured: Which values trials came to, and not only what is likely of them; all if
            ``None``.  # (n,)
        deviations: How far values may be off that are only likely, 0 for the others; nowhere if
            ``None``.  # (n, K)
        whole: Which trials asked for all parameters that they would ever ask for, and did not
            fail half-way; all if ``None``.  # (n,)
        failed: Trials that ended without a value; none if ``None``.  # (f, D)
        starts: What each trial's model started from, as a number; 0 is scratch, which it is for
            all if ``None``.  # (n,)
        penalty: What to take off the logarithms of the scores of rows (M, D), (M,); nothing if
            ``None``.
        n_ahead: How many running trials choose before this one, by the same trials as it.
    """

    space: Space
    rows: Array  # (n, D)
    values: Array  # (n, K)
    pending: Array  # (p, D)
    fixed: Array  # (D,)
    conditions: tuple[Condition, ...] = ()
    constraint_values: Array = field(default_factory=lambda: np.zeros((0, 0)))  # (n, J)
    outcomes: tuple[Outcome, ...] = (Outcome(),)
    candidates: Array | None = None  # (C, D)
    choices: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # (C,)
    tried: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))  # (C,)
    measured: NDArray[np.bool_] | None = None  # (n,)
    deviations: Array | None = None  # (n, K)
    whole: NDArray[np.bool_] | None = None  # (n,)
    failed: Array | None = None  # (f, D)
    starts: NDArray[np.int64] | None = None  # (n,)
    n_ahead: int = 0
    penalty: Callable[[Array], Array] | None = field(default=None, compare=False)

    @property
    def is_whole(self) -> NDArray[np.bool_]:
        """Which trials did not fail half-way.  # (n,)"""
        return np.ones(len(self.rows), dtype=bool) if self.whole is None else self.whole

    @property
    def started(self) -> NDArray[np.int64]:
        """What each trial's model started from, as a number; 0 is scratch.  # (n,)"""
        scratch = np.zeros(len(self.rows), dtype=np.int64)
        return scratch if self.starts is None else self.starts

    @property
    def is_inside(self) -> NDArray[np.bool_]:
        """Which trials lie in the space; one that was enqueued may have other values.  # (n,)"""
        return np.asarray(beyond(self.rows, self.space) <= _ROUNDING)

    def within_reach(self) -> SuggestRequest:
        """Return the request without trials so far outside that they say nothing of the space."""
        near = beyond(self.rows, self.space) <= _REACH
        return self if near.all() else self.of_trials(np.flatnonzero(near))

    @cached_property
    def thinned(self) -> SuggestRequest:
        """The request with the trials that the models learn from.

        Of many, the latest and representative ones of those before, which stay the same for some
        trials.
        """
        n = len(self.rows)
        if n <= MOST_TRIALS:
            return self
        settled = n - n % _THINNED_EVERY
        order = best_first(self.values[:settled], self.constraint_values[:settled])
        places = np.empty(settled)
        places[order] = np.arange(settled)
        spread = representative(places, MOST_TRIALS - _THINNED_EVERY)
        return self.of_trials(np.append(spread, np.arange(settled, n)))

    def of_trials(self, kept: NDArray[np.int64]) -> SuggestRequest:
        """Return the request with some of the finished trials, by their indices (t,)."""
        return replace(
            self,
            rows=self.rows[kept],
            values=self.values[kept],
            constraint_values=self.constraint_values[kept],
            measured=None if self.measured is None else self.measured[kept],
            deviations=None if self.deviations is None else self.deviations[kept],
            whole=None if self.whole is None else self.whole[kept],
            starts=None if self.starts is None else self.starts[kept],
        )

    def with_pending(self, suggestion: Suggestion) -> SuggestRequest:
        """Return the request as it is for another worker once this suggestion runs."""
        tried = self.tried.copy()
        if suggestion.candidate >= 0:
            tried[suggestion.candidate] = True
        return replace(self, pending=np.vstack([self.pending, suggestion.row]), tried=tried)

    def of_measured(self) -> SuggestRequest:
        """Return the request with those trials alone that came to their values."""
        return self if self.measured is None else self.of_trials(np.flatnonzero(self.measured))


@dataclass(frozen=True)
class Suggestion:
    """A chosen configuration and why; what is said of prior studies is a mean over objectives.

    Args:
        row: Its cells in the request's space.  # (D,)
        n_trials: How many finished trials it was chosen after.
        trust: Posterior probability that the prior studies inform the target.
        weights: Weight of each prior study before any trial.  # (T,)
        shares: What each prior study helped, negative where in reverse; see ``shares.py``.  # (T,)
        compared: How far each agrees with the target's own trials.
        order: The prior studies that were asked, by their index, most helpful first.
        predicted: Mean and 90 % interval of each objective, lower is better, where trials tell
            its unit.
        beats: Share of a prior study's own trials that are worse than what the prior studies
            together expect of it; ``None`` where none was asked or they have no say.
        is_probe: Whether the components that doubt them chose it, to test what the prior studies
            say.
        candidate: Its index among the request's candidates; -1 where there are none.
        is_drawn: Whether one of its numbers was drawn from a continuum just now, so that nobody
            else has the same.
        is_of_branch: Whether it is a branch's turn: a choice with parameters of its own.
    """

    row: Array  # (D,)
    n_trials: int
    trust: float
    weights: Array  # (T,)
    shares: Array  # (T,)
    compared: Comparison
    order: tuple[int, ...] = ()
    predicted: tuple[tuple[float, float, float], ...] = ()
    beats: float | None = None
    is_probe: bool = False
    candidate: int = -1
    is_drawn: bool = False
    is_of_branch: bool = False

    @property
    def source(self) -> str:
        """Where it comes from: one of ``SOURCES``."""
        if self.is_probe:
            return SOURCES[3]
        if self.trust < LEAST_TRUST:
            return SOURCES[2]
        return SOURCES[1] if self.n_trials else SOURCES[0]

    @property
    def reason(self) -> str:
        """The same as a sentence."""
        n = self.n_trials
        if self.is_of_branch:
            return "A choice with parameters of its own has its turn: it may yet hold the best."
        if not self.weights.any() and not self.is_probe:
            return f"No prior study has these objectives: the {n} own trials are all there is."
        return reason_of(self.source, n)

    @property
    def leading(self) -> int | None:
        """The prior study that helped most, by index; none where none had a say."""
        if self.trust < LEAST_TRUST or self.is_probe or not self.shares.any():
            return None
        return self.order[0]


def reason_of(source: str, n_trials: int) -> str:
    """Say where a suggestion after so many trials comes from as a sentence."""
    if source == SOURCES[3]:
        return "A test of the prior studies: nearly all trials so far are such as these call good."
    if source == SOURCES[2]:
        return f"It rests on the {n_trials} own trials alone: the prior studies have no say."
    if n_trials == 0:
        return "No trial yet: the configuration that the prior studies together expect to be best."
    return f"Expected improvement under the prior studies, corrected by {n_trials} own trials."

"""Finished trials of one study -> the values that they report, or that are likely of them.

Complete trials keep their values. Failed trials and NaN are left out, as Optuna's own samplers do.
A pruned trial gets the final value that its curve makes likely: the quantile it held, at the last
step that it shares with complete trials, among their final values, and beyond the worst of them in
proportion: where hopeless trials are stopped, all that are complete are good. How far it may be
off is what complete trials were off by, had they been stopped there.
"""

from __future__ import annotations

from bisect import bisect_left
from bisect import insort
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._typing import Array
from optuna_meta.outcomes.reported import reports_of
from optuna_meta.outcomes.reported import split
from optuna_meta.outcomes.transforms import finite_values


__all__ = ["Reports", "TrialTable"]

_FARTHEST = 2.0  # Behind the worst final, of their reach.
_LARGEST = 1e150  # Deviation, whose square is finite.
_PRESUMED = 1.0  # Peers of whom the curve said nothing: few real ones must not vouch alone.


@dataclass(frozen=True)
class Reports:
    """What n of the trials of a table report, in the order of their numbers.

    Args:
        places: Where they are in the table.  # (n,)
        values: Values of the K objectives, lower is better, finite.  # (n, K)
        constraint_values: Values of the J constraints, NaN where a trial reports none.  # (n, J)
        measured: Which values trials came to, and not only what is likely of them.  # (n,)
        deviations: How far the values may be off, standard deviations: 0 where measured.  # (n, K)
    """

    places: NDArray[np.int64]  # (n,)
    values: Array  # (n, K)
    constraint_values: Array  # (n, J)
    measured: NDArray[np.bool_]  # (n,)
    deviations: Array  # (n, K)


class TrialTable:
    """Finished trials of one study, each read once: they never change.

    What is likely of pruned trials depends on all others, which are kept in order for that.

    Args:
        directions: The study's, one for each objective.
    """

    def __init__(self, directions: Sequence[StudyDirection]) -> None:
        self.trials: list[FrozenTrial] = []
        self._signs = np.array([-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in directions])
        self._numbers: list[int] = []
        self._values: list[tuple[float, ...]] = []  # Of complete trials, else NaN.
        # Of each trial's K curves, NaN where there is none.
        self._lows: list[list[float]] = []
        self._cut: dict[int, tuple[dict[int, float], ...]] = {}  # K curves of pruned trials.
        self._constraints: dict[int, Mapping[str, float]] = {}
        self._peers = [_Peers() for _ in directions]

    def __len__(self) -> int:
        return len(self.trials)

    def append(self, trial: FrozenTrial) -> None:
        """Read one more finished trial, of any number."""
        nothing = (math.nan,) * len(self._signs)
        is_complete = trial.state == TrialState.COMPLETE and _has_values(trial)
        values = tuple((self._signs * trial.values).tolist()) if is_complete else nothing
        curves = split(reports_of(trial, self._signs.tolist()), len(self._signs))
        if is_complete:
            for peers, curve, value in zip(self._peers, curves, values, strict=True):
                peers.add(curve, value)
        elif curves[0] and trial.state == TrialState.PRUNED:
            self._cut[len(self.trials)] = curves
        if constraints := trial.constraints:
            self._constraints[len(self.trials)] = constraints
        self._lows.append([min(c.values(), default=math.nan) for c in curves])
        self._values.append(values)
        self._numbers.append(trial.number)
        self.trials.append(trial)

    def reports(self, keys: Sequence[str] = ()) -> Reports:
        """Return what the trials say so far.

        Args:
            keys: The constraints to read.
        """
        values = np.array(self._values, dtype=float).reshape(len(self), len(self._signs))
        measured = ~np.isnan(values).any(axis=1)
        values[measured] = _finite_columns(values[measured])
        deviations = np.zeros(values.shape)
        if self._cut:
            cut = list(self._cut)
            for k in range(len(self._signs)):
                likely = self._likely_values(k, values[measured, k])
                values[cut, k], deviations[cut, k] = zip(*likely, strict=True)
        known = np.flatnonzero(~np.isnan(values).any(axis=1))
        places = known[np.argsort(np.array(self._numbers)[known], kind="stable")]
        return Reports(
            places,
            _finite_columns(values[places]),
            self._limits(keys)[places],
            measured[places],
            deviations[places],
        )

    def _likely_values(self, k: int, finals: Array) -> list[tuple[float, float]]:
        """Return the likely final values of pruned trials in objective k, and deviations."""
        middle = float(np.median(finals)) if len(finals) else -math.inf
        worst = float(finals.max(initial=-math.inf))
        spread = _deviation(finals)
        found = []
        for place, curves in self._cut.items():
            likely = self._peers[k].likely_final(curves[k])
            # Nothing to compare with: a pruner stops what is worse than the middle.
            if likely is None:  # Nor better than its curve.
                found.append((max(middle, self._lows[place][k]), spread))
            else:
                found.append(likely if math.isfinite(likely[0]) else (worst, spread))
        return found

    def _limits(self, keys: Sequence[str]) -> Array:
        """Return constraint values (n, J), NaN where a trial reports none."""
        constraint_values = np.full((len(self), len(keys)), np.nan)
        for j, key in enumerate(keys):
            reported = {i: c[key] for i, c in self._constraints.items() if key in c}
            constraint_values[list(reported), j] = list(reported.values())
        return constraint_values


class _Peers:
    """Values and finals of the complete trials, by step, each in order."""

    def __init__(self) -> None:
        self._by_step: dict[int, tuple[list[float], list[float]]] = {}
        self._ended: dict[int, list[tuple[float, float]]] = {}  # The same, in pairs.

    def add(self, curve: Mapping[int, float], final: float) -> None:
        """Keep a complete trial's curve and final value (lower is better)."""
        for step, value in curve.items():
            values, finals = self._by_step.setdefault(step, ([], []))
            insort(values, value)
            insort(finals, math.inf if math.isinf(final) else final)
            self._ended.setdefault(step, []).append((value, final))

    def likely_final(self, curve: Mapping[int, float]) -> tuple[float, float] | None:
        """Return the final that a curve makes likely, and how far it may be off.

        ``None`` if it shares no step with any.
        """
        for step in sorted(curve, reverse=True):
            if step in self._by_step:
                values, finals = self._by_step[step]
                # With k better peers at this step it ranked k-th from the best (from 0): so does
                # its final.
                place = bisect_left(values, curve[step])
                if place < len(finals):
                    return finals[place], self._off(step)
                # What is beyond them is a guess, as far as it goes.
                beyond = _beyond(curve[step], values, finals)
                return finals[-1] + beyond, math.hypot(self._off(step), beyond)
        return None

    def _off(self, step: int) -> float:
        """Return how far complete trials ended from where their rank at a step has them."""
        values, finals = self._by_step[step]
        off = [finals[bisect_left(values, v)] - f for v, f in self._ended[step]]
        known = np.array([o for o in off if math.isfinite(o)])
        spread = _deviation(np.array(finals))
        total = _PRESUMED * spread**2 + float(known @ known)
        return math.sqrt(total / (_PRESUMED + len(known)))


def _deviation(finals: Array) -> float:
    """Return the standard deviation of the finite ones of final values (n,)."""
    known = finals[np.isfinite(finals)]
    size = float(np.abs(known).max(initial=0.0)) or 1.0  # Squares of the largest would overflow.
    return min(float(np.std(known / size)) * size, _LARGEST) if len(known) else 0.0


def _beyond(value: float, values: Sequence[float], finals: Sequence[float]) -> float:
    """Return how much worse than the worst final one ends that is worse than all peers.

    In proportion, but at most twice as far as the finals reach: where all began alike, a small
    lead at the first step would otherwise count for a thousand of theirs. Where peers tell no
    proportion (there is one, or all came to the same), sizes do: the curve may be of another scale
    than the final.
    """
    spread, of_finals = values[-1] - values[0], finals[-1] - finals[0]
    if not math.isfinite(spread + of_finals + value):
        return 0.0
    behind = value - values[-1]
    if of_finals <= 0.0:
        size, of_final = abs(values[-1]), abs(finals[-1])
        return behind * of_final / size if size > 0.0 and of_final > 0.0 else behind
    return min(behind * of_finals / spread, _FARTHEST * of_finals) if spread > 0.0 else of_finals


def _finite_columns(values: Array) -> Array:
    return np.column_stack([finite_values(column) for column in values.T])


def _has_values(trial: FrozenTrial) -> bool:
    return trial.values is not None and not any(math.isnan(value) for value in trial.values)

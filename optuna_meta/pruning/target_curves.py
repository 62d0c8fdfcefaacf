"""The target's finished trials as a running one meets them, each read once: they never change."""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._typing import Array
from optuna_meta.outcomes.curves import Curves
from optuna_meta.outcomes.curves import curves_of
from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.outcomes.observations import key_of
from optuna_meta.outcomes.reported import reports_of
from optuna_meta.pruning.expectation import Expectation
from optuna_meta.pruning.standing import first_of_window
from optuna_meta.pruning.standing import front_of
from optuna_meta.pruning.standing import improves
from optuna_meta.pruning.standing import looks
from optuna_meta.pruning.standing import standing
from optuna_meta.pruning.standing import step_before


__all__ = ["Stand", "TargetCurves"]


@dataclass(frozen=True)
class Stand:
    """Where a running trial stands.

    Args:
        step: The step of its report.
        position: Share of the way that is done, by the incumbent's way.
        standing: The numbers of ``standing``.  # (5,)
    """

    step: int
    position: float
    standing: Array  # (5,)


class TargetCurves:
    """Curves and final values, lower is better, of the trials that ended.

    Args:
        signs: Of each of K objectives, 1 where the study minimises it, -1 where it maximises.
        expectation: What is expected of configurations.
    """

    def __init__(self, signs: Sequence[float], expectation: Expectation) -> None:
        self._signs, self._expectation = tuple(signs), expectation
        self._trials: list[FrozenTrial] = []
        self._keys: set[Hashable] = set()
        self._curves: list[_Curve] = []
        self._finals: list[tuple[float, ...]] = []  # Infinite of those that were stopped.
        # Of each trial the step at which it was last asked about, how far it was before, and then.
        self._asked: dict[int, tuple[float, int, int]] = {}
        self._at: dict[tuple[float, bool], list[tuple[Array, bool]]] = {}

    def __len__(self) -> int:
        return len(self._trials)

    def __contains__(self, trial: FrozenTrial) -> bool:
        return key_of(trial) in self._keys

    @property
    def is_complete(self) -> NDArray[np.bool_]:
        """Which trials came to their end.  # (n,)"""
        return np.asarray(np.isfinite(self._all_finals).all(axis=1))

    @property
    def _all_finals(self) -> Array:
        return np.array(self._finals).reshape(len(self), len(self._signs))

    def append(self, trial: FrozenTrial) -> None:
        """Read one more trial that ended; one without a curve tells nothing here."""
        self._keys.add(key_of(trial))
        reports = reports_of(trial, self._signs)
        if trial.state not in FINISHED or not reports:
            return
        is_complete = trial.state == TrialState.COMPLETE and trial.values is not None
        values = trial.values if is_complete else (math.inf,) * len(self._signs)
        self._trials.append(trial)
        self._curves.append(_Curve.of(reports))
        self._finals.append(tuple(s * v for s, v in zip(self._signs, values, strict=True)))

    def curves(self) -> tuple[tuple[Curves, ...], Array]:
        """Return the complete trials' curves, and their final values.  # (n, K)"""
        kept = np.flatnonzero(self.is_complete)
        return curves_of([self._trials[i] for i in kept], self._signs), self._all_finals[kept]

    def improved(self, number: int) -> bool:
        """Tell whether a trial came to its end and improved on all that had begun before it."""
        numbers = np.array([t.number for t in self._trials])
        finals, complete = self._all_finals, self.is_complete
        return any(
            improves(finals[i], finals[complete & (numbers < number)])
            for i in np.flatnonzero(complete & (numbers == number))
        )

    def stand(self, trial: FrozenTrial, reports: Mapping[int, tuple[float, ...]]) -> Stand | None:
        """Tell where a running trial stands; ``None`` where nothing can be compared, and at
        steps at which trials are not looked at.

        How far it is, is read from the curve of the best trial: by steps and by the number of
        reports, whichever says less. So one that reports backwards, or seldom, is not taken to be
        late.

        Args:
            trial: The trial.
            reports: What it has reported, lower is better, by step.
        """
        complete = np.flatnonzero(self.is_complete)
        if not reports or not len(complete):
            return None
        front = complete[front_of(self._all_finals[complete])]
        curve, incumbent = _Curve.of(reports), self._curves[front[0]]
        is_backward = _is_backward(curve, incumbent)
        if is_backward:
            curve, incumbent = curve.mirrored(), incumbent.mirrored()
        now = curve.last
        n_steps, index = len(incumbent.steps), min(incumbent.index(now), len(reports) - 1)
        looked_at = looks(n_steps)
        if not ((self._before(trial.number, now, index) < looked_at) & (looked_at <= index)).any():
            return None
        others, reached = self._levels(now, is_backward)
        if np.isnan(others[front]).any():
            return None
        earlier = max(float(incumbent.steps[step_before(np.array(index))]), curve.first)
        expected = self._expectation.of
        stood = standing(
            curve.level(now)[0][None],
            curve.level(earlier)[0][None],
            others[front, None],
            others[:, None],
            reached[:, None],
            expected(trial) - min(expected(self._trials[i]) for i in front),
        )
        return Stand(int(abs(now)), (index + 1) / n_steps, stood[0])

    def _before(self, number: int, step: float, index: int) -> int:
        """Return how far a trial was when last asked about: that may not be at each report."""
        at, before, last = self._asked.get(number, (math.nan, -1, -1))
        before = before if at == step else last
        self._asked[number] = step, before, index
        return before

    def _levels(self, step: float, is_backward: bool) -> tuple[Array, NDArray[np.bool_]]:
        """Return the trials' levels (n, K) at a step, and which of them came that far.  # (n,)"""
        known = self._at.setdefault((step, is_backward), [])
        new = self._curves[len(known) :]
        known += [(c.mirrored() if is_backward else c).level(step) for c in new]
        values, reached = zip(*known, strict=True)
        return np.array(values), np.array(reached) | self.is_complete


@dataclass(frozen=True)
class _Curve:
    """One trial's reports.

    Args:
        steps: Ascending.  # (s,)
        values: Lower is better.  # (s, K)
    """

    steps: Array  # (s,)
    values: Array  # (s, K)

    @classmethod
    def of(cls, reports: Mapping[int, tuple[float, ...]]) -> _Curve:
        steps = sorted(reports)
        return cls(np.array(steps, dtype=float), np.array([reports[step] for step in steps]))

    @property
    def first(self) -> float:
        return float(self.steps[0])

    @property
    def last(self) -> float:
        return float(self.steps[-1])

    def mirrored(self) -> _Curve:
        """Return the curve of one that reports from the last step to the first, in that order."""
        return _Curve(-self.steps[::-1], self.values[::-1])

    def index(self, step: float) -> int:
        """Return the place of the latest report up to a step; -1 before the first one."""
        return int(np.searchsorted(self.steps, step, side="right")) - 1

    def level(self, step: float) -> tuple[Array, bool]:
        """Return the level (K,) at a step, and whether the trial got there."""
        place = self.index(step)
        if place < 0:
            return np.full(self.values.shape[1], np.nan), False
        window = self.values[first_of_window(place) : place + 1]
        return np.asarray(window.min(axis=0)), step <= self.last


def _is_backward(curve: _Curve, incumbent: _Curve) -> bool:
    """Tell whether a trial reports from the last step to the first."""
    is_begun = len(curve.steps) < len(incumbent.steps)
    return is_begun and curve.last >= incumbent.last and curve.first > incumbent.first

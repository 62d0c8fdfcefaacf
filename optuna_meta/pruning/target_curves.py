"""The target's finished trials as a running one meets them, each read once: they never change."""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Mapping
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
from optuna_meta.outcomes.trial_table import curve_of
from optuna_meta.pruning.expectation import Expectation
from optuna_meta.pruning.standing import first_of_window
from optuna_meta.pruning.standing import standing
from optuna_meta.pruning.standing import step_before


__all__ = ["Stand", "TargetCurves"]


@dataclass(frozen=True)
class Stand:
    """Where a running trial stands.

    Args:
        step: The step of its report.
        position: Share of the way that is done, by the incumbent's way.
        standing: The numbers of ``standing``.  # (4,)
    """

    step: int
    position: float
    standing: Array  # (4,)


class TargetCurves:
    """Curves and final values, lower is better, of the trials that ended.

    Args:
        sign: 1 where the study minimises, -1 where it maximises.
        expectation: What is expected of configurations.
    """

    def __init__(self, sign: float, expectation: Expectation) -> None:
        self._sign, self._expectation = sign, expectation
        self._trials: list[FrozenTrial] = []
        self._keys: set[Hashable] = set()
        self._curves: list[_Curve] = []
        self._finals: list[float] = []  # Infinite of those that were stopped.
        self._at: dict[float, list[tuple[float, bool]]] = {}

    def __len__(self) -> int:
        return len(self._trials)

    def __contains__(self, trial: FrozenTrial) -> bool:
        return key_of(trial) in self._keys

    @property
    def n_complete(self) -> int:
        """How many trials came to their end."""
        return int(np.isfinite(self._finals).sum())

    def append(self, trial: FrozenTrial) -> None:
        """Read one more trial that ended; one without a curve tells nothing here."""
        self._keys.add(key_of(trial))
        curve = curve_of(trial, self._sign)
        if trial.state not in FINISHED or not curve:
            return
        is_complete = trial.state == TrialState.COMPLETE and trial.values is not None
        final = self._sign * trial.values[0] if is_complete else math.inf
        self._trials.append(trial)
        self._curves.append(_Curve.of(curve))
        self._finals.append(final if math.isfinite(final) else math.inf)

    def curves(self) -> tuple[Curves, Array]:
        """Return the complete trials' curves, and their final values.  # (n,)"""
        kept = np.flatnonzero(np.isfinite(self._finals))
        curves = curves_of([self._trials[i] for i in kept], self._sign)
        return curves, np.array(self._finals)[kept]

    def stand(self, trial: FrozenTrial) -> Stand | None:
        """Tell where a running trial stands; ``None`` where nothing can be compared.

        How far it is, is read from the incumbent's curve: by steps and by the number of reports,
        whichever says less. So one that reports backwards, or seldom, is not taken to be late.
        """
        own = curve_of(trial, self._sign)
        if not own or not self.n_complete:
            return None
        best = int(np.argmin(self._finals))
        incumbent, curve = self._curves[best], _Curve.of(own)
        now = curve.first if _is_backward(curve, incumbent) else curve.last
        index = min(incumbent.index(now), len(own) - 1)
        if index < 0:
            return None
        others, reached = self._levels(now)
        if math.isnan(others[best]):
            return None
        earlier = float(incumbent.steps[step_before(np.array(index))])
        before = curve.level(earlier)[0] if curve.first <= earlier else curve.level(now)[0]
        stood = standing(
            np.array([curve.level(now)[0]]),
            np.array([before]),
            others[best : best + 1],
            others[:, None],
            reached[:, None],
            self._expectation.of(trial) - self._expectation.of(self._trials[best]),
        )
        return Stand(int(now), (index + 1) / len(incumbent.steps), stood[0])

    def _levels(self, step: float) -> tuple[Array, NDArray[np.bool_]]:
        """Return the trials' levels at a step, and which of them came that far."""
        known = self._at.setdefault(step, [])
        known += [curve.level(step) for curve in self._curves[len(known) :]]
        values, reached = zip(*known, strict=True)
        is_complete = np.isfinite(self._finals)
        return np.array(values), np.array(reached) | is_complete


@dataclass(frozen=True)
class _Curve:
    """One trial's reports.

    Args:
        steps: Ascending.  # (s,)
        values: Lower is better.  # (s,)
    """

    steps: Array  # (s,)
    values: Array  # (s,)

    @classmethod
    def of(cls, curve: Mapping[int, float]) -> _Curve:
        steps = sorted(curve)
        return cls(np.array(steps, dtype=float), np.array([curve[step] for step in steps]))

    @property
    def first(self) -> float:
        return float(self.steps[0])

    @property
    def last(self) -> float:
        return float(self.steps[-1])

    def index(self, step: float) -> int:
        """Return the place of the latest report up to a step; -1 before the first one."""
        return int(np.searchsorted(self.steps, step, side="right")) - 1

    def level(self, step: float) -> tuple[float, bool]:
        """Return the level at a step, of the reports up to it, and whether the trial got there."""
        place = self.index(step)
        if place < 0:
            return math.nan, False
        window = self.values[first_of_window(place) : place + 1]
        return float(window.min()), step <= self.last


def _is_backward(curve: _Curve, incumbent: _Curve) -> bool:
    """Tell whether a trial reports from the last step to the first."""
    is_begun = len(curve.steps) < len(incumbent.steps)
    return is_begun and curve.last >= incumbent.last and curve.first > incumbent.first

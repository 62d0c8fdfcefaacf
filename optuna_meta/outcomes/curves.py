"""Trials of one study -> their learning curves on one grid of steps, and what each cost."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._typing import Array
from optuna_meta.outcomes.full_costs import cost_names
from optuna_meta.outcomes.full_costs import full_costs
from optuna_meta.outcomes.reported import reports_of
from optuna_meta.outcomes.reported import split


__all__ = ["Curves", "curves_of", "on_grid"]

_MOST_STEPS = 32  # Of a study: what a curve says between two of so many is little.


@dataclass(frozen=True)
class Curves:
    """What n trials reported on their way.

    Args:
        steps: The steps, ascending; none where no trial reports.  # (S,)
        values: The latest report at each step, lower is better, infinite where it diverged; NaN
            before a trial's first report and after its last.  # (n, S)
        complete: Which trials came to their end.  # (n,)
        seconds: How long each takes to its end; NaN where that is unknown.  # (n,)
        costs: The same of what they report as costs, by the names of these.
    """

    steps: Array = field(default_factory=lambda: np.zeros(0))  # (S,)
    values: Array = field(default_factory=lambda: np.zeros((0, 0)), repr=False)  # (n, S)
    complete: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))  # (n,)
    seconds: Array = field(default_factory=lambda: np.zeros(0))  # (n,)
    costs: Mapping[str, Array] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        n, shape = len(self.complete), (len(self.complete), len(self.steps))
        of_costs = {costs.shape for costs in (self.seconds, *self.costs.values())}
        if self.values.shape != shape or of_costs != {(n,)}:
            raise ValueError(
                f"Curves of {n} trials at {len(self.steps)} steps need values {shape} and "
                f"costs {(n,)}, got {self.values.shape} and {sorted(of_costs)}."
            )

    def __len__(self) -> int:
        return len(self.complete)

    def select(self, trials: NDArray[np.int64] | NDArray[np.bool_]) -> Curves:
        """Return the curves of some of the trials, by their indices or by a mask."""
        rest = self.values[trials], self.complete[trials], self.seconds[trials]
        costs = {name: costs[trials] for name, costs in self.costs.items()}
        return Curves(self.steps, *rest, costs)


def curves_of(
    trials: Sequence[FrozenTrial], signs: Sequence[float] = (1.0,)
) -> tuple[Curves, ...]:
    """Read the curves of a study's finished trials, in their order, one for each objective.

    Args:
        trials: The trials.
        signs: Of each objective, 1 where lower is better, -1 where higher is.
    """
    curves = [split(reports_of(trial, signs), len(signs)) for trial in trials]
    costs = {name: full_costs(trials, name) for name in cost_names(trials)}
    known = full_costs(trials), costs
    return tuple(_of_objective(trials, [c[k] for c in curves], *known) for k in range(len(signs)))


def _of_objective(
    trials: Sequence[FrozenTrial],
    curves: Sequence[Mapping[int, float]],
    seconds: Array,
    costs: Mapping[str, Array],
) -> Curves:
    steps = _thinned(np.unique([float(step) for curve in curves for step in curve]))
    values = np.array([on_grid(curve, steps) for curve in curves]).reshape(len(trials), len(steps))
    complete = np.array([trial.state == TrialState.COMPLETE for trial in trials], dtype=bool)
    return Curves(steps, values, complete, seconds, costs)


def on_grid(curve: Mapping[int, float], steps: Array) -> Array:
    """Return a curve's latest report at each of the steps; NaN outside of its own.  # (S,)

    Args:
        curve: Values by step.
        steps: The steps, ascending.  # (S,)
    """
    own = np.array(sorted(curve), dtype=float)
    if not len(own):
        return np.full(len(steps), np.nan)
    reports = np.array([curve[step] for step in sorted(curve)])
    last = np.searchsorted(own, steps, side="right") - 1
    # The step after a curve's last one is the next on the grid that it had not reached.
    return np.where((last >= 0) & (steps <= own[-1]), reports[np.maximum(last, 0)], np.nan)


def _thinned(steps: Array) -> Array:
    """Return an even spread of steps (S,), the last one included."""
    if len(steps) <= _MOST_STEPS:
        return steps
    return np.asarray(steps[np.linspace(0, len(steps) - 1, _MOST_STEPS).round().astype(int)])

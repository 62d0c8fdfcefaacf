"""What trials cost to their end, those too that were stopped before: seconds, or named numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._typing import Array
from optuna_meta.outcomes.reported import steps_of


__all__ = ["TIMES_KEY", "cost_names", "cost_of", "full_costs", "seconds_of"]

# User attribute of a trial: at which of its steps how many seconds had passed.
TIMES_KEY = "optuna_meta:times"
_OURS = "optuna_meta:"
_MOST_NAMES = 64  # Of a study's costs.


def seconds_of(trial: FrozenTrial) -> float:
    """Return how long a trial ran; NaN where that is unknown or cannot be.

    Of databases that keep whole seconds, the pace of the steps tells the fraction.
    """
    start, end = trial.datetime_start, trial.datetime_complete
    if start is None or end is None or end < start:
        return math.nan
    seconds, pace = (end - start).total_seconds(), _pace(trial)
    if start.microsecond or end.microsecond or math.isnan(pace):
        return seconds
    # Both ends were cut off or rounded, so that the difference is off by less than a second.
    way = _Way.of(trial)
    return float(np.clip(pace * (way.extent + way.gap), max(seconds - 1.0, 0.0), seconds + 1.0))


def cost_of(trial: FrozenTrial, name: str) -> float:
    """Return what a trial reports as its cost in a user attribute; NaN where it is none."""
    value = trial.user_attrs.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return math.nan
    return float(value) if 0.0 <= value < math.inf and value <= 1e300 else math.nan


def cost_names(trials: Sequence[FrozenTrial]) -> tuple[str, ...]:
    """Return the user attributes that may be costs, of those that most trials have."""
    counts = Counter(
        name
        for trial in trials
        for name in trial.user_attrs
        if not name.startswith(_OURS) and not math.isnan(cost_of(trial, name))
    )
    common = sorted(counts, key=lambda name: (-counts[name], name))[:_MOST_NAMES]
    return tuple(sorted(common))


def full_costs(trials: Sequence[FrozenTrial], name: str | None = None) -> Array:
    """Return what trials cost to their end; NaN where that is unknown.  # (n,)

    Of one that was stopped: as long as it ran, and the rest of the way at the pace of its steps
    where that was recorded, else in proportion. The way is that of complete trials.

    Args:
        trials: Trials of one study, that ended.
        name: User attribute that holds the cost; the seconds if ``None``.
    """
    costs = np.array([seconds_of(t) if name is None else cost_of(t, name) for t in trials])
    complete = np.array([t.state == TrialState.COMPLETE for t in trials], dtype=bool)
    found = np.where(complete, costs, np.nan)
    ways = [_Way.of(trial) for trial in trials]
    whole = [way for way, is_complete in zip(ways, complete, strict=True) if is_complete]
    if not any(way.n_steps for way in whole):
        return found
    extent = float(np.median([way.extent for way in whole if way.n_steps]))
    gap = float(np.median([way.gap for way in whole if way.n_steps]))
    for i, (trial, way) in enumerate(zip(trials, ways, strict=True)):
        if trial.state == TrialState.PRUNED and way.n_steps:
            rest, pace = max(extent - way.extent, 0.0), _pace(trial) if name is None else math.nan
            in_proportion = costs[i] * (extent + gap) / (extent + gap - rest)
            found[i] = in_proportion if math.isnan(pace) else costs[i] + pace * rest
    return found


@dataclass(frozen=True)
class _Way:
    """How far a trial's steps reach.

    Args:
        n_steps: How many it reported.
        extent: From the first to the last.
        gap: From one to the next, on average.
    """

    n_steps: int
    extent: float
    gap: float

    @classmethod
    def of(cls, trial: FrozenTrial) -> _Way:
        steps = steps_of(trial)
        extent = float(max(steps) - min(steps)) if steps else 0.0
        return cls(len(steps), extent, extent / (len(steps) - 1) if extent else 1.0)


def _pace(trial: FrozenTrial) -> float:
    """Return a trial's seconds a step; NaN where less than two times are recorded."""
    record = trial.user_attrs.get(TIMES_KEY)
    if not isinstance(record, Mapping):
        return math.nan
    steps, seconds = record.get("steps", ()), record.get("seconds", ())
    if len(steps) < 2 or len(steps) != len(seconds) or steps[0] == steps[-1]:
        return math.nan
    pace = (seconds[-1] - seconds[0]) / abs(steps[-1] - steps[0])
    return pace if 0.0 <= pace < math.inf else math.nan

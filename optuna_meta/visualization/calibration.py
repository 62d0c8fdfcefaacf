"""Predicted intervals against the values that trials came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from optuna import Study

from optuna_meta._typing import Array
from optuna_meta.sampler.record import read_record
from optuna_meta.sampler.record import TrialRecord
from optuna_meta.visualization.plotly_figure import COLORS
from optuna_meta.visualization.plotly_figure import figure_of
from optuna_meta.visualization.plotly_figure import graph_objects
from optuna_meta.visualization.plotly_figure import numbers
from optuna_meta.visualization.plotly_figure import placeholder
from optuna_meta.visualization.plotly_figure import thinned
from optuna_meta.visualization.target_values import Target
from optuna_meta.visualization.target_values import target_values


if TYPE_CHECKING:
    import plotly.graph_objects as go


__all__ = ["calibration", "Calibration", "plot_calibration"]

TITLE = "Predicted and observed values"
NOTHING = "No complete trial has a recorded prediction yet."


@dataclass(frozen=True)
class Calibration:
    """Predictions of trials, made before they ran, and what they came to.

    Args:
        numbers: The trials' numbers.  # (n,)
        observed: Their values.  # (n,)
        means: The values predicted.  # (n,)
        low: Lower ends of the intervals of probability 0.9.  # (n,)
        high: Upper ends.  # (n,)
    """

    numbers: NDArray[np.int64]  # (n,)
    observed: Array  # (n,)
    means: Array  # (n,)
    low: Array  # (n,)
    high: Array  # (n,)

    @property
    def is_inside(self) -> NDArray[np.bool_]:
        """Which values lie in their interval.  # (n,)"""
        return np.asarray((self.low <= self.observed) & (self.observed <= self.high))


def calibration(
    records: Sequence[TrialRecord | None], values: Array, objective: int
) -> Calibration:
    """Pair predictions with values; trials without a prediction are left out.

    Args:
        records: Of n trials.
        values: Of these trials.  # (n,)
        objective: Which one the values are of.
    """
    kept = [
        (r.number, value, *r.predicted[objective])
        for r, value in zip(records, values.tolist(), strict=True)
        if r is not None and len(r.predicted) > objective
    ]
    table = np.array(kept, dtype=float).reshape(len(kept), 5)
    table = table[np.isfinite(table).all(axis=1)]
    return Calibration(table[:, 0].astype(np.int64), *table[:, 1:].T)


def plot_calibration(
    study: Study, *, target: Target | None = None, target_name: str = "Objective Value"
) -> go.Figure:
    """Plot each trial's value against what was predicted of it before it ran.

    The title says how many of the values lie in their interval, of which nine of ten should.

    Args:
        study: A study of ``MetaSampler``'s.
        target: Which objective, as a function of a trial; to be given where there are several.
        target_name: Its name on the axes.

    Returns:
        A :class:`plotly.graph_objects.Figure` object.

    Raises:
        ValueError: The study has several objectives, and no target says which, or the target is
            none of them.
    """
    go = graph_objects()
    values = target_values(study, target)
    if values.objective is None and len(values.trials):
        raise ValueError("Only objectives are predicted: target must return one of trial.values.")
    records = [read_record(trial) for trial in values.trials]
    found = calibration(records, values.values, values.objective or 0)
    if not len(found.numbers):
        return placeholder(TITLE, NOTHING)
    traces = []
    groups = (("inside its interval", found.is_inside), ("outside", ~found.is_inside))
    for (name, of_group), color in zip(groups, (COLORS[0], COLORS[5]), strict=True):
        group = np.flatnonzero(of_group)
        group = group[thinned(len(group))] if len(group) else group
        up, down = found.high[group] - found.means[group], found.means[group] - found.low[group]
        bars = {"array": numbers(up), "arrayminus": numbers(down), "thickness": 1}
        x, y = numbers(found.observed[group]), numbers(found.means[group])
        text = [f"trial {number}" for number in found.numbers[group]]
        marker = {"color": color}
        traces.append(
            go.Scatter(x=x, y=y, error_y=bars, text=text, name=name, mode="markers", marker=marker)
        )
    ends = [float(found.observed.min()), float(found.observed.max())]
    line = {"color": "black", "dash": "dot"}
    traces.append(go.Scatter(x=ends, y=ends, mode="lines", name="as predicted", line=line))
    n, inside = len(found.numbers), int(found.is_inside.sum())
    title = f"{TITLE}: {inside} of {n} inside their 90% interval"
    x_axis, y_axis = f"{target_name}, observed", f"{target_name}, predicted"
    return figure_of(
        traces, title, xaxis={"title": {"text": x_axis}}, yaxis={"title": {"text": y_axis}}
    )

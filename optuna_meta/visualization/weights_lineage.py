"""Where trials' weights came from, and what they gained by it."""

from __future__ import annotations

from typing import Any
from typing import TYPE_CHECKING

import numpy as np
from optuna import Study

from optuna_meta.sampler.weights_gain import Lineage
from optuna_meta.sampler.weights_gain import lineage
from optuna_meta.sampler.weights_gain import SourceGain
from optuna_meta.sampler.weights_source import SCRATCH
from optuna_meta.visualization.plotly_figure import COLORS
from optuna_meta.visualization.plotly_figure import figure_of
from optuna_meta.visualization.plotly_figure import graph_objects
from optuna_meta.visualization.plotly_figure import numbers
from optuna_meta.visualization.plotly_figure import placeholder
from optuna_meta.visualization.plotly_figure import shown_name
from optuna_meta.visualization.plotly_figure import thinned
from optuna_meta.visualization.target_values import Target
from optuna_meta.visualization.target_values import target_values
from optuna_meta.visualization.target_values import TargetValues


if TYPE_CHECKING:
    import plotly.graph_objects as go


__all__ = ["plot_weights_lineage"]

TITLE = "Where the trials' weights came from"
NOTHING = "No trial has recorded where its weights came from (record_lineage)."
_MOST_SOURCES = 7


def plot_weights_lineage(
    study: Study, *, target: Target | None = None, target_name: str = "Objective Value"
) -> go.Figure:
    """Plot each trial's value by where its weights came from, and each source's gain.

    The gain is the difference of the medians from that of the trials from scratch, if there are
    any: an association, for the trials differ in their hyperparameters too.

    Args:
        study: A study whose trials called :func:`~optuna_meta.weights.record_lineage`.
        target: Which objective, as a function of a trial; to be given where there are several.
        target_name: Its name on the axis.

    Returns:
        A :class:`plotly.graph_objects.Figure` object.

    Raises:
        ValueError: The study has several objectives, and no target says which.
    """
    graph_objects()
    values = target_values(study, target)
    found = lineage(values.trials, values.values, values.sign)
    if all(gain.source == SCRATCH for gain in found.gains):
        return placeholder(TITLE, NOTHING)
    traces = [
        _dots(gain, found, values, COLORS[k % len(COLORS)])
        for k, gain in enumerate(found.gains[:_MOST_SOURCES])
    ]
    x_axis, y_axis = {"title": {"text": "Trial"}}, {"title": {"text": target_name}}
    return figure_of(traces, TITLE, xaxis=x_axis, yaxis=y_axis)


def _dots(gain: SourceGain, found: Lineage, values: TargetValues, color: str) -> Any:
    go = graph_objects()
    kept = gain.indices[thinned(len(gain.indices))]
    gained = (
        f", gained {gain.gain:.3g}" if np.isfinite(gain.gain) and gain.source != SCRATCH else ""
    )
    text = [shown_name(found.labels[i]) for i in kept]
    name = f"{shown_name(gain.source)} (median {gain.median:.4g}{gained})"
    x, y = values.numbers[kept].tolist(), numbers(values.values[kept])
    marker = {"size": 9, "color": "#999999" if gain.source == SCRATCH else color}
    return go.Scatter(x=x, y=y, text=text, name=name, mode="markers", marker=marker)

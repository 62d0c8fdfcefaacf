"""Which meta-features tell how far two studies disagree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from optuna import Study
from optuna.samplers import BaseSampler

from optuna_meta.sampler.sampler_of import sampler_of
from optuna_meta.visualization.plotly_figure import COLORS
from optuna_meta.visualization.plotly_figure import figure_of
from optuna_meta.visualization.plotly_figure import graph_objects
from optuna_meta.visualization.plotly_figure import numbers
from optuna_meta.visualization.plotly_figure import placeholder
from optuna_meta.visualization.plotly_figure import shown_name


if TYPE_CHECKING:
    import plotly.graph_objects as go


__all__ = ["mean_relevance", "plot_relevance"]

TITLE = "Meta-features that matter"
NOTHING = "No meta-feature foretells which prior studies agree: all weigh the same by them."
_MOST_FEATURES = 15


def mean_relevance(by_objective: list[Mapping[str, float]]) -> dict[str, float]:
    """Return each feature's mean share over the objectives, largest first."""
    names = dict.fromkeys(name for shares in by_objective for name in shares)
    means = {n: float(np.mean([s.get(n, 0.0) for s in by_objective])) for n in names}
    return dict(sorted(means.items(), key=lambda pair: -pair[1])[:_MOST_FEATURES])


def plot_relevance(study: Study, sampler: BaseSampler | None = None) -> go.Figure:
    """Plot which meta-features foretell how far studies disagree, as learned from the priors.

    Args:
        study: A study of ``MetaSampler``'s.
        sampler: The one with its prior studies; the study's own by default.

    Returns:
        A :class:`plotly.graph_objects.Figure` object.

    Raises:
        ValueError: There is no ``MetaSampler``.
    """
    go = graph_objects()
    model = sampler_of(study, sampler).model_of(study)
    known = [model.transfer(k).similarity for k in range(len(study.directions))]
    shares = mean_relevance([similarity.relevant() for similarity in known if similarity])
    if not shares:
        return placeholder(TITLE, NOTHING)
    names = [shown_name(name) for name in reversed(shares)]
    x = numbers(np.array([*shares.values()])[::-1])
    bars = go.Bar(x=x, y=names, orientation="h", marker={"color": COLORS[0]})
    axis = {"title": {"text": "Share of the foretold disagreement"}}
    return figure_of([bars], TITLE, xaxis=axis, yaxis={"automargin": True})

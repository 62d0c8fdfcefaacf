"""Prior studies on a map: near each other where they are alike, and the target among them."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.samplers import BaseSampler
from scipy.stats import rankdata

from optuna_meta._typing import Array
from optuna_meta.outcomes.transforms import rank_normal
from optuna_meta.sampler.sampler_of import sampler_of
from optuna_meta.sampler.study_model import StudyModel
from optuna_meta.sampler.weights_source import start_numbers
from optuna_meta.sampler.weights_source import start_of
from optuna_meta.suggest.comparison import compared
from optuna_meta.visualization.plotly_figure import COLORS
from optuna_meta.visualization.plotly_figure import figure_of
from optuna_meta.visualization.plotly_figure import graph_objects
from optuna_meta.visualization.plotly_figure import numbers
from optuna_meta.visualization.plotly_figure import placeholder
from optuna_meta.visualization.plotly_figure import shown_name
from optuna_meta.visualization.target_values import Target
from optuna_meta.visualization.target_values import target_values


if TYPE_CHECKING:
    import plotly.graph_objects as go


__all__ = ["distances_by_features", "distances_by_trials", "placed", "plot_study_map", "StudyMap"]

TITLE = "Prior studies by similarity"
NOTHING = "There is no prior study of this objective."
_MOST_STUDIES = 60
_MOST_ROWS = 300  # Configurations that tell studies apart.
_LEAST_FEATURES = 3  # Studies that have one: two tell no more than that they differ.


@dataclass(frozen=True)
class StudyMap:
    """Places of T prior studies and, last, of the target: near each other where alike.

    Args:
        names: The prior studies.
        weights: Their weights before any trial.  # (T,)
        agreement: Rank correlation of each with the target's trials; NaN before three.  # (T,)
        by_features: Places by what meta-features say, if there are any.  # (T + 1, 2)
        by_trials: Places by what trials say; without the target before three.  # (T + 1, 2)
    """

    names: tuple[str, ...]
    weights: Array  # (T,)
    agreement: Array  # (T,)
    by_features: Array | None  # (T + 1, 2)
    by_trials: Array  # (T + 1, 2)


def _correlations(A: Array) -> Array:
    """Return the columns' correlations (m, m) of A (n, m); none with one that is constant."""
    centred = A - A.mean(axis=0)
    norms = np.linalg.norm(centred, axis=0)
    scaled = np.divide(centred, norms, out=np.zeros_like(centred), where=norms > 1e-9)
    return np.asarray(scaled.T @ scaled)


def distances_by_trials(Z: Array, agreement: Array) -> Array:
    """Return how far T studies disagree, and the target with each.  # (T + 1, T + 1)

    Args:
        Z: What each study expects of configurations.  # (n, T)
        agreement: Its correlation with the target's trials; NaN where unknown.  # (T,)
    """
    R = np.eye(Z.shape[1] + 1)
    R[:-1, :-1] = _correlations(np.apply_along_axis(rankdata, 0, Z))
    np.fill_diagonal(R, 1.0)
    R[-1, :-1] = R[:-1, -1] = agreement
    # Half the mean squared difference of standardised values: 0 for equal ones, 2 for reversed.
    return np.sqrt(np.maximum(1.0 - R, 0.0))


def distances_by_features(features: Sequence[Mapping[str, float]]) -> Array | None:
    """Return root mean squared differences of meta-features (m, m), as normal scores of ranks.

    ``None`` where no feature tells studies apart.
    """
    columns = []
    for name in sorted({name for of_study in features for name in of_study}):
        values = np.array([of_study.get(name, np.nan) for of_study in features], dtype=float)
        known = np.isfinite(values)
        if known.sum() >= _LEAST_FEATURES and np.ptp(values[known]) > 0.0:
            scores = np.zeros(len(values))  # Unknown ones stand in the middle.
            scores[known] = rank_normal(values[known])
            columns.append(scores)
    if not columns:
        return None
    S = np.column_stack(columns)
    return np.asarray(np.sqrt(np.mean((S[:, None] - S) ** 2, axis=2)))


def placed(distances: Array) -> Array:
    """Place m points in the plane by their distances (m, m): classical scaling.  # (m, 2)"""
    m = len(distances)
    centring = np.eye(m) - 1.0 / m
    values, vectors = np.linalg.eigh(-0.5 * centring @ distances**2 @ centring)
    found = vectors[:, ::-1][:, :2] * np.sqrt(np.maximum(values[::-1][:2], 0.0))
    places = np.zeros((m, 2))
    places[:, : found.shape[1]] = found
    return places


def study_map(
    model: StudyModel, objective: int, rows: Array, losses: Array, starts: NDArray[np.int64]
) -> StudyMap:
    """Place the prior studies of an objective and the target.

    Args:
        model: What the sampler makes of the target.
        objective: Which one.
        rows: The target's trials.  # (n, D)
        losses: Their values.  # (n,)
        starts: What each one's model started from, as a number; 0 is scratch.  # (n,)
    """
    transfer, space = model.transfer(objective), model.request.space
    kept = np.sort(np.argsort(-transfer.weights, kind="stable")[:_MOST_STUDIES])
    fitted = transfer.fitted.select(kept)
    every = np.vstack([task.rows for task in fitted.prior.tasks])
    spread = np.unique(np.linspace(0, len(every) - 1, min(len(every), _MOST_ROWS)).astype(int))
    agreement = compared(fitted.predict(rows, space), losses, starts).correlations
    if np.isfinite(agreement).any():
        agreement = np.nan_to_num(agreement)  # Of one that expects the same everywhere.
    apart = distances_by_trials(fitted.predict(every[spread]), agreement)
    known = bool(np.isfinite(apart).all())
    by_trials = placed(apart if known else apart[:-1, :-1])
    if not known:
        by_trials = np.vstack([by_trials, np.full((1, 2), np.nan)])
    features = [task.meta_features for task in fitted.prior.tasks]
    by_features = distances_by_features([*features, model.suggester.features or {}])
    return StudyMap(
        tuple(fitted.task_names),
        transfer.weights[kept],
        agreement,
        None if by_features is None else placed(by_features),
        by_trials,
    )


def plot_study_map(
    study: Study, sampler: BaseSampler | None = None, *, target: Target | None = None
) -> go.Figure:
    """Plot the prior studies by similarity, and the study itself among them as a star.

    On the left near means alike by meta-features, on the right by what trials say: how they order
    configurations. Colours are the rank correlation with the study's own trials: blue for the same
    order, red for the reverse.

    Args:
        study: A study of ``MetaSampler``'s.
        sampler: The one with its prior studies; the study's own by default.
        target: Which objective, as a function of a trial; to be given where there are several.

    Returns:
        A :class:`plotly.graph_objects.Figure` object.

    Raises:
        ValueError: There is no ``MetaSampler``, or no target that says which objective.
    """
    graph_objects()
    values = target_values(study, target)
    model = sampler_of(study, sampler).model_of(study)
    objective = 0 if values.objective is None else values.objective
    if not len(model.transfer(objective).fitted):
        return placeholder(TITLE, NOTHING)
    rows = model.request.space.rows([trial.params for trial in values.trials])
    starts = start_numbers([start_of(trial) for trial in values.trials])
    found = study_map(model, objective, rows, values.losses, starts)
    panels = [("by trials", found.by_trials)]
    if found.by_features is not None:
        panels.insert(0, ("by meta-features", found.by_features))
    traces, layout = [], {}
    for k, (name, places) in enumerate(panels):
        width = 1.0 / len(panels)
        traces += _panel(found, places, str(k + 1) if k else "", is_last=k == len(panels) - 1)
        domain = [k * width + 0.04, (k + 1) * width - 0.04]
        suffix = str(k + 1) if k else ""
        plain = {"showticklabels": False, "zeroline": False}
        layout[f"xaxis{suffix}"] = {"title": {"text": name}, "domain": domain, **plain}
        layout[f"yaxis{suffix}"] = {"anchor": f"x{suffix}", **plain}
    return figure_of(traces, TITLE, showlegend=False, **layout)


def _panel(found: StudyMap, places: Array, suffix: str, is_last: bool) -> list[Any]:
    go = graph_objects()
    axes: dict[str, Any] = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}", "mode": "markers+text"}
    axes["cliponaxis"] = False  # Names of those at the edge.
    names = [shown_name(name) for name in found.names]
    known = np.nan_to_num(found.agreement)
    sizes = 10.0 + 22.0 * np.sqrt(found.weights / (found.weights.max() or 1.0))
    color = {
        "cmin": -1,
        "cmax": 1,
        "colorscale": [[0, COLORS[5]], [0.5, "#dddddd"], [1, COLORS[0]]],
    }
    bar = {"colorbar": {"title": {"text": "rank correlation<br>with own trials"}}}
    marker = {"size": numbers(sizes), "color": numbers(known), **color, **(bar if is_last else {})}
    told = [
        f"prior weight {w:.2f}" + (f", correlation {a:.2f}" if np.isfinite(a) else "")
        for w, a in zip(found.weights, found.agreement, strict=True)
    ]
    x, y = numbers(places[:-1, 0]), numbers(places[:-1, 1])
    priors = go.Scatter(
        x=x, y=y, text=names, hovertext=told, marker=marker, textposition="top center", **axes
    )
    star = {"symbol": "star", "size": 18, "color": "black"}
    x, y = numbers(places[-1:, 0]), numbers(places[-1:, 1])
    text = ["this study"]
    own = go.Scatter(x=x, y=y, text=text, marker=star, textposition="top center", **axes)
    return [priors, own]

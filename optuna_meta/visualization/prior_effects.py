"""What the prior studies expect of each parameter, behind the target's trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import TYPE_CHECKING

import numpy as np
from optuna import Study
from optuna.samplers import BaseSampler

from optuna_meta._typing import Array
from optuna_meta.outcomes.transforms import rank_normal
from optuna_meta.sampler.sampler_of import sampler_of
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.search_space import Space
from optuna_meta.surrogate.fitted import FittedPrior
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


__all__ = ["parameter_effect", "ParameterEffect", "plot_prior_effects"]

TITLE = "What the prior studies expect of each parameter (lower is better)"
NOTHING = "No parameter of this study is one of the prior studies'."
_MOST_STUDIES = 5
_MOST_PARAMS = 6
_N_STEPS = 21  # Of a curve ...
_N_OTHERS = 48  # ... which is the mean over so many values of the other parameters.


@dataclass(frozen=True)
class ParameterEffect:
    """What T prior studies expect of a parameter, whatever the others are.

    Args:
        name: The parameter.
        values: Values of it: numbers, or names of choices.
        expected: Mean expectation there, as normal quantiles of ranks, lower is better.  # (g, T)
        is_log: Whether it has a logarithmic scale.
    """

    name: str
    values: tuple[Any, ...]
    expected: Array  # (g, T)
    is_log: bool


def parameter_effect(
    fitted: FittedPrior, space: Space, column: int, others: Array
) -> ParameterEffect:
    """Average what prior studies expect of one parameter's values over the rest of rows.

    Args:
        fitted: The prior studies.
        space: The target's space.
        column: The parameter, by its index there.
        others: Configurations that the rest is taken from.  # (m, D)
    """
    dimension = space.dimensions[column]
    active = others[~np.isnan(others[:, column])]
    others = (active if len(active) else others)[:_N_OTHERS]
    cells = dimension.ladder if dimension.size <= _N_STEPS else np.linspace(0.0, 1.0, _N_STEPS)
    rows = np.repeat(others[None], len(cells), axis=0)  # (g, m, D)
    rows[:, :, column] = cells[:, None]
    Z = fitted.predict(rows.reshape(-1, others.shape[1]), space)
    expected = Z.reshape(len(cells), len(others), -1).mean(axis=1)
    values = tuple(_axis_value(dimension, cell) for cell in cells.tolist())
    return ParameterEffect(dimension.name, values, expected, dimension.log and not dimension.unit)


def plot_prior_effects(
    study: Study,
    sampler: BaseSampler | None = None,
    *,
    params: Sequence[str] | None = None,
    target: Target | None = None,
) -> go.Figure:
    """Plot what each prior study expects of each parameter, and the study's trials before it.

    A curve is a study's mean expectation over other parameters' values, as normal quantiles of
    ranks; so are the values of the study's own trials. Lower is better, whatever the direction.

    Args:
        study: A study of ``MetaSampler``'s.
        sampler: The one with its prior studies; the study's own by default.
        params: Parameters to show; by default those, six at most, that prior studies know.
        target: Which objective, as a function of a trial; to be given where there are several.

    Returns:
        A :class:`plotly.graph_objects.Figure` object.

    Raises:
        ValueError: There is no ``MetaSampler``, an unknown parameter, or no target that says which
            objective.
    """
    graph_objects()
    values = target_values(study, target)
    model = sampler_of(study, sampler).model_of(study)
    transfer, space = model.transfer(values.objective or 0), model.request.space
    names = _asked(params, space, transfer.fitted.space)
    if not names or not len(transfer.fitted):
        return placeholder(TITLE, NOTHING)
    strongest = np.sort(np.argsort(-transfer.weights, kind="stable")[:_MOST_STUDIES])
    fitted = transfer.fitted.select(strongest)
    tried = np.vstack([task.rows for task in fitted.prior.tasks])
    spread = np.linspace(0, len(tried) - 1, min(len(tried), 8 * _N_OTHERS)).astype(int)
    others = space.translate(tried[spread][np.argsort(spread % 7, kind="stable")], fitted.space)
    effects = [parameter_effect(fitted, space, space.index(name), others) for name in names]
    traces: list[Any] = []
    layout: dict[str, Any] = {}
    for k, effect in enumerate(effects):
        traces += _panel(effect, fitted.task_names, values, k)
        layout |= _axes(effect, k, len(effects))
    return figure_of(traces, TITLE, **layout)


def _asked(params: Sequence[str] | None, space: Space, known: Space) -> list[str]:
    """Return the parameters to show; those that are asked for must be the study's."""
    if params is None:
        return [name for name in space.names if name in known.names][:_MOST_PARAMS]
    if unknown := [name for name in params if name not in space.names]:
        raise ValueError(
            f"The study has no parameter {', '.join(map(repr, unknown))}: it has "
            f"{', '.join(space.names)}."
        )
    return list(params)


def _axis_value(dimension: Dimension, cell: float) -> Any:
    """Return a value as an axis shows it: numbers of a range as such, choices by their names."""
    value = dimension.value(cell)
    return float(f"{value:.4g}") if dimension.choices is None else shown_name(str(value))


def _panel(
    effect: ParameterEffect, studies: Sequence[str], values: TargetValues, k: int
) -> list[Any]:
    go = graph_objects()
    suffix = str(k + 1) if k else ""
    axes = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}", "showlegend": k == 0}
    x = list(effect.values)
    traces = []
    for t, name in enumerate(studies):
        y, line = numbers(effect.expected[:, t]), {"color": COLORS[t % len(COLORS)]}
        shown, group = shown_name(name), f"prior {t}"
        traces.append(go.Scatter(x=x, y=y, name=shown, legendgroup=group, line=line, **axes))
    has = [i for i, trial in enumerate(values.trials) if effect.name in trial.params]
    has = [has[i] for i in thinned(len(has))] if has else has
    own = [values.trials[i].params[effect.name] for i in has]
    x = [v if isinstance(effect.values[0], float) else shown_name(str(v)) for v in own]
    y, marker = numbers(rank_normal(values.losses)[has]), {"color": "black", "size": 7}
    text = [f"trial {values.trials[i].number}" for i in has]
    name = "own trials"
    own_trials = go.Scatter(
        x=x, y=y, text=text, name=name, legendgroup=name, mode="markers", marker=marker, **axes
    )
    return [*traces, own_trials]


def _axes(effect: ParameterEffect, k: int, n: int) -> dict[str, Any]:
    """Lay out the k-th of n panels, three in a row."""
    suffix, n_columns = str(k + 1) if k else "", min(n, 3)
    n_rows, (row, column) = (n + 2) // 3, divmod(k, 3)
    width, height = 1.0 / n_columns, 1.0 / n_rows
    is_number = isinstance(effect.values[0], float)
    kind = ("log" if effect.is_log else "linear") if is_number else "category"
    x_domain = [column * width, (column + 0.86) * width]
    y_domain = [1.0 - (row + 0.74) * height, 1.0 - row * height]
    title = {"text": shown_name(effect.name)}
    return {
        f"xaxis{suffix}": {
            "title": title,
            "type": kind,
            "domain": x_domain,
            "anchor": f"y{suffix}",
        },
        f"yaxis{suffix}": {"domain": y_domain, "anchor": f"x{suffix}"},
    }

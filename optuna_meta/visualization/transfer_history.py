"""A study's course against those of its prior studies and of a cold start."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import TYPE_CHECKING

import numpy as np
from optuna import Study
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from optuna_meta._typing import Array
from optuna_meta.replay.saving import ended_trials
from optuna_meta.replay.saving import estimate_saving
from optuna_meta.replay.saving import low_median_high
from optuna_meta.replay.saving import Saving
from optuna_meta.sampler.sampler_of import sampler_of
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


__all__ = [
    "ColdBand",
    "normalised_course",
    "plot_transfer_history",
    "transfer_history",
    "top_of",
    "TransferHistory",
]

TITLE = "This study and its prior studies"
NOTHING = "No complete trial with a finite value yet."
AXIS = "Best so far (0: a study's best, 1: its median value)"
_MOST_STUDIES = 8
_MOST_MEDIANS = 4.0


@dataclass(frozen=True)
class ColdBand:
    """The best value of cold starts after 1, 2, ... trials, normalised as the study's.

    Each reaches the study's best where the saving's text says; before a value it is infinite.

    Args:
        low: A tenth of them have come to it or less.  # (limit,)
        median: Half of them have.  # (limit,)
        high: Nine tenths have.  # (limit,)
        kind: What cold starts these are.
    """

    low: Array  # (limit,)
    median: Array  # (limit,)
    high: Array  # (limit,)
    kind: str = "(estimate)"


@dataclass(frozen=True)
class TransferHistory:
    """Normalised courses: 0 is a study's best value, 1 its median.

    Args:
        own: Best value of the study after each of its n ended trials, of those alone that started
            as the cold starts did; infinite before the first value.  # (n,)
        priors: The same of each prior study, by name.
        cold: Of cold starts, where they are estimated.
        where: Where the study's trials started, in words, if not all count.
    """

    own: Array  # (n,)
    priors: Mapping[str, Array]
    cold: ColdBand | None = None
    where: str = ""


def normalised_course(losses: Array, reference: Array | None = None) -> Array:
    """Return the best so far of losses (n,), so that the best is 0 and the median 1.

    Args:
        losses: Values in the order of the trials, lower is better.  # (n,)
        reference: Values that say what is best and median; the losses themselves by default.
    """
    known = losses if reference is None else reference
    best = float(known.min(initial=np.inf))
    unit = float(np.median(known)) - best if len(known) else 0.0
    course = np.fmin.accumulate(losses) - best
    return np.asarray(course / (unit or float(np.ptp(known)) or 1.0)) if len(losses) else course


def transfer_history(
    values: TargetValues,
    priors: Mapping[str, Array],
    saving: Saving | None = None,
    trials: Sequence[FrozenTrial] | None = None,
) -> TransferHistory:
    """Normalise a study's course, its prior studies' and that of cold starts.

    Args:
        values: The study's.
        priors: Losses of each prior study in the order of its trials.
        saving: What cold starts came to.
        trials: Those that the study's course counts, also without a value; by default those with.
    """
    losses = dict(zip(values.numbers.tolist(), values.losses.tolist(), strict=True))
    counted = values.trials if trials is None else trials
    own = np.array([losses.get(trial.number, np.inf) for trial in counted])
    cold, where = None, saving.where if saving is not None else ""
    if saving is not None and len(saving.courses):
        told = filter(np.isfinite, (saving.median, *saving.interval))
        lengths = [3 * len(own), *map(len, priors.values()), *map(int, told)]
        shown = values.sign * saving.courses[:, : max(lengths)]
        bands = low_median_high(np.nan_to_num(shown, nan=np.inf))
        low, median, high = (normalised_course(band, values.losses) for band in bands)
        kind = "(estimate)" if saving.is_estimate else "(real)"
        cold = ColdBand(low, median, high, f"{where} {kind}".strip())
    courses = {name: normalised_course(course) for name, course in priors.items()}
    return TransferHistory(normalised_course(own, values.losses), courses, cold, where)


def plot_transfer_history(
    study: Study,
    sampler: BaseSampler | None = None,
    *,
    saving: Saving | None = None,
    estimate: bool = True,
    target: Target | None = None,
) -> go.Figure:
    """Plot the study's best value so far against its prior studies' and a cold start's.

    Each study is normalised by its own values: 0 is its best one, 1 its median. The cold start is
    an estimate, by :func:`~optuna_meta.replay.estimate_saving`, whose median is the trial at which
    its line reaches 0; where trials started from trained weights, it is one of the sampler alone,
    and the study's line, too, counts only trials from the same weights as the best one.

    Args:
        study: A study of ``MetaSampler``'s.
        sampler: The one with its prior studies; the study's own by default.
        saving: What cold starts came to, where it is known already.
        estimate: Whether to estimate it, which takes seconds.
        target: Which objective, as a function of a trial; to be given where there are several. Of
            another function of the trials, prior studies and cold starts are unknown.

    Returns:
        A :class:`plotly.graph_objects.Figure` object.

    Raises:
        ValueError: There is no ``MetaSampler``, or no target among several objectives.
    """
    graph_objects()
    values = target_values(study, target)
    if not len(values.values):
        return placeholder(TITLE, NOTHING)
    history = history_of(study, sampler, values, saving, estimate)
    layout: dict[str, Any] = {"xaxis": {"title": {"text": "Trial"}}}
    layout["yaxis"] = {"title": {"text": AXIS}}
    layout["yaxis"]["range"] = [-0.05, top_of(history)]
    return figure_of(_traces(history), TITLE, **layout)


def top_of(history: TransferHistory) -> float:
    """Return the top of the axis: what is far worse than a median would flatten all else."""
    courses = (history.own, *history.priors.values())
    finite = (course[np.isfinite(course)] for course in courses)
    highest = max((float(course.max(initial=0.0)) for course in finite), default=0.0)
    return 1.1 * min(max(1.5, highest), _MOST_MEDIANS)


def history_of(
    study: Study,
    sampler: BaseSampler | None,
    values: TargetValues,
    saving: Saving | None,
    estimate: bool,
) -> TransferHistory:
    """Read the prior studies of an objective, and estimate cold starts if so asked."""
    if values.objective is None:
        return transfer_history(values, {}, trials=ended_trials(study))
    if saving is None and estimate:
        saving = estimate_saving(study, sampler)
    transfer = sampler_of(study, sampler).model_of(study).transfer(values.objective)
    order = np.argsort(-transfer.weights, kind="stable")[:_MOST_STUDIES]
    tasks = [transfer.fitted.prior.tasks[t] for t in order]
    trials = ended_trials(study, saving.start if saving is not None else "")
    return transfer_history(values, {task.name: task.values for task in tasks}, saving, trials)


def _traces(history: TransferHistory) -> list[Any]:
    go = graph_objects()
    traces = []
    for name, course in history.priors.items():
        kept = thinned(len(course))
        line = {"width": 1, "shape": "hv"}
        x, y = (kept + 1).tolist(), numbers(course[kept])
        traces.append(go.Scatter(x=x, y=y, name=shown_name(name), line=line, opacity=0.7))
    if history.cold is not None:
        traces += _band(history.cold)
    kept = thinned(len(history.own), _reached(history.own))
    x, y = (kept + 1).tolist(), numbers(history.own[kept])
    line = {"color": "black", "width": 4, "shape": "hv"}
    return [*traces, go.Scatter(x=x, y=y, name=f"this study{history.where}", line=line)]


def _reached(course: Array) -> list[int]:
    """Return where a course comes to the study's best, if it does."""
    return [int(i) for i in np.flatnonzero(course == 0.0)[:1]]


def _band(cold: ColdBand) -> list[Any]:
    go = graph_objects()
    reached = _reached(cold.low) + _reached(cold.median) + _reached(cold.high)
    kept = thinned(len(cold.median), reached)
    x, color = (kept + 1).tolist(), "#D55E00"
    edge: dict[str, Any] = {"x": x, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    high = go.Scatter(y=numbers(cold.high[kept]), showlegend=False, **edge)
    filled = {"fill": "tonexty", "fillcolor": "rgba(213, 94, 0, 0.15)"}
    name = f"80% of cold starts {cold.kind}"
    low = go.Scatter(y=numbers(cold.low[kept]), name=name, **filled, **edge)
    line, y = {"color": color, "dash": "dash"}, numbers(cold.median[kept])
    return [high, low, go.Scatter(x=x, y=y, name=f"cold start {cold.kind}", line=line)]

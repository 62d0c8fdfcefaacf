"""A study's course against its prior studies' and a cold start's in Matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from optuna import Study
from optuna.samplers import BaseSampler

from optuna_meta.replay.saving import Saving
from optuna_meta.visualization.matplotlib.axes import new_axes
from optuna_meta.visualization.matplotlib.axes import plain
from optuna_meta.visualization.target_values import Target
from optuna_meta.visualization.target_values import target_values
from optuna_meta.visualization.transfer_history import AXIS
from optuna_meta.visualization.transfer_history import history_of
from optuna_meta.visualization.transfer_history import NOTHING
from optuna_meta.visualization.transfer_history import TITLE
from optuna_meta.visualization.transfer_history import top_of


if TYPE_CHECKING:
    from matplotlib.axes import Axes


__all__ = ["plot_transfer_history"]


def plot_transfer_history(
    study: Study,
    sampler: BaseSampler | None = None,
    *,
    saving: Saving | None = None,
    estimate: bool = True,
    target: Target | None = None,
) -> Axes:
    """Plot the study's best value so far against its prior studies' and a cold start's.

    Args:
        study: A study of ``MetaSampler``'s.
        sampler: The one with its prior studies; the study's own by default.
        saving: What cold starts came to, where it is known already.
        estimate: Whether to estimate it, which takes seconds.
        target: Which objective, as a function of a trial; to be given where there are several.

    Returns:
        A :class:`matplotlib.axes.Axes` object; see
        :func:`optuna_meta.visualization.plot_transfer_history`.

    Raises:
        ValueError: There is no ``MetaSampler``, or no target among several objectives.
    """
    values = target_values(study, target)
    axes: Axes = new_axes(TITLE, "Trial", AXIS)
    if not len(values.values):
        axes.text(0.5, 0.5, NOTHING, ha="center", transform=axes.transAxes)
        return axes
    history = history_of(study, sampler, values, saving, estimate)
    for name, course in history.priors.items():
        axes.step(1 + np.arange(len(course)), course, where="post", lw=1, label=plain(name))
    if (cold := history.cold) is not None:
        x = 1 + np.arange(len(cold.median))
        axes.plot(x, cold.median, "--", color="#D55E00", label=f"cold start {cold.kind}")
        axes.fill_between(x, cold.low, cold.high, color="#D55E00", alpha=0.15)
    x = 1 + np.arange(len(history.own))
    label = f"this study{history.where}"
    axes.step(x, history.own, where="post", color="black", lw=3, label=label)
    axes.set_ylim(-0.05, top_of(history))
    axes.legend(fontsize=8)
    return axes

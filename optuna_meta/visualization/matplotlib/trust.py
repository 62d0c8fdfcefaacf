"""Trust in the prior studies in Matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from optuna import Study

from optuna_meta.visualization.matplotlib.axes import new_axes
from optuna_meta.visualization.matplotlib.axes import plain
from optuna_meta.visualization.trust import AGREEMENT
from optuna_meta.visualization.trust import NOTHING
from optuna_meta.visualization.trust import records_of
from optuna_meta.visualization.trust import TITLE
from optuna_meta.visualization.trust import trust_course


if TYPE_CHECKING:
    from matplotlib.axes import Axes


__all__ = ["plot_trust"]


def plot_trust(study: Study) -> Axes:
    """Plot the trust in the prior studies, and the share of each, over the trials.

    Args:
        study: A study of ``MetaSampler``'s.

    Returns:
        A :class:`matplotlib.axes.Axes` object; see
        :func:`optuna_meta.visualization.plot_trust`.
    """
    course = trust_course(records_of(study))
    axes: Axes = new_axes(TITLE, "Trial", "Trust, and shares")
    if not len(course.numbers):
        axes.text(0.5, 0.5, NOTHING, ha="center", transform=axes.transAxes)
        return axes
    axes.plot(course.numbers, course.trust, color="black", linewidth=2.5, label="trust")
    for k, name in enumerate(course.names):
        axes.plot(course.numbers, course.shares[:, k], label=plain(name))
    if np.isfinite(course.agreement).any():
        axes.plot(course.numbers, course.agreement, color="black", ls=":", label=AGREEMENT)
    if course.probes.any():
        x, y = course.numbers[course.probes], course.trust[course.probes]
        axes.scatter(x, y, marker="D", facecolors="none", edgecolors="black", label="test")
    for number, name in course.drops:
        axes.axvline(number, linestyle=":", color="grey")
        text = f"{plain(name)} dropped"
        axes.text(number, 0.98, text, rotation=90, ha="right", va="top", fontsize=7)
    axes.legend(fontsize=8)
    return axes

"""The figure of a file of results: regret against trials, a panel a family."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.summary import estimate
from benchmarks.summary import regret_by_task


__all__ = ["COLOURS", "draw"]

# Okabe and Ito's palette, distinct to colour-blind readers; the first is kept for our method.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#7F7F7F", "#E69F00", "#000000")
_DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)), "-")
_COLUMNS = 4  # of panels
_TITLE = """How far the best trial so far is from the best possible one: lower is better
regret 0: the task's best configuration, regret 1: its median one (log scale); \
bands: ± 1 standard error over tasks"""
_FLOOR = 1e-4  # a mean regret of nought has no place on a logarithmic axis


def draw(rows: pd.DataFrame, methods: Sequence[str], path: Path) -> None:
    """Write the figure.

    Args:
        rows:
            Rows of one regime.
        methods:
            The methods; the first one is made to stand out.
        path:
            The PNG file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    by_task = regret_by_task(rows)
    families = list(dict.fromkeys(rows["family"]))
    panels = ["all tasks", *families] if len(families) > 1 else families
    n_columns = min(len(panels), _COLUMNS)
    n_rows = -(-len(panels) // n_columns)
    size = (max(3.3 * n_columns, 7.5), 3.1 * n_rows + 1.0)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    for axis, panel in zip(axes, panels, strict=False):
        part = by_task if panel == "all tasks" else by_task.xs(panel, drop_level=False)
        _panel(axis, part, methods)
        n_tasks = part.groupby(["family", "task"]).ngroups
        axis.set_title(f"{panel} ({n_tasks} task{'s' * (n_tasks > 1)})", fontsize=10)
    for axis in axes[::n_columns]:
        axis.set_ylabel("mean regret of the best so far")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=6, frameon=False)
    figure.suptitle(_TITLE, fontsize=10)
    figure.savefig(path, dpi=150)


def _panel(axis: Any, by_task: pd.DataFrame, methods: Sequence[str]) -> None:
    for i, method in reversed(list(enumerate(methods))):  # the first one is drawn on top
        values = by_task.xs(method, level="method")
        means = [estimate(values[trial]) for trial in values.columns]
        middle = [max(m.mean, _FLOOR) for m in means]
        low = [max(m.mean - m.error, _FLOOR) for m in means]
        high = [max(m.mean + m.error, _FLOOR) for m in means]
        colour, dash = COLOURS[i % len(COLOURS)], _DASHES[i % len(_DASHES)]
        width = 2.6 if i == 0 else 1.5
        axis.plot(values.columns, middle, ls=dash, color=colour, lw=width, label=method)
        axis.fill_between(values.columns, low, high, color=colour, alpha=0.12, lw=0)
    axis.set_yscale("log")
    axis.set_xlabel("trials of the new study")
    last = int(by_task.columns.max())
    axis.set_xlim(1, last)
    axis.set_xticks([1, *range(5, last + 1, 5)])
    axis.grid(which="major", alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)

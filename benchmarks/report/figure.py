"""Figures of a file of results: regret against trials or costs, a panel a family."""

from collections.abc import Sequence
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.report import summary


# Okabe and Ito's palette, distinct to colour-blind readers; the first is kept for our method.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#7F7F7F", "#E69F00", "#000000")
_DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)), "-")
_COLUMNS = 4  # of panels
_DPI, _N_COLOURS = 90, 256  # of a file of less than 100 kB
_TITLE = """How far the best so far is from the best possible: lower is better
0: the best there is, 1: middling (log scale); bands: ± 1 standard error over tasks"""
_FLOOR = 1e-4  # a mean regret of nought has no place on a logarithmic axis
_N_COSTS = 60


def draw(rows: pd.DataFrame, methods: Sequence[str], path: Path) -> None:
    """Write regret against trials; the first method stands out, and the best in rank are shown."""
    _draw(summary.regret_by_task(rows), rows, methods, "trials of the new study", path)


def draw_by_cost(rows: pd.DataFrame, methods: Sequence[str], path: Path) -> None:
    total = rows.groupby([*summary.RUN, "method"])["cost"].sum().max()
    budgets = np.unique(np.linspace(0, total, _N_COSTS + 1)[1:].round()).tolist()
    _draw(summary.regret_by_cost(rows, budgets), rows, methods, "epochs", path)


def _draw(
    by_task: pd.DataFrame, rows: pd.DataFrame, methods: Sequence[str], x: str, path: Path
) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    shown = _shown(rows, methods)
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
    everywhere = set(summary.common(rows)["method"])
    for axis, panel in zip(axes, panels, strict=False):
        part = by_task if panel == "all tasks" else by_task.xs(panel, drop_level=False)
        _panel(axis, part, shown, everywhere if panel == "all tasks" else set(shown))
        n_tasks = part.groupby(["family", "task"]).ngroups
        axis.set_title(f"{panel} ({n_tasks} task{'s' * (n_tasks > 1)})", fontsize=10)
        axis.set_xlabel(x)
    for axis in axes[::n_columns]:
        axis.set_ylabel("mean regret of the best so far")
    # In the legend once each, whatever panels a method is in.
    labelled = [axis.get_legend_handles_labels() for axis in axes]
    handles = {n: h for pair in labelled for h, n in zip(*pair, strict=True)}
    names = [name for name in shown if name in handles]
    lines = [handles[name] for name in names]
    figure.legend(lines, names, loc="outside lower center", ncols=6, frameon=False)
    figure.suptitle(_TITLE, fontsize=10)
    figure.savefig(buffer := io.BytesIO(), dpi=_DPI)
    Image.open(buffer).convert("RGB").quantize(_N_COLOURS).save(path, optimize=True)


def _shown(rows: pd.DataFrame, methods: Sequence[str]) -> list[str]:
    if len(methods) <= len(COLOURS):
        return list(methods)
    ranks = summary.rank_by_task(rows).mean(axis=1).groupby("method").mean()
    best = ranks.drop(methods[0]).nsmallest(len(COLOURS) - 1).index
    return [name for name in methods if name == methods[0] or name in best]


def _panel(axis: Any, by_task: pd.DataFrame, shown: Sequence[str], allowed: set[str]) -> None:
    by_method = by_task.dropna(axis="columns").groupby("method")
    means, errors = by_method.mean(), by_method.sem()
    for i, method in reversed(list(enumerate(shown))):  # the first one is drawn on top
        if method not in means.index or method not in allowed:
            continue
        mean, error = means.loc[method], errors.loc[method]
        colour, dash = COLOURS[i % len(COLOURS)], _DASHES[i % len(_DASHES)]
        width = 2.6 if i == 0 else 1.5
        axis.plot(mean.clip(lower=_FLOOR), ls=dash, color=colour, lw=width, label=method)
        low, high = (mean - error).clip(lower=_FLOOR), (mean + error).clip(lower=_FLOOR)
        axis.fill_between(mean.index, low, high, color=colour, alpha=0.12, lw=0)
    axis.set_yscale("log")
    axis.set_xlim(means.columns.min(), means.columns.max())
    axis.grid(which="major", alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)

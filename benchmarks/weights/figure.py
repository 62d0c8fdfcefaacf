"""The figure of :mod:`benchmarks.weights.run`: test scores against steps, a panel a setting."""

from __future__ import annotations

from collections.abc import Sequence
import io
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report.figure import COLOURS
from benchmarks.weights.domains import DOMAINS
from benchmarks.weights.report import Line
from benchmarks.weights.report import lines_of
from benchmarks.weights.report import Reliability
from benchmarks.weights.report import Setting
from benchmarks.weights.report import settings


__all__ = ["draw"]

# Few enough to tell apart; the tables have all.
_SHOWN = ("default", "scratch", "random prior", "LogME", "joint", "ensemble")
_COLUMNS = 4
_DPI = 80
_N_COLOURS = 128
_ROOM = 0.15  # Of scratch's range, above and below what is drawn of overfitting.


def draw(lines: Sequence[Line], path: Path) -> None:
    """Write a PNG of the settings with clean sources; bands are ± 1 standard error over seeds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    clean = [setting for setting in settings(lines) if setting.sources == "clean"]
    n_rows = -(-len(clean) // _COLUMNS)
    figure = Figure(figsize=(3.2 * _COLUMNS, 2.8 * n_rows + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(n_rows, _COLUMNS, squeeze=False).ravel()
    for axis in axes[len(clean) :]:
        axis.set_visible(False)
    handles: dict[str, Any] = {}
    for axis, setting in zip(axes, clean, strict=False):
        handles |= _panel(axis, setting, lines_of(lines, setting))
    names = [name for name in _SHOWN if name in handles]
    figure.legend(
        [handles[n] for n in names], names, loc="outside lower center", ncols=6, frameon=False
    )
    _save(figure, path)


def _panel(axis: Any, setting: Setting, standings: Sequence[Reliability]) -> dict[str, Any]:
    handles = {}
    shown = [one for one in standings if one.method in _SHOWN]
    for one in shown:
        place = _SHOWN.index(one.method)
        steps = np.array(one.lines[0].checks)
        mean = one.curves.mean(0)
        error = one.curves.std(0) / max(len(one.curves) - 1, 1) ** 0.5
        width = 2.4 if place == 0 else 1.4
        (handles[one.method],) = axis.plot(steps, mean, color=COLOURS[place], lw=width)
        axis.fill_between(steps, mean - error, mean + error, color=COLOURS[place], alpha=0.12)
    axis.set_xscale("symlog", linthresh=2)
    kind = DOMAINS[setting.domain].kind
    if not kind.higher:  # Overfitting goes far beyond what is of interest.
        start, best = shown[0].curves[:, 0].mean(), min(s.curves.mean(0).min() for s in shown)
        room = _ROOM * (start - best)
        if room > 0.0:
            axis.set_ylim(best - room, start + room)
    axis.set_title(f"{setting.domain}, {setting.size} {DOMAINS[setting.domain].unit}", fontsize=8)
    axis.set_xlabel("steps", fontsize=8)
    axis.set_ylabel(kind.measure, fontsize=8)
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    return handles


def _save(figure: Any, path: Path) -> None:
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=_DPI)
    buffer.seek(0)
    Image.open(buffer).convert("RGB").quantize(_N_COLOURS).save(path, optimize=True)

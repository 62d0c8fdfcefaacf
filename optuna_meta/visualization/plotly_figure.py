"""What all Plotly figures share: the import, an empty figure that says why, plain names."""

from __future__ import annotations

from collections.abc import Sequence
import html
import importlib
from importlib.util import find_spec
from typing import Any
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array


if TYPE_CHECKING:
    import plotly.graph_objects as go


__all__ = [
    "COLORS",
    "figure_of",
    "graph_objects",
    "is_available",
    "numbers",
    "placeholder",
    "shown_name",
    "thinned",
]

# Told apart by those who see few colours, after Wong, "Color blindness", 2011.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#F0E442")
_LONGEST = 40  # Letters of a name in a legend.
_MOST_POINTS = 150  # Of a line: figures lie in the study, where all who read it load them.


def is_available() -> bool:
    """Return whether figures can be drawn: whether Plotly is installed."""
    return find_spec("plotly") is not None


def graph_objects() -> Any:
    """Return Plotly's module of graph objects, which takes time to import.

    Raises:
        ImportError: Plotly is not installed.
    """
    if not is_available():
        raise ImportError(
            "optuna_meta.visualization needs Plotly, which is not installed: "
            "pip install 'optuna-meta[plots]'."
        )
    return importlib.import_module("plotly.graph_objects")


def figure_of(traces: Sequence[Any], title: str, **layout: Any) -> Any:
    """Return a figure of these traces."""
    go = graph_objects()
    # Plotly's own template is as large as the figure: a storage holds it with each.
    below = {"orientation": "h", "y": -0.2, "yanchor": "top"}
    margin = {"l": 60, "r": 20, "t": 60, "b": 60}
    light = {"layout": {"colorway": list(COLORS), "plot_bgcolor": "#f4f6f8"}}
    layout = {"legend": below, "margin": margin, **layout}
    figure: Any = go.Figure(traces, {"title": {"text": title}, "template": light, **layout})
    return figure


def placeholder(title: str, reason: str) -> go.Figure:
    """Return a figure that says why there is nothing to show."""
    note = {"text": reason, "x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper"}
    hidden = {"visible": False}
    annotations = [{**note, "showarrow": False, "font": {"size": 16}}]
    return figure_of([], title, annotations=annotations, xaxis=hidden, yaxis=hidden)


def shown_name(name: str) -> str:
    """Return a user's name for Plotly, which reads tags and formulas in texts."""
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    plain = "".join(letter if letter.isprintable() else " " for letter in short)
    return html.escape(plain.replace("$", "＄"), quote=False)


def numbers(values: Array) -> list[float | None]:
    """Return numbers as JSON has them: in four digits, with a gap where there is none."""
    return [float(f"{v:.4g}") if np.isfinite(v) else None for v in np.asarray(values, dtype=float)]


def thinned(n: int, always: Sequence[int] = ()) -> NDArray[np.int64]:
    """Return an even spread over n points of a line, with some that must not be missing."""
    spread = np.linspace(0, n - 1, min(n, _MOST_POINTS)).round().astype(np.int64)
    kept = [i for i in always if 0 <= i < n][:_MOST_POINTS]
    return np.unique(np.concatenate([spread, np.array(kept, dtype=np.int64)]))

"""What all Matplotlib figures share: the import, and axes of a figure of their own."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any


__all__ = ["is_available", "new_axes", "plain"]


def is_available() -> bool:
    """Return whether figures can be drawn: whether Matplotlib is installed."""
    return find_spec("matplotlib") is not None


def new_axes(title: str, x_label: str, y_label: str) -> Any:
    """Return axes of a new figure, which a notebook shows.

    Raises:
        ImportError: Matplotlib is not installed.
    """
    if not is_available():
        raise ImportError(
            "optuna_meta.visualization.matplotlib needs Matplotlib, which is not installed: "
            "pip install 'optuna-meta[plots]'."
        )
    pyplot = importlib.import_module("matplotlib.pyplot")
    _, axes = pyplot.subplots()
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    return axes


def plain(name: str) -> str:
    """Return a user's name for Matplotlib, which reads formulas, and hides what begins with _."""
    return f"\u200b{name}".replace("$", r"\$")

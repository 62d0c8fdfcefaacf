"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence

import pandas as pd

from benchmarks.methods.methods import METHODS
from benchmarks.report.summary import compare
from benchmarks.report.summary import estimate
from benchmarks.report.summary import whole


OURS = "meta"
_ORDER = list(dict.fromkeys([OURS, *METHODS]))


def table(head: Sequence[object], lines: Iterable[Sequence[object]]) -> str:
    """Return a table."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def ordered(names: Iterable[str]) -> list[str]:
    """Return ours first, then the methods known, then any others."""
    present = list(dict.fromkeys(names))
    return [
        *(name for name in _ORDER if name in present),
        *(n for n in present if n not in _ORDER),
    ]


def means(by_task: pd.DataFrame, columns: Sequence[int], head: str = "trial") -> str:
    """Return means over tasks with standard errors, a line a method."""
    kept = whole(by_task, columns)
    cells = by_task[kept].groupby("method").agg(lambda values: str(estimate(values)))
    cells = cells.loc[ordered(cells.index)]
    return table([head, *kept], cells.reset_index().to_numpy())


def duels(by_task: pd.DataFrame, others: Iterable[str], columns: Sequence[int]) -> str:
    """Return wins, ties and losses of ours over the tasks of both, a line each of the others."""
    kept = whole(by_task, columns)
    lines = [
        [name, *(compare(by_task, OURS, column, name).score for column in kept)]
        for name in others
        if name != OURS
    ]
    return table(["against, at trial", *kept], lines)


def padded(cells: Sequence[object], length: int) -> list[object]:
    """Return a line's cells, empty where there are no more."""
    return [*cells, *[""] * (length - len(cells))]

"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
import math

import pandas as pd

from benchmarks.methods.methods import METHODS
from benchmarks.report.summary import compare
from benchmarks.report.summary import Comparison
from benchmarks.report.summary import Estimate
from benchmarks.report.summary import estimate


__all__ = ["OURS", "duels", "means", "methods_of", "score", "signed", "table"]

OURS = "meta"


def table(head: Sequence[object], lines: Iterable[Sequence[object]]) -> str:
    """A table."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def methods_of(rows: pd.DataFrame) -> list[str]:
    """Ours first, then those known, then any others."""
    present = list(dict.fromkeys(rows["method"]))
    known = [name for name in (OURS, *METHODS) if name in present]
    return list(dict.fromkeys([*known, *present]))


def means(by_task: pd.DataFrame, columns: Iterable[int], head: str = "trial") -> str:
    """Means over tasks with standard errors, a line a method."""
    kept = [c for c in columns if c in by_task.columns and by_task[c].notna().all()]
    names = list(dict.fromkeys(by_task.index.get_level_values("method")))
    ordered = sorted(names, key=lambda name: (name != OURS, _order(name)))
    lines = [
        [name, *(estimate(by_task.xs(name, level="method")[column]) for column in kept)]
        for name in ordered
    ]
    return table([head, *kept], lines)


def duels(by_task: pd.DataFrame, others: Iterable[str], columns: Iterable[int]) -> str:
    """Wins, ties and losses of ours over the tasks of both, a line each of the others."""
    kept = [c for c in columns if c in by_task.columns and by_task[c].notna().all()]
    lines = [
        [name, *(score(compare(by_task, OURS, column, name)) for column in kept)]
        for name in others
        if name != OURS
    ]
    return table(["against, at trial", *kept], lines)


def signed(value: Estimate) -> str:
    """A difference with its standard error."""
    mean = f"{value.mean:+.4f}"
    return mean if math.isnan(value.error) else f"{mean} ± {value.error:.4f}"


def score(duel: Comparison) -> str:
    """Wins, ties and losses."""
    return f"{duel.wins} / {duel.ties} / {duel.losses}"


def _order(name: str) -> int:
    known = list(METHODS)
    return known.index(name) if name in known else len(known)

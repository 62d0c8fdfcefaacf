"""Which parameter exists under which value of which other one, learned from trials.

Optuna's spaces are defined by running the objective: nothing declares that ``momentum`` exists
only where ``optimizer`` is ``sgd``. Trials show it: a parameter that some trials of a study lack
is conditional, and its parent is the parameter whose value always decides. Few trials show that
of any parameter: it must be unlikely that parameters missing at random would look like it, or
proven that the parameter is conditional, as by a trial that could have asked for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.space.dimension import UNSEEN
from optuna_meta.space.search_space import Space
from optuna_meta.space.search_space import translate_cells


__all__ = [
    "Condition",
    "apply_conditions",
    "learn_conditions",
    "obeyed",
    "parents_first",
    "translated",
]

_MOST_PARENT_VALUES = 20  # Of more, too few trials have each to show a condition.
_BY_CHANCE = 0.05  # The usual level: a wrong condition hides a parameter.


@dataclass(frozen=True)
class Condition:
    """A dimension that is active where its parent has one of some cells.

    Args:
        child: Index of the conditional dimension.
        parent: Index of the dimension that decides.
        cells: Cells of the parent that were seen, in order.
        active: Whether the child was active there.
        ordered: Whether cells between and beyond those seen follow the nearest one; a choice
            that was not seen has no near one, and the child is inactive there.
    """

    child: int
    parent: int
    cells: tuple[float, ...]
    active: tuple[bool, ...]
    ordered: bool = True

    def holds(self, parent_cells: Array) -> NDArray[np.bool_]:
        """Tell whether the child is active; never under an inactive parent.  # (n,)"""
        distances = np.abs(parent_cells[:, None] - np.array(self.cells))
        known = ~np.isnan(parent_cells) & (self.ordered | (distances == 0.0).any(axis=1))
        return np.asarray(known & np.array(self.active)[distances.argmin(axis=1)])


def learn_conditions(
    studies: Sequence[Array], space: Space, proven: NDArray[np.bool_] | None = None
) -> tuple[Condition, ...]:
    """Learn the conditions that all trials of all studies obey, parents before children.

    Args:
        studies: Rows (n, D) of each study; what a study never tuned says nothing.
        space: Their space.
        proven: Dimensions that are conditional for certain.  # (D,)
    """
    known = [rows for rows in studies if len(rows)]
    if not known:
        return ()
    rows = np.vstack(known)
    # Which dimensions the study of a row has tuned.  # (n, D)
    tuned = np.repeat([~np.isnan(r).all(axis=0) for r in known], [len(r) for r in known], axis=0)
    found = []
    for child in range(len(space.dimensions)):
        if np.isnan(rows[tuned[:, child], child]).any():
            is_proven = proven is not None and bool(proven[child])
            found.append(_condition_of(child, rows, tuned, space, is_proven))
    return parents_first([condition for condition in found if condition is not None])


def translated(
    conditions: Sequence[Condition], source: Space, target: Space
) -> tuple[Condition, ...]:
    """Translate the conditions into another space, without those whose parameters it lacks."""
    found = []
    for condition in conditions:
        child, parent = source.names[condition.child], source.names[condition.parent]
        if child not in target.names or parent not in target.names:
            continue
        i, j = target.index(child), target.index(parent)
        spans = source.dimensions[condition.parent], target.dimensions[j]
        cells = translate_cells(np.array(condition.cells), *spans).tolist()
        active = dict(zip(cells, condition.active, strict=True))
        ordered = not target.dimensions[j].is_categorical
        seen = {c: active[c] for c in sorted(active) if c == c and (ordered or c != UNSEEN)}
        if seen:
            found.append(Condition(i, j, tuple(seen), tuple(seen.values()), ordered))
    return tuple(found)


def obeyed(condition: Condition, rows: Array) -> bool:
    """Tell whether no row (n, D) contradicts the condition."""
    active = ~np.isnan(rows[:, condition.child])
    return bool((active == condition.holds(rows[:, condition.parent])).all())


def parents_first(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """Order the conditions, each after that of its parent; drop those that depend in a circle."""
    ordered: list[Condition] = []
    waiting = list(conditions)
    while ready := [c for c in waiting if c.parent not in {other.child for other in waiting}]:
        ordered += ready
        waiting = [condition for condition in waiting if condition not in ready]
    return tuple(ordered)


def apply_conditions(rows: Array, conditions: Sequence[Condition]) -> Array:
    """Put NaN into rows (n, D) where a condition says inactive."""
    rows = rows.copy()
    for condition in conditions:
        rows[~condition.holds(rows[:, condition.parent]), condition.child] = np.nan
    return rows


def _condition_of(
    child: int, rows: Array, tuned: NDArray[np.bool_], space: Space, is_proven: bool
) -> Condition | None:
    """Return the condition on the likeliest parent: one often active, of few values."""
    options: list[tuple[tuple[float, ...], Condition]] = []
    for parent, dimension in enumerate(space.dimensions):
        is_candidate = dimension.choices is not None or dimension.size <= _MOST_PARENT_VALUES
        if parent == child or not is_candidate:
            continue
        known = tuned[:, child] & tuned[:, parent]
        cells, active = rows[known, parent], ~np.isnan(rows[known, child])
        condition, chance = _condition(child, parent, cells, active, not dimension.is_categorical)
        if condition is not None and (is_proven or chance <= _BY_CHANCE):
            absent, n_cells = float(np.isnan(cells).mean()), len(condition.cells)
            options.append(((chance if is_proven else 0.0, absent, n_cells), condition))
    return min(options, key=lambda option: option[0])[1] if options else None


def _condition(
    child: int, parent: int, cells: Array, active: NDArray[np.bool_], ordered: bool
) -> tuple[Condition | None, float]:
    """Return the condition, if the parent's value decides without exception, and its chance.

    Args:
        child: Index of the conditional dimension.
        parent: Index of the dimension that may decide.
        cells: The parent's cells in the trials of all studies that tuned both.  # (n,)
        active: Whether the child was active there.  # (n,)
        ordered: Whether the parent's values are numbers.
    """
    present = ~np.isnan(cells)
    if active.all() or active[~present].any() or present.sum() <= active.sum():
        return None, 1.0
    values, inverse, counts = np.unique(cells[present], return_inverse=True, return_counts=True)
    n_active = np.bincount(inverse, weights=active[present])
    if ((n_active > 0) & (n_active < counts)).any():
        return None, 1.0
    is_active = tuple((n_active > 0).tolist())
    condition = Condition(child, parent, tuple(values.tolist()), is_active, ordered)
    return condition, _chance(counts.tolist(), int(n_active.sum()))


def _chance(counts: Sequence[int], n_active: int) -> float:
    """Return the probability that ``n_active`` random trials are all those of some values."""
    ways = [1] + [0] * n_active  # Sets of values by the number of their trials.
    for count in counts:
        for total in range(n_active, count - 1, -1):
            ways[total] += ways[total - count]
    return ways[n_active] / math.comb(sum(counts), n_active)

"""Which parameter exists under which value of which other one, learned from trials.

Optuna's spaces are defined by running the objective: nothing declares that ``momentum`` exists
only where ``optimizer`` is ``sgd``. Trials show it: a parameter that some trials of a study lack
is conditional, and its parent is the parameter whose value always decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optuna_meta.space import Array
from optuna_meta.space import Space


__all__ = ["Condition", "apply_conditions", "learn_conditions", "parents_first"]

_MOST_PARENT_VALUES = 20


@dataclass(frozen=True)
class Condition:
    """A dimension that is active where its parent has one of some cells.

    Args:
        child: Index of the conditional dimension.
        parent: Index of the dimension that decides.
        cells: Cells of the parent that were seen, in order.
        active: Whether the child was active there.
    """

    child: int
    parent: int
    cells: tuple[float, ...]
    active: tuple[bool, ...]

    def holds(self, parent_cells: Array) -> NDArray[np.bool_]:
        """Whether the child is active, by the nearest seen cell; inactive under no parent. (n,)"""
        nearest = np.abs(parent_cells[:, None] - np.array(self.cells)).argmin(axis=1)
        holds: NDArray[np.bool_] = np.array(self.active)[nearest] & ~np.isnan(parent_cells)
        return holds


def learn_conditions(studies: Sequence[Array], space: Space) -> tuple[Condition, ...]:
    """The conditions that all trials of all studies obey, parents before children.

    Args:
        studies: Rows (n, D) of each study; what a study never tuned says nothing.
        space: Their space.
    """
    found = []
    for child in range(len(space.dimensions)):
        tuned = [rows for rows in studies if len(rows) and not np.isnan(rows[:, child]).all()]
        rows = np.vstack(tuned) if tuned else np.zeros((0, len(space.dimensions)))
        if np.isnan(rows[:, child]).any():
            options = (_condition(rows, child, parent, space) for parent in _parents(rows, child))
            found.append(next((option for option in options if option is not None), None))
    return parents_first([condition for condition in found if condition is not None])


def parents_first(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """The conditions, each after that of its parent; those that depend in a circle are dropped."""
    ordered: list[Condition] = []
    waiting = list(conditions)
    while waiting:
        children = {condition.child for condition in waiting}
        ready = [condition for condition in waiting if condition.parent not in children]
        if not ready:
            break
        ordered += ready
        waiting = [condition for condition in waiting if condition.parent in children]
    return tuple(ordered)


def apply_conditions(rows: Array, conditions: Sequence[Condition]) -> Array:
    """Rows (n, D) with NaN where a condition says inactive."""
    rows = rows.copy()
    for condition in conditions:
        rows[~condition.holds(rows[:, condition.parent]), condition.child] = np.nan
    return rows


def _parents(rows: Array, child: int) -> list[int]:
    """Dimensions more often active than the child, those of the fewest values first."""
    active = (~np.isnan(rows)).sum(axis=0)
    candidates = [p for p in range(rows.shape[1]) if active[p] > active[child]]
    values = [len(np.unique(rows[~np.isnan(rows[:, p]), p])) for p in candidates]
    return [
        p
        for _, _, p in sorted((-active[p], v, p) for p, v in zip(candidates, values, strict=True))
    ]


def _condition(rows: Array, child: int, parent: int, space: Space) -> Condition | None:
    """The condition, if the parent's value decides without exception."""
    dimension = space.dimensions[parent]
    if not dimension.is_categorical and dimension.size > _MOST_PARENT_VALUES:
        return None
    present = ~np.isnan(rows[:, parent])
    active = ~np.isnan(rows[:, child])
    if active[~present].any():
        return None
    cells = np.unique(rows[present, parent])
    shares = [active[rows[:, parent] == cell].mean() for cell in cells]
    if any(0.0 < share < 1.0 for share in shares):
        return None
    return Condition(child, parent, tuple(cells.tolist()), tuple(share == 1.0 for share in shares))

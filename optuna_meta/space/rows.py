"""Rows compared: which are equal, unseen, or near to each other."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.space.dimension import UNSEEN
from optuna_meta.space.search_space import Space


__all__ = [
    "apart",
    "is_unseen",
    "positions",
    "row_keys",
    "squared_distances",
    "unseen",
    "unseen_keys",
]

_ROUNDING = 1e-13  # Of squared distances.


def unseen(rows: Array, seen: Array, *, or_all: bool = True) -> NDArray[np.int64]:
    """Indices of rows (n, D), each different one once, without those in ``seen`` (m, D).

    Where all of them are in ``seen``, all different ones if ``or_all``, else none.
    """
    return unseen_keys(row_keys(rows), set(row_keys(seen)), or_all=or_all)


def unseen_keys(
    keys: Sequence[bytes], seen: Set[bytes], *, or_all: bool = True
) -> NDArray[np.int64]:
    """The same for rows of which the keys are known."""
    first = {key: i for i, key in reversed(list(enumerate(keys)))}
    fresh = sorted(i for key, i in first.items() if key not in seen)
    return np.array(fresh if fresh or not or_all else sorted(first.values()), dtype=np.int64)


def row_keys(rows: Array) -> list[bytes]:
    """One comparable value per row; cells that differ by rounding alone are the same."""
    rounded = np.round(np.nan_to_num(rows, nan=-9.0), 7) + 0.0
    return [row.tobytes() for row in rounded]


def positions(rows: Array, others: Array) -> NDArray[np.int64]:
    """For each row (n, D) the index of an equal one among others (m, D), -1 where none is."""
    known = {key: i for i, key in enumerate(row_keys(others))}
    return np.array([known.get(key, -1) for key in row_keys(rows)], dtype=np.int64)


def apart(rows: Array, others: Array, space: Space, radius: float | Array) -> NDArray[np.bool_]:
    """Which rows (n, D) are farther than ``radius`` from every other one (m, D).  # (n,)

    Args:
        rows: The rows.
        others: The others.
        space: The space of both.
        radius: One for all, or one for each of the others.  # (m,)
    """
    beyond = squared_distances(rows, others, space) - np.square(radius)
    far: NDArray[np.bool_] = beyond.min(axis=1, initial=np.inf) > 0.0
    return far


def squared_distances(rows: Array, others: Array, space: Space) -> Array:
    """Squared Euclidean distances in cells; another choice, or none, is a range away.  # (n, m)

    Sums over dimensions of products of what each side has, so that one matrix product is all.

    Args:
        rows: The rows.  # (n, D)
        others: The others.  # (m, D)
        space: The space of both.
    """
    squared = np.zeros((len(rows), len(others)))
    categorical = np.array([d.is_categorical for d in space.dimensions], dtype=bool)
    for d in np.flatnonzero(categorical):
        a, b = rows[:, None, d], others[None, :, d]
        squared += (a != b) & ~(np.isnan(a) & np.isnan(b))
    a, b = rows[:, ~categorical], others[:, ~categorical]
    here, there = (~np.isnan(a)).astype(float), (~np.isnan(b)).astype(float)
    a, b = np.nan_to_num(a), np.nan_to_num(b)
    squared += (a * a) @ there.T + here @ (b * b).T - 2.0 * (a @ b.T)
    squared += here @ (1.0 - there).T + (1.0 - here) @ there.T
    squared[squared < _ROUNDING] = 0.0
    return squared


def is_unseen(rows: Array, space: Space) -> NDArray[np.bool_]:
    """Which cells (n, D) hold a choice that the space does not know."""
    categorical = np.array([d.is_categorical for d in space.dimensions], dtype=bool)
    unseen_choice: NDArray[np.bool_] = categorical & (rows == UNSEEN)
    return unseen_choice

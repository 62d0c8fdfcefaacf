"""Rows compared: which are equal, unseen, or near to each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.dimension import UNSEEN
from optuna_meta.space.search_space import Space


__all__ = [
    "apart",
    "different",
    "enumerated",
    "fixed",
    "is_unseen",
    "neighbours",
    "positions",
    "repeats_of",
    "row_keys",
    "squared_distances",
    "uniform",
]

FINEST, COARSEST = 0.01, 0.3  # Steps of the local search, as shares of a range.


def uniform(n: int, space: Space, rng: np.random.Generator) -> Array:
    """Draw random rows (n, D), every dimension active."""
    columns = [
        d.ladder[rng.integers(len(d.choices), size=n)]
        if d.choices is not None
        else d.snap(rng.random(n))
        for d in space.dimensions
    ]
    return np.column_stack(columns) if columns else np.zeros((n, 0))


def enumerated(space: Space) -> Array:
    """Return all rows of a finite space, every dimension active."""
    grid = np.meshgrid(*(d.ladder for d in space.dimensions), indexing="ij")
    return np.column_stack([axis.ravel() for axis in grid]) if grid else np.zeros((1, 0))


def neighbours(
    rows: Array,
    n: int,
    space: Space,
    rng: np.random.Generator,
    steps: tuple[float, float] = (FINEST, COARSEST),
) -> Array:
    """Draw valid rows (n, D), every dimension active, a few cells away from one of ``rows``.

    Args:
        rows: Where to start from, at least one (m, D); what is inactive or unseen there is drawn.
        n: How many.
        space: The rows' space.
        rng: Source of randomness.
        steps: The smallest and the largest typical step of a number, as shares of its range.
    """
    n_dims = len(space.dimensions)
    base = rows[rng.integers(len(rows), size=n)]
    fresh = uniform(n, space, rng)
    base = np.where(np.isnan(base) | is_unseen(base, space), fresh, base)
    moved = rng.random((n, n_dims)) < min(0.5, 1.5 / max(n_dims, 1))
    moved[np.arange(n), rng.integers(max(n_dims, 1), size=n)] = True
    scale = np.exp(rng.uniform(np.log(steps[0]), np.log(steps[1]), size=n))
    for i, dimension in enumerate(space.dimensions):
        if dimension.is_categorical:
            changed = fresh[:, i]
        else:
            shift = scale * rng.standard_normal(n)
            if np.isfinite(dimension.size):
                # A shift below half a step of the grid would be none.
                least = 1.0 / max(dimension.size - 1.0, 1.0)
                shift = np.sign(shift) * np.maximum(np.abs(shift), least)
            changed = _shifted(base[:, i], shift, dimension)
        base[:, i] = np.where(moved[:, i], changed, base[:, i])
    return space.snap(base)


def fixed(rows: Array, row: Array) -> Array:
    """Overwrite rows (n, D) with the cells of ``row`` (D,) wherever that has any."""
    return np.where(np.isnan(row), rows, row)


def _shifted(cells: Array, shift: Array, dimension: Dimension) -> Array:
    """Shift cells (n,); those of choices by their rank, for gaps between them may be wide."""
    if dimension.choices is None:
        return _reflected(cells + shift)
    last = len(dimension.choices) - 1
    places = _reflected(dimension.rungs(cells) / max(last, 1) + shift)
    return np.asarray(dimension.ladder[np.round(places * last).astype(np.int64)])


def _reflected(cells: Array) -> Array:
    """Mirror cells at the borders: clipping would pile them up there."""
    inside = np.abs(cells)
    return np.clip(np.where(inside > 1.0, 2.0 - inside, inside), 0.0, 1.0)


_ROUNDING = 1e-13  # Of squared distances.


def repeats_of(trials: Array) -> Callable[[Array], NDArray[np.bool_]]:
    """Return what tells which rows (M, D) agree with one of the trials (n, D) in all that it has.

    A finished trial never asked for what it lacks, whatever its configuration has there: a row
    that agrees with it in the rest would be the same trial once more.
    """
    has = ~np.isnan(trials)
    # A trial without parameters of this space says nothing.
    kinds = [asked for asked in np.unique(has, axis=0) if asked.any()]
    keys = [set(row_keys(trials[(has == asked).all(axis=1)][:, asked])) for asked in kinds]

    def repeats(rows: Array) -> NDArray[np.bool_]:
        found = np.zeros(len(rows), dtype=bool)
        for asked, known in zip(kinds, keys, strict=True):
            found |= np.array([key in known for key in row_keys(rows[:, asked])], dtype=bool)
        return found

    return repeats


def different(rows: Array) -> NDArray[np.int64]:
    """Find the first of each kind of equal rows (n, D), by index."""
    first = {key: i for i, key in reversed(list(enumerate(row_keys(rows))))}
    return np.array(sorted(first.values()), dtype=np.int64)


def row_keys(rows: Array) -> list[bytes]:
    """Return a comparable value per row (n, D); cells that differ by rounding are the same."""
    rounded = np.round(np.nan_to_num(rows, nan=-9.0), 7) + 0.0
    return [row.tobytes() for row in rounded]


def positions(rows: Array, others: Array) -> NDArray[np.int64]:
    """Find each row (n, D) among others (m, D): its index there, -1 where none is equal."""
    known = {key: i for i, key in enumerate(row_keys(others))}
    return np.array([known.get(key, -1) for key in row_keys(rows)], dtype=np.int64)


def apart(rows: Array, others: Array, radii: Array, space: Space) -> NDArray[np.bool_]:
    """Tell which rows (n, D) are farther than its radius from every other one (m, D).  # (n,)

    Args:
        rows: The rows.
        others: The others.
        radii: Of the others.  # (m,)
        space: The space of all.
    """
    beyond = squared_distances(rows, others, space) - np.square(radii)
    far: NDArray[np.bool_] = beyond.min(axis=1, initial=np.inf) > 0.0
    return far


def squared_distances(rows: Array, others: Array, space: Space) -> Array:
    """Return squared distances in cells (n, m); another choice, or none, is a range away.

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
    """Tell which cells (n, D) hold a choice that the space does not know."""
    categorical = np.array([d.is_categorical for d in space.dimensions], dtype=bool)
    return np.asarray(categorical & (rows == UNSEEN))

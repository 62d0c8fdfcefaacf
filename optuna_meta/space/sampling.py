"""Configurations to choose from: spread, remembered, and near to what is good."""

from __future__ import annotations

import numpy as np

from optuna_meta._typing import Array
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.rows import is_unseen
from optuna_meta.space.search_space import Space


__all__ = ["enumerated", "fixed", "neighbours", "uniform"]

FINEST, COARSEST = 0.01, 0.3  # Steps of the local search, as shares of a range.


def uniform(n: int, space: Space, rng: np.random.Generator) -> Array:
    """Random rows (n, D), every dimension active."""
    columns = [
        rng.integers(len(d.choices), size=n).astype(float)
        if d.choices is not None
        else d.snap(rng.random(n))
        for d in space.dimensions
    ]
    return np.column_stack(columns) if columns else np.zeros((n, 0))


def enumerated(space: Space) -> Array:
    """All rows of a finite space, every dimension active."""
    grid = np.meshgrid(*(_all_cells(d) for d in space.dimensions), indexing="ij")
    return np.column_stack([axis.ravel() for axis in grid]) if grid else np.zeros((1, 0))


def neighbours(
    rows: Array,
    n: int,
    space: Space,
    rng: np.random.Generator,
    steps: tuple[float, float] = (FINEST, COARSEST),
) -> Array:
    """Valid rows (n, D), every dimension active, that differ from one of ``rows`` in a few cells.

    Args:
        rows: Where to start from, at least one row; what is inactive or unseen there is drawn.
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
            changed = _reflected(base[:, i] + shift)
        base[:, i] = np.where(moved[:, i], changed, base[:, i])
    return space.snap(base)


def fixed(rows: Array, row: Array) -> Array:
    """Rows (n, D) with the cells of ``row`` (D,) wherever that has any."""
    return np.where(np.isnan(row), rows, row)


def _all_cells(dimension: Dimension) -> Array:
    """The cells of all values of a finite dimension, in order."""
    if dimension.choices is not None:
        return np.arange(len(dimension.choices), dtype=float)
    numbers = dimension.low + dimension.step * np.arange(int(dimension.size), dtype=np.float64)
    return dimension.snap(dimension.cells(numbers.astype(np.float64)))


def _reflected(cells: Array) -> Array:
    """Cells mirrored at the borders: clipping would pile them up there."""
    inside = np.abs(cells)
    return np.clip(np.where(inside > 1.0, 2.0 - inside, inside), 0.0, 1.0)

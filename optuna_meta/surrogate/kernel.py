"""The covariance function: Matern-5/2 over the columns of a space's design."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_meta.space import Array
from optuna_meta.space import Space


__all__ = ["column_owners", "design", "matern52", "squared_distances"]

_HALF_ROOT = np.sqrt(0.5)  # Two different choices are then at distance 1, as 0 and 1 are.


def column_owners(space: Space) -> NDArray[np.int64]:
    """The dimension that each column of the design belongs to.  # (W,)"""
    widths = [len(d.choices) if d.choices is not None else 2 for d in space.dimensions]
    return np.repeat(np.arange(len(widths)), widths)


def design(rows: Array, space: Space) -> Array:
    """Columns of rows: a number's cell and its activity, a choice's indicators.  # (n, W)

    An inactive number stands in the middle of its range; an inactive or unseen choice has no
    indicator, so that it is equally far from all of them.
    """
    blocks = []
    for i, dimension in enumerate(space.dimensions):
        cells = rows[:, i]
        if dimension.choices is not None:
            indicators = cells[:, None] == np.arange(len(dimension.choices))
            blocks.append(_HALF_ROOT * indicators)
        else:
            active = ~np.isnan(cells)
            blocks.append(np.column_stack([np.where(active, cells, 0.5), _HALF_ROOT * active]))
    return np.hstack(blocks) if blocks else np.zeros((len(rows), 0))


def squared_distances(a: Array, b: Array) -> Array:
    """Squared Euclidean distances (..., n, m) of points (..., n, W) and (..., m, W)."""
    squares = np.sum(a * a, -1)[..., :, None] + np.sum(b * b, -1)[..., None, :]
    distances: Array = np.maximum(squares - 2.0 * a @ np.swapaxes(b, -1, -2), 0.0)
    return distances


def matern52(squared: Array) -> Array:
    """Matern-5/2 correlation of squared scaled distances, any shape."""
    root = np.sqrt(5.0 * squared)
    correlation: Array = (1.0 + root + root * root / 3.0) * np.exp(-root)
    return correlation

"""The covariance function: Matern-5/2 over the columns of a space's design."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.space.search_space import Space


__all__ = ["column_owners", "design", "matern52", "matern52_over", "squared_distances"]

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
    columns, present = [], ~np.isnan(rows)
    for i, dimension in enumerate(space.dimensions):
        cells = rows[:, i]
        if dimension.choices is not None:
            columns += [_HALF_ROOT * (cells == k) for k in range(len(dimension.choices))]
        else:
            columns += [np.where(present[:, i], cells, 0.5), _HALF_ROOT * present[:, i]]
    return np.stack(columns, axis=1) if columns else np.zeros((len(rows), 0))


def squared_distances(a: Array, b: Array) -> Array:
    """Squared Euclidean distances (..., n, m) of points (..., n, W) and (..., m, W)."""
    distances: Array = np.matmul(a, -2.0 * np.swapaxes(b, -1, -2))
    distances += np.einsum("...w,...w->...", a, a)[..., :, None]
    distances += np.einsum("...w,...w->...", b, b)[..., None, :]
    return np.maximum(distances, 0.0, out=distances)


def matern52(squared: Array) -> Array:
    """Matern-5/2 correlation of squared scaled distances, any shape."""
    five = np.multiply(squared, 5.0, out=np.empty(np.shape(squared)))
    matern52_over(five, np.empty_like(five), np.empty_like(five))
    return five


def matern52_over(five: Array, root: Array, decay: Array) -> None:
    """Overwrite five times the squared distances with their Matern-5/2 correlation.

    New memory for each step costs more than the steps: a caller with many blocks lends its own.

    Args:
        five: Five times the squared scaled distances, any shape; then the correlation.
        root: Memory of the same shape.
        decay: Memory of the same shape.
    """
    np.sqrt(five, out=root)
    np.exp(np.negative(root, out=decay), out=decay)
    five *= 1.0 / 3.0
    five += root
    five += 1.0
    five *= decay

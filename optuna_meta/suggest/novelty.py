"""Where trials of equal values show that the next one would tell nothing new.

Measurements are rounded, and tables have the value of their nearest entry: then a function is
constant between borders, a model that takes it for smooth expects to improve next to its best
trial, and every trial there comes to the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.space.rows import squared_distances
from optuna_meta.space.search_space import Space


__all__ = ["log_novelty", "persistence", "plateaus"]

_NEARBY = 0.3  # In ranges, for each root of the dimensions.
_CLOSEST = 1e-3  # Of a range: nearer trials tell the same of the borders.
_N_SCALES = 40  # That the likelihood is looked at, a sixth apart.


def plateaus(rows: Array, values: Array, space: Space) -> Array:
    """Measure how far around each trial the values are known to be the same.  # (n,)

    That is the distance to the farthest trial nearby that came to exactly the same, and at most
    half the way to the nearest one that came to something else; 0 where none did the same. The
    worst value does not count, of which there may be many kinds.

    Args:
        rows: The trials.  # (n, D)
        values: Their values.  # (n, K)
        space: The rows' space.
    """
    equal = (values[:, None] == values).all(axis=2)
    same = equal & ~np.eye(len(rows), dtype=bool)
    flat = same.any(axis=1) & ~_worst(values)
    if not flat.any():
        return np.zeros(len(rows))
    distances = np.sqrt(squared_distances(rows, rows, space))
    reach = np.where(same & (distances <= _nearby(space)), distances, 0.0).max(axis=1)
    border = np.where(equal, np.inf, distances).min(axis=1)
    return np.where(flat, np.minimum(reach, 0.5 * border), 0.0)


def persistence(rows: Array, values: Array, space: Space) -> float:
    """Estimate the distance to where the value becomes another one; 0 if no two are the same.

    Borders are taken to come at random along a line, so that two trials at the distance d have the
    same value with the probability exp(-d / persistence). Of the pairs nearby, that is the
    persistence of the highest likelihood. The worst value does not count, as above.

    Args:
        rows: The trials.  # (n, D)
        values: Their values.  # (n, K)
        space: The rows' space.
    """
    kept = ~_worst(values)
    rows, values = rows[kept], values[kept]
    first, second = np.triu_indices(len(rows), 1)
    same = (values[first] == values[second]).all(axis=1)
    if not same.any():
        return 0.0
    distances = np.sqrt(squared_distances(rows, rows, space)[first, second])
    near = distances <= _nearby(space)
    distances, same = np.maximum(distances[near], _CLOSEST), same[near]
    if not same.any():
        return 0.0
    scales = np.geomspace(_CLOSEST, 10.0 * _nearby(space), _N_SCALES)
    others = np.log(-np.expm1(-distances[~same] / scales[:, None])).sum(axis=1)
    likelihoods = others - distances[same].sum() / scales
    return float(scales[np.argmax(likelihoods)])


def log_novelty(rows: Array, trials: Array, space: Space, scale: float) -> Array:
    """Return the log probability that a row's value is not that of the nearest trial.  # (n,)

    Args:
        rows: The rows.  # (n, D)
        trials: The trials.  # (m, D)
        space: The space of both.
        scale: The persistence of values, positive.
    """
    nearest = np.sqrt(squared_distances(rows, trials, space).min(axis=1, initial=np.inf))
    return np.asarray(np.log(-np.expm1(-np.maximum(nearest, _CLOSEST) / scale)))


def _worst(values: Array) -> NDArray[np.bool_]:
    return np.asarray((values == values.max(axis=0, initial=-np.inf)).all(axis=1))


def _nearby(space: Space) -> float:
    return _NEARBY * float(np.sqrt(len(space.dimensions)))

"""Intrinsic dimension of a cloud of points.

Facco, d'Errico, Rodriguez and Laio (2017), "Estimating the intrinsic dimension of datasets by a
minimal neighborhood information".
"""

from __future__ import annotations

import numpy as np

from optuna_meta._typing import Array


__all__ = ["participation_ratio", "two_nn"]

_KEPT = 0.9  # The share of points that the fit uses, as the authors recommend.
_LEAST_POINTS = 10  # Fewer ratios than nine are no distribution.


def two_nn(points: Array) -> float:
    """Return the TwoNN estimate: the slope of -log(1 - F(mu)) over log mu, through the origin.

    mu is the ratio of the distances to a point's second and first neighbours, and F its
    empirical distribution. NaN with fewer than ten distinct points; at most d.

    Args:
        points: Shape (m, d), finite. Time and memory are of order m^2.
    """
    # Imported here, for it takes a tenth of a second.
    from scipy.spatial.distance import cdist

    points = np.unique(points, axis=0)
    m = len(points)
    if m < _LEAST_POINTS:
        return np.nan
    distances = cdist(points, points)
    np.fill_diagonal(distances, np.inf)
    nearest = np.partition(distances, 1, axis=1)[:, :2]
    log_mu = np.sort(np.log(nearest[:, 1]) - np.log(np.maximum(nearest[:, 0], 1e-300)))
    kept = int(_KEPT * m)
    heights = -np.log1p(-np.arange(1, kept + 1) / m)
    squares = float(log_mu[:kept] @ log_mu[:kept])
    if squares == 0:
        return np.nan
    # On a grid, where all ratios are near 1, there is no bound to the slope.
    return min(float(log_mu[:kept] @ heights) / squares, float(points.shape[1]))


def participation_ratio(points: Array) -> float:
    """Return (sum of the variances)^2 / sum of their squares, over principal components.

    It is the number of components where all have the same variance; NaN where nothing varies.

    Args:
        points: Shape (m, d), finite.
    """
    centred = points - points.mean(axis=0)
    # The smaller of the two products has the same traces.
    product = centred @ centred.T if len(points) < points.shape[1] else centred.T @ centred
    squares = float(np.sum(product**2))
    return float(np.trace(product)) ** 2 / squares if squares > 0 else np.nan

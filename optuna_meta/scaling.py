"""Values of one study -> values that compare across studies. Lower is better throughout."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from optuna_meta.space import Array


__all__ = ["finite_values", "rank_normal", "warp"]

_FAREST = 1e12  # Units beyond the median; what is worse is equally bad.


def finite_values(values: Array) -> Array:
    """Values (n,) with each infinite one replaced by the worst finite one.

    An infinite value, of either sign, is a diverged run: it ties with the worst run there is.
    """
    finite = np.isfinite(values)
    if finite.all():
        return values
    worst = values[finite].max() if finite.any() else 0.0
    return np.where(finite, values, worst)


def rank_normal(values: Array) -> Array:
    """Normal quantiles (n,) of the values' mid-ranks; ties share theirs, one value gives 0."""
    n = len(values)
    if n == 0:
        return np.zeros(0)
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mid_ranks = (np.cumsum(counts) - 0.5 * (counts - 1))[inverse]
    scores: Array = ndtri((mid_ranks - 0.5) / n)
    return scores


def warp(values: Array) -> Array:
    """Values (n,) of the target with the bad tail drawn in, of unit spread around 0.

    What is worse than the median is compressed logarithmically in units of the distance from the
    best to the median, so that one diverged run does not flatten all others. The map is monotone.
    """
    n = len(values)
    if n < 2 or values.min() == values.max():
        return np.zeros(n)
    values = values / np.abs(values).max()  # Differences of the largest floats would overflow.
    median = np.median(values)
    unit = median - values.min() or np.ptp(values)
    with np.errstate(over="ignore"):
        excess = np.minimum(np.maximum(values - median, 0.0) / unit, _FAREST)
    warped = np.minimum(values - median, 0.0) / unit + np.log1p(excess)
    spread: Array = (warped - warped.mean()) / warped.std()
    return spread

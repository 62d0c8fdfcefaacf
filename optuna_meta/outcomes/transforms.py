"""Values of one study -> values that compare across studies. Lower is better throughout."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from optuna_meta._typing import Array


__all__ = [
    "finite_values",
    "log_slopes",
    "rank_normal",
    "unwarp_objective",
    "warped_deviations",
    "warp_constraint",
    "warp_objective",
]

_GAP = 0.25  # Between feasible and infeasible: constraints that are only 0 or 1 have one, too.
_WORST = 4.0  # Beyond it all violations are equally bad.
_LARGEST = 1e300  # A constraint violated without bound, or an end of an interval.
_FARTHEST_TOLD = 20.0  # Units from the median.
_FARTHEST = 1e12  # Units beyond the median; what is worse is equally bad.


def finite_values(values: Array) -> Array:
    """Replace each infinite one of values (n,) by the worst finite one.

    An infinite value, of either sign, is a diverged run: it ties with the worst run there is.
    """
    finite = np.isfinite(values)
    if finite.all():
        return values
    worst = values[finite].max() if finite.any() else 0.0
    return np.where(finite, values, worst)


def rank_normal(values: Array) -> Array:
    """Return normal quantiles (n,) of values' mid-ranks; ties share theirs, one value gives 0."""
    n = len(values)
    if n == 0:
        return np.zeros(0)
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mid_ranks = (np.cumsum(counts) - 0.5 * (counts - 1))[inverse]
    return np.asarray(ndtri((mid_ranks - 0.5) / n))


def warp_objective(values: Array, tail: float = 0.0) -> Array:
    """Draw in the bad tail of the target's values (n,), to unit spread around 0.

    What is worse than the median is compressed logarithmically, in units of the distance from the
    best to the median, so that one diverged run does not flatten all others. The map is monotone.

    Args:
        values: The values, lower is better.  # (n,)
        tail: How much of the tail counts by its distance, in [0, 1]: with 1 the unit is the whole
            range, which leaves values nearly as they are; between, a geometric mean of both.
    """
    if len(values) < 2 or values.min() == values.max():
        return np.zeros(len(values))
    warped = _compressed(*_scaled(values, tail))
    return np.asarray((warped - warped.mean()) / warped.std())


def log_slopes(values: Array, tail: float) -> float:
    """Return sum_i log dy / dv (v_i) of :func:`warp_objective`: what a density of y owes to v.

    Args:
        values: The values, not all equal.  # (n,)
        tail: As there.
    """
    scaled, median, unit = _scaled(values, tail)
    with np.errstate(over="ignore"):
        excess = np.minimum(np.maximum(scaled - median, 0.0) / unit, _FARTHEST)
    spread = _compressed(scaled, median, unit).std()
    slopes = np.log1p(excess).sum() + len(values) * np.log(unit * spread)
    return float(-slopes - len(values) * np.log(np.abs(values).max()))


def warped_deviations(values: Array, deviations: Array, tail: float = 0.0) -> Array:
    """Return how far :func:`warp_objective` of values may be off where these may be.  # (n,)

    Args:
        values: The values, lower is better.  # (n,)
        deviations: Their standard deviations.  # (n,)
        tail: As there.
    """
    if not deviations.any() or values.min() == values.max():
        return np.zeros(len(values))
    scaled, median, unit = _scaled(values, tail)
    off = np.minimum(deviations / np.abs(values).max(), _FARTHEST_TOLD)
    reach = _compressed(scaled + off, median, unit) - _compressed(scaled - off, median, unit)
    return np.asarray(0.5 * reach / _compressed(scaled, median, unit).std())


def unwarp_objective(values: Array, warped: Array, tail: float = 0.0) -> Array:
    """Return what :func:`warp_objective` of values (n,), not all equal, makes ``warped`` (m,).

    Not farther than some units from the median: beyond all values the map is a guess.
    """
    scaled, median, unit = _scaled(values, tail)
    own = _compressed(scaled, median, unit)
    plain = warped * own.std() + own.mean()
    worst = max(own.max(), np.log1p(_FARTHEST_TOLD))
    plain = np.clip(plain, min(own.min(), -_FARTHEST_TOLD), worst)
    ends = median + unit * np.where(plain < 0.0, plain, np.expm1(plain))
    with np.errstate(over="ignore"):
        found = np.abs(values).max() * ends
    return np.asarray(np.clip(found, -_LARGEST, _LARGEST))


def _scaled(values: Array, tail: float) -> tuple[Array, float, float]:
    """Return the values (n,) within [-1, 1], their median and the unit of the tail."""
    values = values / np.abs(values).max()  # Differences of the largest floats would overflow.
    median, extent = float(np.median(values)), float(np.ptp(values))
    unit = median - float(values.min()) or extent
    return values, median, unit ** (1.0 - tail) * extent**tail


def _compressed(values: Array, median: float, unit: float) -> Array:
    with np.errstate(over="ignore"):
        excess = np.minimum(np.maximum(values - median, 0.0) / unit, _FARTHEST)
    return np.asarray(np.minimum(values - median, 0.0) / unit + np.log1p(excess))


def warp_constraint(values: Array) -> Array:
    """Put constraint values (n,) on one scale for all studies: at most 0 where feasible.

    In units of their median size, large ones drawn in; the map is monotone.
    """
    if len(values) == 0:
        return np.zeros(0)
    values = np.clip(values, -_LARGEST, _LARGEST)
    sizes = np.abs(values[values != 0.0])
    unit = float(np.median(sizes)) if len(sizes) else 1.0
    most = unit * np.sinh(_WORST)  # The largest value in units of the smallest would overflow.
    scaled = np.arcsinh(np.clip(values, -most, most) / unit)
    return np.asarray(np.clip(scaled + np.where(values > 0.0, _GAP, -_GAP), -_WORST, _WORST))

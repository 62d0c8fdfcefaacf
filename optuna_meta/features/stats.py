"""Statistics of columns and counts, and samples of large data, for data of every kind.

Throughout, z is a matrix of shape (m, a) of standardised columns with NaN where a cell is
missing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array


__all__ = [
    "entropy",
    "evenness",
    "kurtosis",
    "log_slope",
    "mean",
    "ratio",
    "sd",
    "skewness",
    "standardise",
    "subsample",
    "summarise",
]


def standardise(numbers: Array) -> Array:
    """Return the columns that are not constant, with mean 0 and standard deviation 1.

    Args:
        numbers: Shape (m, a), finite or NaN, of any magnitude.

    Returns:
        Shape (m, a') with a' <= a.
    """
    present = ~np.isnan(numbers)
    # Divided by the largest first, since the squares of numbers such as 1e300 overflow.
    scale = np.max(np.abs(numbers), axis=0, where=present, initial=0.0)
    scaled = numbers / np.where(scale > 0, scale, 1.0)
    low = np.min(scaled, axis=0, where=present, initial=np.inf)
    high = np.max(scaled, axis=0, where=present, initial=-np.inf)
    scaled, present = scaled[:, high > low], present[:, high > low]
    centred = scaled - np.mean(scaled, axis=0, where=present)
    return np.asarray(centred / np.sqrt(np.mean(centred**2, axis=0, where=present)))


def skewness(z: Array) -> Array:
    """Return m_3 / s^3 of each column, where s divides by n - 1, shape (a,)."""
    return _moment(z, 3)


def kurtosis(z: Array) -> Array:
    """Return m_4 / s^4 - 3 of each column, where s divides by n - 1, shape (a,)."""
    return _moment(z, 4) - 3.0


def _moment(z: Array, order: int) -> Array:
    present = ~np.isnan(z)
    n = present.sum(axis=0)
    return np.asarray(np.mean(z**order, axis=0, where=present) * ((n - 1) / n) ** (order / 2))


def entropy(counts: NDArray[np.int64]) -> float:
    """Return Shannon's entropy of counts (k,), in bits."""
    shares = counts[counts > 0] / counts.sum()
    # The sum is -0.0 for a single class.
    return abs(float(shares @ np.log2(shares)))


def evenness(counts: NDArray[np.int64]) -> float:
    """Return the share of the entropy that k equal counts have; NaN of a single one (k,)."""
    return float(entropy(counts) / np.log2(len(counts))) if len(counts) > 1 else np.nan


def log_slope(x: NDArray[Any], y: NDArray[Any]) -> float:
    """Return the slope of log y over log x by least squares; NaN of fewer than three.

    Args:
        x: Positive, of shape (n,).
        y: Positive, of shape (n,).
    """
    if len(x) < 3:
        return np.nan
    log_x = np.log(x) - np.log(x).mean()
    return float(log_x @ np.log(y) / (log_x @ log_x))


def ratio(part: float, whole: float) -> float:
    """Return part / whole, NaN where the whole is 0."""
    return float(part / whole) if whole else np.nan


def mean(values: NDArray[Any]) -> float:
    """Return the mean of values (n,), NaN of none."""
    return float(np.mean(values)) if len(values) else np.nan


def sd(values: NDArray[Any]) -> float:
    """Return the deviation of values (n,), dividing by n - 1; NaN of fewer than two."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else np.nan


def summarise(name: str, values: NDArray[Any]) -> dict[str, float]:
    """Return ``.mean``, ``.sd`` and ``.max`` of a feature that has several values (n,)."""
    most = float(np.max(values)) if len(values) else np.nan
    return {f"{name}.mean": mean(values), f"{name}.sd": sd(values), f"{name}.max": most}


def subsample(n: int, limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw at most ``limit`` of n indices, each once, ascending; all where there are no more."""
    # By their number: a list of ten million indices is never made.
    return np.arange(n) if n <= limit else np.sort(rng.choice(n, limit, replace=False))

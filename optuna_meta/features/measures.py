"""Statistics and information measures of columns.

Throughout, z is a matrix of shape (m, a) of standardised columns with NaN where a cell is
missing, and codes are category numbers with -1 where a cell is missing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


__all__ = [
    "absolute_correlations",
    "component_shares",
    "contingency",
    "discretise",
    "entropy",
    "kurtosis",
    "mean",
    "outlier_ratio",
    "ratio",
    "sd",
    "skewness",
    "sparsity",
    "spreads",
    "standardise",
]


def standardise(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the columns that are not constant, with mean 0 and standard deviation 1.

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
    z: NDArray[np.float64] = centred / np.sqrt(np.mean(centred**2, axis=0, where=present))
    return z


def skewness(z: NDArray[np.float64]) -> NDArray[np.float64]:  # (a,)
    """Returns m_3 / s^3 of each column, where s divides by n - 1."""
    return _moment(z, 3)


def kurtosis(z: NDArray[np.float64]) -> NDArray[np.float64]:  # (a,)
    """Returns m_4 / s^4 - 3 of each column, where s divides by n - 1."""
    return _moment(z, 4) - 3.0


def _moment(z: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    present = ~np.isnan(z)
    n = present.sum(axis=0)
    biased = np.mean(z**order, axis=0, where=present)
    moment: NDArray[np.float64] = biased * ((n - 1) / n) ** (order / 2)
    return moment


def absolute_correlations(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns |Pearson's r| of each pair of columns that have cells in common, shape (pairs,)."""
    present = (~np.isnan(z)).astype(np.float64)
    filled = np.nan_to_num(z)
    # Each column's sum of squares over the rows where the other one is present.
    squares = (filled**2).T @ present
    pairs = np.triu_indices(z.shape[1], k=1)
    norm = np.sqrt(squares * squares.T)[pairs]
    products = np.abs(filled.T @ filled)[pairs]
    return np.minimum(products[norm > 0] / norm[norm > 0], 1.0)


def component_shares(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the share of variance of each principal component, descending, shape (a,).

    Missing cells count as the mean of their column.
    """
    filled = np.nan_to_num(z)
    variances = np.maximum(np.linalg.eigvalsh(filled.T @ filled)[::-1], 0.0)
    shares: NDArray[np.float64] = variances / variances.sum()
    return shares


def outlier_ratio(z: NDArray[np.float64]) -> float:
    """Returns the share of cells over 1.5 interquartile ranges out of the quartiles."""
    if not z.size:
        return np.nan
    low, high = np.nanquantile(z, [0.25, 0.75], axis=0)
    reach = 1.5 * (high - low)
    out = (z < low - reach) | (z > high + reach)
    return ratio(out.sum(), (~np.isnan(z)).sum())


def ratio(part: float, whole: float) -> float:
    """Returns part / whole, NaN where the whole is 0."""
    return float(part / whole) if whole else np.nan


def discretise(z: NDArray[np.float64], nr_bins: int) -> NDArray[np.int64]:
    """Returns each column in bins of about equal frequency, as codes of shape (m, a)."""
    if not z.size:
        return np.empty(z.shape, dtype=np.int64)
    edges = np.nanquantile(z, np.arange(1, nr_bins) / nr_bins, axis=0)
    bins = (z > edges[:, None, :]).sum(axis=0)
    return np.where(np.isnan(z), -1, bins)


def entropy(counts: NDArray[np.int64]) -> float:
    """Returns Shannon's entropy of counts, in bits."""
    shares = counts[counts > 0] / counts.sum()
    # The sum is -0.0 for a single class.
    return abs(float(shares @ np.log2(shares)))


def contingency(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns how often each pair of codes occurs, over the rows where both are present.

    Args:
        x: Codes of shape (m,).
        y: Codes of shape (m,).

    Returns:
        Shape (x.max() + 1, y.max() + 1), or (0, 0) where no row has both.
    """
    both = (x >= 0) & (y >= 0)
    if not both.any():
        return np.empty((0, 0), dtype=np.int64)
    height, width = int(x.max()) + 1, int(y.max()) + 1
    joint = np.bincount(x[both] * width + y[both], minlength=height * width)
    return joint.reshape(height, width)


def sparsity(column: NDArray[np.float64] | NDArray[np.int64]) -> float:
    """Returns (n / k - 1) / (n - 1) for n cells that have k values: 0 if all differ, 1 if none.

    Args:
        column: Shape (m,), without missing cells.
    """
    n = len(column)
    return (n / len(np.unique(column)) - 1.0) / (n - 1.0) if n > 1 else np.nan


def spreads(z: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns each column's interquartile range, and 1.4826 median absolute deviations, (a,)."""
    if not z.size:
        return np.empty(0), np.empty(0)
    low, middle, high = np.nanquantile(z, [0.25, 0.5, 0.75], axis=0)
    return high - low, 1.4826 * np.nanmedian(np.abs(z - middle), axis=0)


def mean(values: NDArray[Any]) -> float:
    """Returns the mean, NaN of no values."""
    return float(np.mean(values)) if len(values) else np.nan


def sd(values: NDArray[Any]) -> float:
    """Returns the standard deviation, dividing by n - 1; NaN of fewer than two values."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else np.nan

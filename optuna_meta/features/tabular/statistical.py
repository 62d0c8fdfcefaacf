"""The group ``statistical`` of tables: how numeric columns are distributed and depend.

Throughout, z is a matrix of shape (m, a) of standardised columns with NaN where a cell is
missing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
import optuna_meta.features.stats as stats
from optuna_meta.features.tabular.table import Table


__all__ = ["describe_numbers"]

_CORRELATED = 0.5  # pymfe's threshold of a correlation that counts
_MOST_VARIANCE = 0.95  # pymfe's share of variance that the components are to reach
_FENCE = 1.5  # Tukey's, in interquartile ranges
_NORMAL_MAD = 1.4826  # 1 / the third quartile of a normal distribution: then it has deviation 1


def describe_numbers(table: Table, z: Array) -> dict[str, float]:
    """Return the group's features that need no response.

    Args:
        table: A sample of the rows.
        z: Its numeric columns that vary, standardised, of shape (m, a).
    """
    columns = [*(c[~np.isnan(c)] for c in table.numbers.T), *(c[c >= 0] for c in table.codes.T)]
    sparsities = np.array([sparsity(column) for column in columns if len(column) > 1])
    features = {
        "zero_ratio": stats.ratio((table.numbers == 0).sum(), (~np.isnan(table.numbers)).sum()),
        **stats.summarise("sparsity", sparsities),
    }
    if not z.shape[1]:
        return features
    shares = component_shares(z)
    correlations = absolute_correlations(z)
    ranges, deviations = spreads(z)
    return features | {
        "outlier_ratio": outlier_ratio(z),
        **stats.summarise("skewness", stats.skewness(z)),
        **stats.summarise("kurtosis", stats.kurtosis(z)),
        **stats.summarise("iq_range", ranges),
        **stats.summarise("mad", deviations),
        **stats.summarise("cor", correlations),
        "nr_cor_attr": stats.mean(correlations >= _CORRELATED),
        "pca_first_ratio": shares[0],
        "pca_95_ratio": (np.searchsorted(np.cumsum(shares), _MOST_VARIANCE) + 1) / len(shares),
    }


def absolute_correlations(z: Array) -> Array:
    """Return |Pearson's r| of each pair of columns that have cells in common, shape (pairs,)."""
    present = (~np.isnan(z)).astype(np.float64)
    filled = np.nan_to_num(z)
    # Each column's sum of squares over the rows where the other one is present.
    squares = (filled**2).T @ present
    pairs = np.triu_indices(z.shape[1], k=1)
    norm = np.sqrt(squares * squares.T)[pairs]
    products = np.abs(filled.T @ filled)[pairs]
    return np.minimum(products[norm > 0] / norm[norm > 0], 1.0)


def component_shares(z: Array) -> Array:
    """Return the share of variance of each principal component, descending, shape (a,).

    Missing cells count as the mean of their column.
    """
    filled = np.nan_to_num(z)
    variances = np.maximum(np.linalg.eigvalsh(filled.T @ filled)[::-1], 0.0)
    return np.asarray(variances / variances.sum())


def outlier_ratio(z: Array) -> float:
    """Return the share of cells over 1.5 interquartile ranges out of the quartiles."""
    low, high = np.nanquantile(z, [0.25, 0.75], axis=0)
    reach = _FENCE * (high - low)
    out = (z < low - reach) | (z > high + reach)
    return stats.ratio(out.sum(), (~np.isnan(z)).sum())


def spreads(z: Array) -> tuple[Array, Array]:
    """Return each column's interquartile range, and 1.4826 median absolute deviations, (a,)."""
    low, middle, high = np.nanquantile(z, [0.25, 0.5, 0.75], axis=0)
    return high - low, _NORMAL_MAD * np.nanmedian(np.abs(z - middle), axis=0)


def sparsity(column: NDArray[Any]) -> float:
    """Return (n / k - 1) / (n - 1) for n cells that have k values: 0 if all differ, 1 if none.

    Args:
        column: Shape (n,), without missing cells; NaN of a single one.
    """
    n = len(column)
    return (n / len(np.unique(column)) - 1.0) / (n - 1.0) if n > 1 else np.nan

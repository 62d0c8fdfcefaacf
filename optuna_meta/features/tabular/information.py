"""The group ``info-theory`` of tables: how much columns and response tell, alone and together.

Michie, Spiegelhalter and Taylor (1994), "Machine Learning, Neural and Statistical
Classification", section 7.3.3; concentration after Kalousis and Hilario (2001), "Model selection
via meta-learning". All entropies are in bits; codes are -1 where a cell is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.features.columns import is_numeric
import optuna_meta.features.stats as stats


__all__ = ["describe_columns", "discretise_columns", "discretise_response", "relate_columns"]

_MAX_CONCENTRATION_COLUMNS = 12  # Of 132 pairs, each of which takes a table of its own.
_LEAST_INFORMATION = 1e-12  # Less than this is what rounding makes of none.


def describe_columns(columns: list[NDArray[np.int64]]) -> dict[str, float]:
    """Return what the columns tell by themselves and of each other: attr_ent and attr_conc.

    Args:
        columns: Codes of shape (m,) each.
    """
    counts = [np.bincount(column[column >= 0]) for column in columns]
    # Evenly spaced, since the number of pairs grows with the square.
    some = np.linspace(0, len(columns) - 1, min(len(columns), _MAX_CONCENTRATION_COLUMNS))
    pairs = permutations(np.round(some).astype(int).tolist(), 2)
    concentrations = _known(_concentration(contingency(columns[i], columns[j])) for i, j in pairs)
    return {
        **stats.summarise("attr_ent", np.array([stats.entropy(c) for c in counts if c.size])),
        "attr_conc.mean": stats.mean(concentrations),
    }


def relate_columns(columns: list[NDArray[np.int64]], y: NDArray[np.int64]) -> dict[str, float]:
    """Return what the columns tell of the response; empty where no row has both.

    Args:
        columns: Codes of shape (m,) each.
        y: Codes of shape (m,), of classes or of the bins of a number.
    """
    tables = [contingency(column, y) for column in columns]
    tables = [table for table in tables if table.size]
    if not tables:
        return {}
    attribute = np.array([stats.entropy(table.sum(axis=1)) for table in tables])
    joint = np.array([stats.entropy(table.ravel()) for table in tables])
    mutual = attribute + [stats.entropy(table.sum(axis=0)) for table in tables] - joint
    mutual = np.where(mutual < _LEAST_INFORMATION, 0.0, mutual)
    class_ent = stats.entropy(np.bincount(y[y >= 0]))
    return {
        "joint_ent.mean": stats.mean(joint),
        **stats.summarise("mut_inf", mutual),
        "class_conc.mean": stats.mean(_known(_concentration(table) for table in tables)),
        "eq_num_attr": stats.ratio(len(tables) * class_ent, mutual.sum()),
        "ns_ratio": stats.ratio((attribute - mutual).sum(), mutual.sum()),
    }


def discretise_columns(z: Array, codes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the columns that vary as codes of shape (m,) each, rare categories pooled.

    Args:
        z: Standardised numeric columns of shape (m, a), NaN where missing.
        codes: Categorical columns of shape (m, c).
    """
    nr_bins = _nr_bins(len(z))
    return [*discretise(z, nr_bins).T, *(_pool(c, nr_bins) for c in codes.T if np.ptp(c) > 0)]


def discretise_response(y: NDArray[Any]) -> NDArray[np.int64]:
    """Return a response of shape (m,) as codes: of its classes, or of its numbers' bins."""
    if not is_numeric(y):
        return y
    z = stats.standardise(y[:, None])
    return discretise(z, _nr_bins(len(y)))[:, 0] if z.shape[1] else np.where(np.isnan(y), -1, 0)


def _nr_bins(nr_rows: int) -> int:
    return max(2, round(math.cbrt(nr_rows)))  # pymfe takes the floor


def discretise(z: Array, nr_bins: int) -> NDArray[np.int64]:
    """Return each column in bins of about equal frequency, as codes of shape (m, a).

    Args:
        z: Shape (m, a), NaN where missing.
        nr_bins: How many codes a column has at most.
    """
    if not z.size:
        return np.empty(z.shape, dtype=np.int64)
    edges = np.nanquantile(z, np.arange(1, nr_bins) / nr_bins, axis=0)
    return np.where(np.isnan(z), -1, (z > edges[:, None, :]).sum(axis=0))


def _pool(codes: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Return codes of shape (m,) in which the rarest categories share the last number."""
    counts = np.bincount(codes[codes >= 0])
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.where(codes < 0, -1, np.minimum(rank[codes], limit - 1))


def contingency(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how often each pair of codes occurs, over the rows where both are present.

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


def _concentration(table: NDArray[np.int64]) -> float:
    """Return Goodman and Kruskal's tau of the rows' variable, given that of the columns."""
    if np.count_nonzero(table.sum(axis=1)) < 2:
        return np.nan
    joint = table / table.sum()
    rows, columns = (joint.sum(axis=1) ** 2).sum(), joint.sum(axis=0)
    explained = (joint[:, columns > 0] ** 2 / columns[columns > 0]).sum()
    return float((explained - rows) / (1.0 - rows))


def _known(values: Iterable[float]) -> Array:
    return np.array([value for value in values if not np.isnan(value)])

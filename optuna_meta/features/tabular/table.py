"""The attributes of a data set, of whatever type, as a matrix of numbers and one of codes."""

from __future__ import annotations

from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
import optuna_meta.features.columns as columns
import optuna_meta.features.stats as stats


__all__ = ["encode", "read_table", "Table"]

_MAX_ROWS = 2_000  # The standard error of a share of them is about a hundredth.
_MIN_ROWS = 200  # Three hundredths, where the columns are very many.
_MAX_CELLS = 1_000_000  # Eight megabytes, of at most 5,000 columns.
_MAX_COLUMNS = 200  # Of either kind: the pairs that correlate are their square.
_MAX_CODED = 50  # Categorical columns that are encoded, in at most 400 indicators
_MAX_CATEGORIES = 8  # of so many categories each, for learners take no longer than for numbers.


class Table(NamedTuple):
    """A sample of a data set's rows, and of its columns where they are very many."""

    nr_inst: int  # rows of the whole data set
    nr_num: int  # numeric columns of the whole data set
    nr_cat: int  # categorical columns of the whole data set
    rows: NDArray[np.int64]  # (m,), the sampled rows, ascending
    numbers: Array  # (m, a), NaN where missing
    codes: NDArray[np.int64]  # (m, c), -1 where missing


def read_table(X: Any, rng: np.random.Generator) -> Table:
    """Return a sample of the attributes.

    Up to 2,000 rows (fewer where there are over 500 columns) and up to 200 columns of either
    kind are taken whole.

    Args:
        X: n rows by p columns: an array, a list of rows, a data frame, a sparse matrix.
        rng: Draws the sample.

    Raises:
        ValueError: If X is not two-dimensional, or has no row or no column.
    """
    X = _as_two_dimensional(X)
    nr_inst, nr_attr = X.shape
    limit = int(np.clip(_MAX_CELLS // nr_attr, _MIN_ROWS, _MAX_ROWS))
    rows = stats.subsample(nr_inst, limit, rng)
    cells = X.iloc[rows].iloc if hasattr(X, "iloc") else X[rows]
    is_number = _find_numeric(X, cells)
    numeric, categorical = np.flatnonzero(is_number), np.flatnonzero(~is_number)
    numbers = _read(cells, numeric[stats.subsample(len(numeric), _MAX_COLUMNS, rng)], np.float64)
    drawn = categorical[stats.subsample(len(categorical), _MAX_COLUMNS, rng)]
    codes = _read(cells, drawn, np.int64)
    return Table(nr_inst, len(numeric), len(categorical), rows, numbers, codes)


def _as_two_dimensional(X: Any) -> Any:
    X = columns.as_numpy(X)
    if hasattr(X, "tocsr"):
        X = X.tocsr()
    elif not hasattr(X, "iloc"):
        # Else NumPy turns a number or NaN beside a string in a list into a string.
        X = np.asarray(X, dtype=object if isinstance(X, list | tuple) else None)
    if len(X.shape) != 2 or 0 in X.shape:
        raise ValueError(
            "X must have two dimensions with at least one row and one column, got the shape "
            f"{tuple(X.shape)}. Pass one row per instance, all of the same length; a single "
            "attribute as X.reshape(-1, 1)."
        )
    return X


def _find_numeric(X: Any, cells: Any) -> NDArray[np.bool_]:  # (p,)
    """Return for each column whether it is numeric, by its type alone where that tells."""
    dtypes = X.dtypes if hasattr(X, "iloc") else [X.dtype] * X.shape[1]
    plain = [isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in dtypes]
    return np.array([plain[j] or columns.holds_numbers(cells[:, j]) for j in range(len(plain))])


def _read(cells: Any, kept: NDArray[np.int64], dtype: Any) -> NDArray[Any]:
    if hasattr(cells, "toarray"):
        return columns.finite(cells[:, kept].toarray()).astype(dtype)
    none = np.empty((len(cells[:, 0]), 0), dtype=dtype)
    return np.column_stack([none, *(columns.read_column(cells[:, j]) for j in kept)])


def encode(z: Array, codes: NDArray[np.int64]) -> Array:
    """Return a matrix of shape (m, d) without missing cells, for learners that need numbers.

    Numbers that are missing are the mean of their column. Each of the eight most frequent
    categories of the first 50 categorical columns has an indicator column, which is standardised.

    Args:
        z: Standardised numeric columns of shape (m, a), NaN where missing.
        codes: Categorical columns of shape (m, c), -1 where missing.
    """
    indicators = [np.empty((len(codes), 0))]
    for column in codes.T[:_MAX_CODED]:
        counts = np.bincount(column[column >= 0])
        frequent = np.argsort(-counts, kind="stable")[:_MAX_CATEGORIES]
        indicators.append((column[:, None] == frequent).astype(np.float64))
    return np.hstack([np.nan_to_num(z), stats.standardise(np.hstack(indicators))])

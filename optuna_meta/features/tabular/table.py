"""The attributes of a data set, of whatever type, as a matrix of numbers and one of codes."""

from __future__ import annotations

from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.columns import as_numpy
from optuna_meta.features.columns import finite
from optuna_meta.features.columns import holds_numbers
from optuna_meta.features.columns import read_column


__all__ = ["read_table", "Table"]

_MAX_ROWS = 2_000
_MIN_ROWS = 200
_MAX_CELLS = 1_000_000
_MAX_COLUMNS = 200


class Table(NamedTuple):
    """A sample of a data set's rows, and of its columns where they are very many."""

    nr_inst: int  # rows of the whole data set
    nr_num: int  # numeric columns of the whole data set
    nr_cat: int  # categorical columns of the whole data set
    rows: NDArray[np.int64]  # (m,), the sampled rows, ascending
    numbers: NDArray[np.float64]  # (m, a), NaN where missing
    codes: NDArray[np.int64]  # (m, c), -1 where missing


def read_table(X: Any, rng: np.random.Generator) -> Table:
    """Returns a sample of the attributes.

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
    rows = _sample_rows(nr_inst, limit, rng)
    cells = X.iloc[rows].iloc if hasattr(X, "iloc") else X[rows]
    numeric = _find_numeric(X, cells)
    nr_num = int(numeric.sum())
    return Table(
        nr_inst=nr_inst,
        nr_num=nr_num,
        nr_cat=nr_attr - nr_num,
        rows=rows,
        numbers=_read(cells, _sample(np.flatnonzero(numeric), _MAX_COLUMNS, rng), np.float64),
        codes=_read(cells, _sample(np.flatnonzero(~numeric), _MAX_COLUMNS, rng), np.int64),
    )


def _as_two_dimensional(X: Any) -> Any:
    X = as_numpy(X)
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


def _sample_rows(nr_inst: int, limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    if nr_inst <= limit:
        return np.arange(nr_inst)
    # By their number: a list of ten million indices is never made.
    return np.sort(rng.choice(nr_inst, limit, replace=False))


def _sample(indices: NDArray[np.int64], limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    if len(indices) <= limit:
        return indices
    return np.sort(rng.choice(indices, limit, replace=False))


def _find_numeric(X: Any, cells: Any) -> NDArray[np.bool_]:  # (p,)
    """Returns for each column whether it is numeric, by its type alone where that tells."""
    dtypes = X.dtypes if hasattr(X, "iloc") else [X.dtype] * X.shape[1]
    plain = [isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in dtypes]
    return np.array([plain[j] or holds_numbers(cells[:, j]) for j in range(len(plain))])


def _read(cells: Any, columns: NDArray[np.int64], dtype: Any) -> NDArray[Any]:
    if hasattr(cells, "toarray"):
        return finite(cells[:, columns].toarray()).astype(dtype)
    none = np.empty((len(cells[:, 0]), 0), dtype=dtype)
    return np.column_stack([none, *(read_column(cells[:, j]) for j in columns)])

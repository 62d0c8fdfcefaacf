"""One column of a data set, of whatever type, as numbers or as numbered categories."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array


__all__ = [
    "as_numpy",
    "count_texts",
    "finite",
    "holds_numbers",
    "is_missing",
    "is_numeric",
    "number_texts",
    "read_column",
    "read_texts",
]

# By name, for pandas need not be installed.
_MISSING_TYPES = {"NoneType", "NAType", "NaTType"}


def holds_numbers(values: Any) -> bool:
    """Return whether a column is numeric: of numbers, bools, dates or durations.

    All else is categorical: strings, pandas categoricals, a mixture, any other objects.

    Args:
        values: A column of n cells: an array, a pandas Series, a list.
    """
    if hasattr(getattr(values, "dtype", None), "categories"):
        return False
    array = _as_array(values)
    if array.dtype.kind in "biufmM":
        return True
    types = {t for t in set(map(type, array.tolist())) if t.__name__ not in _MISSING_TYPES}
    return all(issubclass(t, numbers.Real | np.bool_ | Decimal) for t in types)


def read_column(values: Any) -> NDArray[Any]:
    """Return a column as float64 numbers, or as int64 category codes.

    Categories are told apart by their text and numbered in its order.

    Args:
        values: A column of n cells: an array, a pandas Series, a list.

    Returns:
        An array of shape (n,): numbers with NaN where a cell is missing or infinite, or codes
        from 0 with -1 where a cell is missing.
    """
    array = _as_array(values)
    if not holds_numbers(values):
        texts = _texts(array.tolist())
        # Sorted, so that neither the order of the rows nor hashing decides the numbers.
        return number_texts(texts, sorted({text for text in texts if text is not None}))
    if array.dtype.kind in "biuf":
        return finite(array)
    if array.dtype.kind in "mM":
        return np.where(np.isnat(array), np.nan, array.astype(np.int64).astype(np.float64))
    return finite([_to_float(cell) for cell in array.tolist()])


def read_texts(values: Any) -> list[str | None]:
    """Return a column's cells as texts, None where one is missing.

    Args:
        values: A column of n cells: an array, a pandas Series, a list.
    """
    return _texts(_as_array(values).tolist())


def number_texts(texts: list[str | None], names: list[str]) -> NDArray[np.int64]:
    """Return the index among k names of each of n texts, shape (n,); -1 where one is missing."""
    number_of = {name: i for i, name in enumerate(names)}
    return np.array([-1 if text is None else number_of[text] for text in texts], dtype=np.int64)


def count_texts(values: Any) -> Counter[str]:
    """Count how often each text of :func:`read_texts` occurs.

    Args:
        values: A column of n cells: an array, a pandas Series, a list.
    """
    cells = _as_array(values).tolist()
    if {t.__name__ for t in set(map(type, cells))} <= {"str", "float", *_MISSING_TYPES}:
        # Without a look at each cell, for there may be millions.
        counts = Counter(cells)
        if all(isinstance(cell, str) or is_missing(cell) for cell in counts):
            return Counter({cell: n for cell, n in counts.items() if not is_missing(cell)})
    return Counter(text for text in _texts(cells) if text is not None)


def as_numpy(data: Any) -> Any:
    """Return a torch tensor as an array, and anything else as it is."""
    if not hasattr(data, "detach"):
        return data
    tensor = data.detach().cpu()
    if tensor.is_floating_point() and tensor.itemsize < 4:
        tensor = tensor.float()  # NumPy has no bfloat16.
    return tensor.numpy()


def is_numeric(column: NDArray[Any]) -> bool:
    """Return whether a column of :func:`read_column` holds numbers rather than codes."""
    return column.dtype.kind == "f"


def is_missing(cell: Any) -> bool:
    """Return whether a cell is None, NaN, NA or NaT."""
    return type(cell).__name__ in _MISSING_TYPES or (isinstance(cell, float) and cell != cell)


def finite(array: Any) -> Array:
    """Return a new float64 array of the same shape with NaN where a number is not finite."""
    # A long double may be too large for a float64.
    with np.errstate(over="ignore"):
        values = np.array(array, dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    return values


def _as_array(values: Any) -> NDArray[Any]:
    if getattr(getattr(values, "dtype", None), "tz", None) is not None:
        # Else each cell becomes a Timestamp object; the time zone shifts all of them alike.
        return np.asarray(values.to_numpy(dtype="datetime64[us]"))
    # Else NumPy turns a number or NaN beside a string in a list into a string.
    return np.asarray(values, dtype=object if isinstance(values, list | tuple) else None)


def _to_float(cell: Any) -> float:
    try:
        return float(cell)
    except (OverflowError, TypeError):  # It is too large, or one of the missing types.
        return np.nan


def _texts(cells: list[Any]) -> list[str | None]:
    return [None if is_missing(cell) else str(cell) for cell in cells]

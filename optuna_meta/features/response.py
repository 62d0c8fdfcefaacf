"""The response of a data set: numbers to regress on, or classes; one output or several.

A response may have millions of values. It is read in pieces, and of all its values only what they
add up to is kept: how often each class occurs, or the moments of the numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
import math
from typing import Any
from typing import get_args
from typing import Literal
from typing import NamedTuple
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
import optuna_meta.features.columns as columns
import optuna_meta.features.stats as stats


__all__ = [
    "ProblemType",
    "Response",
    "describe_classes",
    "read_response",
    "split_outputs",
    "summarise_response",
]

ProblemType: TypeAlias = Literal["classification", "regression"]

_MIN_REGRESSION_VALUES = 20  # More than ten, so that digits and ratings are classes.
_CHUNK = 250_000  # Values that are read at a time, for as Python objects they take 50 bytes each.
_MAX_MOMENT_ROWS = 1_000_000  # A normal response's skewness then errs by 0.002, kurtosis by 0.005.


class Response(NamedTuple):
    """One output: its values in some rows, and what those of all rows add up to."""

    values: NDArray[Any]  # (m,), float64 numbers with NaN or int64 class codes with -1
    counts: NDArray[np.int64]  # (k,), rows of each class; (0,) for a regression
    skewness: float = math.nan  # NaN for classes, and for numbers that are all the same
    kurtosis: float = math.nan


def read_response(y: Any, task: ProblemType | None = None) -> NDArray[Any]:
    """Return the response as float64 numbers for a regression, as int64 class codes otherwise.

    Unless the task is given, categories are classes and numbers are classes where all are whole,
    at most max(20, sqrt(n)) of them differ, and at least one of them (or of two) repeats.

    Args:
        y: The response of n instances.
        task: "classification" or "regression"; None to tell from the values.

    Returns:
        An array of shape (n,): numbers with NaN, or codes with -1, where a value is missing.

    Raises:
        ValueError: If y is not one-dimensional, the task is unknown, or a regression has a
            response that is not numeric.
    """
    y = _as_one_dimensional(y)
    return summarise_response(y, np.arange(len(y)), task).values


def summarise_response(
    y: Any, rows: NDArray[np.int64], task: ProblemType | None = None
) -> Response:
    """Return the response's values in these rows, and what is known of all rows.

    Moments are of at most a million rows, evenly spaced.

    Args:
        y: The response of n instances, as :func:`read_response` takes it.
        rows: Shape (m,), of which the values are wanted.
        task: "classification" or "regression"; None to tell from all values.

    Raises:
        ValueError: As :func:`read_response`.
    """
    if task is not None and task not in get_args(ProblemType):
        raise ValueError(
            f"task must be 'classification', 'regression' or None, got {task!r}. "
            "Pass None to tell it from y."
        )
    y = _as_one_dimensional(y)
    if not all(columns.holds_numbers(chunk) for chunk in _chunks(y)):
        if task == "regression":
            raise ValueError(
                "The y of a regression must be numeric, got categories. Convert y to numbers, or "
                "pass task='classification'."
            )
        return _categories(y, rows)
    if task == "regression" or (task is None and _is_regression(y)):
        return _numbers(y, rows)
    return _classes(y, rows)


def split_outputs(y: Any) -> list[Any]:
    """Return the columns of a response, each of shape (n,).

    Args:
        y: One response of shape (n,), or k of shape (n, k): an array, a list, a pandas Series or
            data frame, a SciPy sparse matrix.

    Raises:
        ValueError: If y has another shape.
    """
    y = _as_array(y)
    shape = tuple(y.shape)
    if len(shape) == 1:
        return [y]
    if len(shape) != 2 or shape[1] == 0:
        raise ValueError(
            f"y must have one dimension, or a column for each output, got the shape {shape}. "
            "Pass a value, or a row of values, per row of the data."
        )
    if hasattr(y, "tocsc"):
        y = y.tocsc()
        return [y[:, [j]].toarray().ravel() for j in range(shape[1])]
    return [_column(y, j) for j in range(shape[1])]


def describe_classes(counts: NDArray[np.int64]) -> dict[str, float]:
    """Return the number of classes, their entropy in bits, its evenness, and the rarest's share.

    Args:
        counts: Rows of each class, of shape (k,); of none nothing is returned.
    """
    if not counts.size:
        return {}
    return {
        "nr_class": len(counts),
        "class_ent": stats.entropy(counts),
        "class_balance": stats.evenness(counts),
        "freq_class.min": counts.min() / counts.sum(),
        "freq_class.max": counts.max() / counts.sum(),
    }


def _as_array(y: Any) -> Any:
    y = columns.as_numpy(y)
    if isinstance(y, list | tuple):
        return np.array(y, dtype=object)
    return y if hasattr(y, "shape") else np.asarray(y)


def _as_one_dimensional(y: Any) -> Any:
    y = _as_array(y)
    shape = tuple(y.shape)
    if len(shape) == 1:
        return y
    if len(shape) == 2 and shape[1] == 1:
        return _column(y, 0)
    raise ValueError(
        f"y must have one dimension, got the shape {shape}. Pass one output, a value per row."
    )


def _column(y: Any, j: int) -> Any:
    return y.iloc[:, j] if hasattr(y, "iloc") else np.asarray(y[:, j]).ravel()


def _take(y: Any, rows: Any) -> Any:
    return y.iloc[rows] if hasattr(y, "iloc") else y[rows]


def _chunks(y: Any) -> Iterator[Any]:
    for start in range(0, len(y), _CHUNK):
        yield _take(y, slice(start, start + _CHUNK))


def _is_regression(y: Any) -> bool:
    parts = []
    for values, counts in _count_values(y):
        # What one piece shows need not be looked for in the others.
        if np.any(values != np.floor(values)) or len(values) > _most_classes(len(y)):
            return True
        parts.append((values, counts))
    values, counts = _merge(parts)
    return len(values) > _most_classes(int(counts.sum())) or len(values) == counts.sum() > 2


def _most_classes(nr_values: int) -> float:
    return max(_MIN_REGRESSION_VALUES, math.sqrt(nr_values))


def _numbers(y: Any, rows: NDArray[np.int64]) -> Response:
    step = max(1, -(-len(y) // _MAX_MOMENT_ROWS))
    z = stats.standardise(columns.read_column(_take(y, np.arange(0, len(y), step)))[:, None])
    skew, kurt = (
        float(m[0]) if len(m) else math.nan for m in (stats.skewness(z), stats.kurtosis(z))
    )
    return Response(columns.read_column(_take(y, rows)), np.empty(0, dtype=np.int64), skew, kurt)


def _classes(y: Any, rows: NDArray[np.int64]) -> Response:
    values, counts = _merge(list(_count_values(y)))
    numbers = columns.read_column(_take(y, rows))
    return Response(np.where(np.isnan(numbers), -1, np.searchsorted(values, numbers)), counts)


def _categories(y: Any, rows: NDArray[np.int64]) -> Response:
    count_of: Counter[str] = Counter()
    for chunk in _chunks(y):
        count_of.update(columns.count_texts(chunk))
    names = sorted(count_of)
    codes = columns.number_texts(columns.read_texts(_take(y, rows)), names)
    return Response(codes, np.array([count_of[name] for name in names], dtype=np.int64))


def _count_values(y: Any) -> Iterator[tuple[Array, NDArray[np.int64]]]:
    for chunk in _chunks(y):
        numbers = columns.read_column(chunk)
        yield np.unique(numbers[~np.isnan(numbers)], return_counts=True)


def _merge(parts: list[tuple[Array, NDArray[np.int64]]]) -> tuple[Array, NDArray[np.int64]]:
    """Return the distinct values of all parts, ascending, and how often each occurs."""
    if not parts:
        return np.empty(0), np.empty(0, dtype=np.int64)
    values, part = np.unique(np.concatenate([v for v, _ in parts]), return_inverse=True)
    counts = np.zeros(len(values), dtype=np.int64)
    np.add.at(counts, part, np.concatenate([c for _, c in parts]))
    return values, counts

"""The target of a data set: numbers to regress on, or classes; one output or several.

A target may have millions of values. It is read in pieces, and of all its values only what they
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

from optuna_meta.features.columns import as_numpy
from optuna_meta.features.columns import holds_numbers
from optuna_meta.features.columns import read_column
from optuna_meta.features.columns import read_texts
from optuna_meta.features.measures import kurtosis
from optuna_meta.features.measures import skewness
from optuna_meta.features.measures import standardise


__all__ = ["read_target", "split_outputs", "summarise_target", "Target", "Task"]

Task: TypeAlias = Literal["classification", "regression"]

_MIN_REGRESSION_VALUES = 20
_CHUNK = 250_000
_MAX_MOMENT_ROWS = 1_000_000


class Target(NamedTuple):
    """One output: its values in some rows, and what those of all rows add up to."""

    values: NDArray[Any]  # (m,), float64 numbers with NaN or int64 class codes with -1
    counts: NDArray[np.int64]  # (k,), rows of each class; (0,) for a regression
    skewness: float  # NaN for classes, and for numbers that are all the same
    kurtosis: float


def read_target(y: Any, task: Task | None = None) -> NDArray[Any]:
    """Returns the target as float64 numbers for a regression, as int64 class codes otherwise.

    Unless the task is given, categories are classes and numbers are classes where all are whole,
    at most max(20, sqrt(n)) of them differ, and at least one of them (or of two) repeats.

    Args:
        y: The target of n instances.
        task: "classification" or "regression"; None to tell from the values.

    Returns:
        An array of shape (n,): numbers with NaN, or codes with -1, where a value is missing.

    Raises:
        ValueError: If y is not one-dimensional, the task is unknown, or a regression has a
            target that is not numeric.
    """
    y = _as_one_dimensional(y)
    return summarise_target(y, np.arange(len(y)), task).values


def summarise_target(y: Any, rows: NDArray[np.int64], task: Task | None = None) -> Target:
    """Returns the target's values in these rows, and what is known of all rows.

    Moments are of at most a million rows, evenly spaced.

    Args:
        y: The target of n instances, as :func:`read_target` takes it.
        rows: Shape (m,), of which the values are wanted.
        task: "classification" or "regression"; None to tell from all values.

    Raises:
        ValueError: As :func:`read_target`.
    """
    if task is not None and task not in get_args(Task):
        raise ValueError(
            f"task must be 'classification', 'regression' or None, got {task!r}. "
            "Pass None to tell it from y."
        )
    y = _as_one_dimensional(y)
    if not all(holds_numbers(chunk) for chunk in _chunks(y)):
        if task == "regression":
            raise ValueError(
                "The target of a regression must be numeric, got categories. Convert y to "
                "numbers, or pass task='classification'."
            )
        return _categories(y, rows)
    if (task or _infer_task(y)) == "regression":
        return _numbers(y, rows)
    return _classes(y, rows)


def split_outputs(y: Any) -> list[Any]:
    """Returns the columns of a target, each of shape (n,).

    Args:
        y: One target of shape (n,), or k of shape (n, k): an array, a list, a pandas Series or
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
    return [y.iloc[:, j] if hasattr(y, "iloc") else y[:, j] for j in range(shape[1])]


def _as_array(y: Any) -> Any:
    y = as_numpy(y)
    if isinstance(y, list | tuple):
        return np.array(y, dtype=object)
    return y if hasattr(y, "shape") else np.asarray(y)


def _as_one_dimensional(y: Any) -> Any:
    y = _as_array(y)
    shape = tuple(y.shape)
    if len(shape) == 1:
        return y
    if len(shape) == 2 and shape[1] == 1:
        return y.iloc[:, 0] if hasattr(y, "iloc") else np.asarray(y)[:, 0]
    raise ValueError(
        f"y must have one dimension, got the shape {shape}. Pass one target, a value per row."
    )


def _chunks(y: Any) -> Iterator[Any]:
    cells = y.iloc if hasattr(y, "iloc") else y
    for start in range(0, len(y), _CHUNK):
        yield cells[start : start + _CHUNK]


def _take(y: Any, rows: NDArray[np.int64]) -> Any:
    return y.iloc[rows] if hasattr(y, "iloc") else y[rows]


def _infer_task(y: Any) -> Task:
    parts = []
    for chunk in _chunks(y):
        numbers = _present(read_column(chunk))
        parts.append(np.unique(numbers, return_counts=True))
        nr_values = len(parts[-1][0])
        # What one piece shows need not be looked for in the others.
        if np.any(numbers != np.floor(numbers)) or nr_values > _most_classes(len(y)):
            return "regression"
    values, counts = _merge(parts)
    if len(values) > _most_classes(int(counts.sum())):
        return "regression"
    return "regression" if len(values) == counts.sum() > 2 else "classification"


def _most_classes(nr_values: int) -> float:
    return max(_MIN_REGRESSION_VALUES, math.sqrt(nr_values))


def _numbers(y: Any, rows: NDArray[np.int64]) -> Target:
    step = max(1, -(-len(y) // _MAX_MOMENT_ROWS))
    z = standardise(read_column(_take(y, np.arange(0, len(y), step)))[:, None])
    skew, kurt = (float(m[0]) if len(m) else math.nan for m in (skewness(z), kurtosis(z)))
    return Target(read_column(_take(y, rows)), np.empty(0, dtype=np.int64), skew, kurt)


def _classes(y: Any, rows: NDArray[np.int64]) -> Target:
    parts = [np.unique(_present(read_column(c)), return_counts=True) for c in _chunks(y)]
    values, counts = _merge(parts)
    numbers = read_column(_take(y, rows))
    codes = np.full(len(numbers), -1, dtype=np.int64)
    present = ~np.isnan(numbers)
    codes[present] = np.searchsorted(values, numbers[present])
    return Target(codes, counts, math.nan, math.nan)


def _categories(y: Any, rows: NDArray[np.int64]) -> Target:
    count_of: Counter[str] = Counter()
    for chunk in _chunks(y):
        count_of.update(text for text in read_texts(chunk) if text is not None)
    names = sorted(count_of)
    number_of = {name: i for i, name in enumerate(names)}
    codes = [-1 if text is None else number_of[text] for text in read_texts(_take(y, rows))]
    counts = np.array([count_of[name] for name in names], dtype=np.int64)
    return Target(np.array(codes, dtype=np.int64), counts, math.nan, math.nan)


def _present(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    return numbers[~np.isnan(numbers)]


def _merge(parts: list[Any]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns the distinct values of all parts, ascending, and how often each occurs."""
    if not parts:
        return np.empty(0), np.empty(0, dtype=np.int64)
    values, part = np.unique(np.concatenate([v for v, _ in parts]), return_inverse=True)
    counts = np.zeros(len(values), dtype=np.int64)
    np.add.at(counts, part, np.concatenate([c for _, c in parts]))
    return values, counts

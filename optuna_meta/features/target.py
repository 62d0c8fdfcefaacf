"""The target of a data set: numbers to regress on, or classes."""

from __future__ import annotations

import math
from typing import Any
from typing import get_args
from typing import Literal
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.columns import is_numeric
from optuna_meta.features.columns import read_column


__all__ = ["read_target", "Task"]

Task: TypeAlias = Literal["classification", "regression"]

_MIN_REGRESSION_VALUES = 20


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
    if task is not None and task not in get_args(Task):
        raise ValueError(
            f"task must be 'classification', 'regression' or None, got {task!r}. "
            "Pass None to tell it from y."
        )
    column = read_column(_as_one_dimensional(y))
    if not is_numeric(column):
        if task == "regression":
            raise ValueError(
                "The target of a regression must be numeric, got categories. Convert y to "
                "numbers, or pass task='classification'."
            )
        return column
    task = task or _infer_task(column)
    return column if task == "regression" else _classes(column)


def _as_one_dimensional(y: Any) -> Any:
    if isinstance(y, list | tuple):
        y = np.array(y, dtype=object)
    elif not hasattr(y, "shape"):
        y = np.asarray(y)
    shape = tuple(y.shape)
    if len(shape) == 1:
        return y
    if len(shape) == 2 and shape[1] == 1:
        return y.iloc[:, 0] if hasattr(y, "iloc") else np.asarray(y)[:, 0]
    raise ValueError(
        f"y must have one dimension, got the shape {shape}. Pass one target, a value per row."
    )


def _infer_task(numbers: NDArray[np.float64]) -> Task:
    present = numbers[~np.isnan(numbers)]
    nr_values = len(np.unique(present))
    if np.any(present != np.floor(present)):
        return "regression"
    if nr_values > max(_MIN_REGRESSION_VALUES, math.sqrt(len(present))):
        return "regression"
    return "regression" if nr_values == len(present) > 2 else "classification"


def _classes(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    codes = np.full(len(numbers), -1, dtype=np.int64)
    present = ~np.isnan(numbers)
    codes[present] = np.unique(numbers[present], return_inverse=True)[1]
    return codes

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.datasets import load_diabetes
from sklearn.datasets import load_digits

from optuna_meta.features.columns import is_numeric
from optuna_meta.features.target import read_target


CLASSES = [
    np.array([0, 1, 1, 2]),
    np.array([0.0, 1.0, np.nan, 1.0]),
    np.array([True, False]),
    np.array([1, 2]),
    np.array(["a", "b", "c"]),
    ["a", None, "b", float("nan")],
    [1, 1, None, 2],
    pd.Series([1.5, 2.5, 3.5], dtype="category"),
    pd.Categorical(["a", "b"]),
    pd.Series([True, None, False], dtype="boolean"),
    np.array([[0], [1], [1]]),
    pd.DataFrame({"y": ["a", "b"]}),
    np.arange(10_000) % 100,
    np.zeros(5),
    np.array([1e300, -1e300, 1e300]),
]
NUMBERS = [
    np.array([0.5, 1.0, 1.0]),
    [0.5, None, 1, 1],
    np.array([1, 2, 3]),
    np.arange(100) % 21,
    np.arange(10_000) % 101,
    pd.Series([1, 2, None, 4], dtype="Int64"),
    pd.to_datetime(pd.Series(["2024-01-01", "2024-01-02", "2024-01-03"])),
]


@pytest.mark.parametrize("y", CLASSES)
def test_classes(y: Any) -> None:
    target = read_target(y)
    assert not is_numeric(target)
    assert set(target[target >= 0]) == set(range(target.max() + 1))


@pytest.mark.parametrize("y", NUMBERS)
def test_numbers_to_regress_on(y: Any) -> None:
    assert is_numeric(read_target(y))


def test_well_known_targets() -> None:
    assert is_numeric(read_target(load_diabetes().target))
    assert read_target(load_digits().target).max() == 9


def test_the_task_overrides_the_values() -> None:
    assert is_numeric(read_target([0, 1, 1], "regression"))
    assert read_target([0.5, 1.5, None, 0.5], "classification").tolist() == [0, 1, -1, 0]


def test_a_regression_on_categories_is_refused() -> None:
    with pytest.raises(ValueError, match="regression must be numeric, got categories"):
        read_target(["a", "b"], "regression")


def test_an_unknown_task_is_refused() -> None:
    task: Any = "ranking"
    with pytest.raises(ValueError, match="task must be .* got 'ranking'"):
        read_target([0, 1], task)


@pytest.mark.parametrize("y", [np.zeros((3, 2)), 1.0, None, scipy.sparse.eye(3), [[1, 2], [3, 4]]])
def test_other_shapes_are_refused(y: Any) -> None:
    with pytest.raises(ValueError, match="y must have one dimension, got the shape"):
        read_target(y)

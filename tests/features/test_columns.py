from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optuna_meta.features.columns import count_texts
from optuna_meta.features.columns import finite
from optuna_meta.features.columns import holds_numbers
from optuna_meta.features.columns import is_numeric
from optuna_meta.features.columns import read_column
from optuna_meta.features.columns import read_texts


NAN = np.nan
DAYS = ["2024-01-01", None, "2024-01-03"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([1, 2, 3], dtype=np.int8), [1, 2, 3]),
        (np.array([True, False, True]), [1, 0, 1]),
        (np.array([1.0, np.inf, -np.inf]), [1, NAN, NAN]),
        (np.array([2**64 - 1, 1, 0], dtype=np.uint64), [2.0**64, 1, 0]),
        ([1, None, 2.5], [1, NAN, 2.5]),
        ([True, pd.NA, False], [1, NAN, 0]),
        ([1, 10**400, pd.NaT], [1, NAN, NAN]),
        ([Decimal("1.5"), np.float32(2), np.bool_(True)], [1.5, 2, 1]),
        ([None, None, NAN], [NAN, NAN, NAN]),
        (pd.Series([1, None, 3], dtype="Int64"), [1, NAN, 3]),
        (pd.Series([1.5, None, 3], dtype="Float64"), [1.5, NAN, 3]),
        (pd.Series([True, None, False], dtype="boolean"), [1, NAN, 0]),
    ],
)
def test_numbers_become_floats(values: Any, expected: list[float]) -> None:
    column = read_column(values)
    assert is_numeric(column) and holds_numbers(values)
    np.testing.assert_array_equal(column, np.array(expected, dtype=np.float64))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array(["b", "a", "b"]), [1, 0, 1]),
        (["b", None, "a"], [1, -1, 0]),
        (["b", NAN, "a"], [1, -1, 0]),
        ([1, "a", 2.5], [0, 2, 1]),
        (["1", "2", "1"], [0, 1, 0]),
        (pd.Series(["b", None, "a"], dtype="string"), [1, -1, 0]),
        (pd.Series(["b", None, "a"]), [1, -1, 0]),
        (pd.Series([7, None, 5], dtype="category"), [1, -1, 0]),
        (pd.Categorical(["x", "y", None]), [0, 1, -1]),
        (pd.Series(pd.period_range("2024-01", periods=3, freq="M")), [0, 1, 2]),
        ([[1], [1, 2], [1]], [1, 0, 1]),
    ],
)
def test_everything_else_becomes_codes(values: Any, expected: list[int]) -> None:
    if isinstance(values, list) and isinstance(values[0], list):
        values = pd.Series(values)
    column = read_column(values)
    assert not is_numeric(column) and not holds_numbers(values)
    assert column.tolist() == expected


@pytest.mark.parametrize(
    "values",
    [
        np.array(DAYS, dtype="datetime64[D]"),
        pd.to_datetime(pd.Series(DAYS)),
        pd.to_datetime(pd.Series(DAYS), utc=True).dt.tz_convert("Asia/Tokyo"),
        pd.to_datetime(pd.Series(DAYS)) - pd.Timestamp("2020-01-01"),
    ],
    ids=["numpy", "pandas", "time zone", "duration"],
)
def test_dates_and_durations_are_numbers(values: Any) -> None:
    first, missing, last = read_column(values)
    assert np.isnan(missing)
    assert last > first


def test_an_infinity_of_a_long_double_is_missing_without_a_warning() -> None:
    assert np.isnan(finite(np.array([np.finfo(np.longdouble).max, np.inf]))).any()


def test_finite_returns_a_copy() -> None:
    values = np.array([1.0, np.inf])
    finite(values)
    assert values[1] == np.inf


@pytest.mark.parametrize(
    "values",
    [
        ["b", "a", None, "b", NAN, pd.NA],
        ["0.0", 0.0, -0.0, 1.0, 1, True, None],
        ["a", 0.0, -0.0, NAN],
        np.array(["x", "y", "x"]),
        pd.Series(["b", None, "b"], dtype="category"),
        [[1], [1, 2], [1]],
        [],
    ],
)
def test_texts_are_counted_as_they_are_read(values: Any) -> None:
    if isinstance(values, list) and values and isinstance(values[0], list):
        values = pd.Series(values)
    counts = count_texts(values)
    assert counts == Counter(text for text in read_texts(values) if text is not None)

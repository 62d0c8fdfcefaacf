from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.datasets import load_diabetes
from sklearn.datasets import load_digits
import torch

from optuna_meta.features import response as response_module
from optuna_meta.features.columns import is_numeric
from optuna_meta.features.response import read_response
from optuna_meta.features.response import split_outputs
from optuna_meta.features.response import summarise_response
from optuna_meta.features.stats import kurtosis
from optuna_meta.features.stats import skewness
from optuna_meta.features.stats import standardise


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
    codes = read_response(y)
    assert not is_numeric(codes)
    assert set(codes[codes >= 0]) == set(range(codes.max() + 1))


@pytest.mark.parametrize("y", NUMBERS)
def test_numbers_to_regress_on(y: Any) -> None:
    assert is_numeric(read_response(y))


def test_well_known_responses() -> None:
    assert is_numeric(read_response(load_diabetes().target))
    assert read_response(load_digits().target).max() == 9


def test_the_task_overrides_the_values() -> None:
    assert is_numeric(read_response([0, 1, 1], "regression"))
    assert read_response([0.5, 1.5, None, 0.5], "classification").tolist() == [0, 1, -1, 0]


def test_a_regression_on_categories_is_refused() -> None:
    with pytest.raises(ValueError, match="regression must be numeric, got categories"):
        read_response(["a", "b"], "regression")


def test_an_unknown_task_is_refused() -> None:
    task: Any = "ranking"
    with pytest.raises(ValueError, match="task must be .* got 'ranking'"):
        read_response([0, 1], task)


@pytest.mark.parametrize("y", [np.zeros((3, 2)), 1.0, None, scipy.sparse.eye(3), [[1, 2], [3, 4]]])
def test_other_shapes_are_refused(y: Any) -> None:
    with pytest.raises(ValueError, match="y must have one dimension, got the shape"):
        read_response(y)


@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("y", [*CLASSES, *NUMBERS])
def test_reading_in_pieces_changes_nothing(
    y: Any, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.arange(len(y))[:100:2]
    expected = summarise_response(y, rows)
    # Else ten thousand values would come in as many pieces.
    monkeypatch.setattr(response_module, "_CHUNK", size if len(y) < 200 else 997)
    for one, other in zip(expected, summarise_response(y, rows), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("y", CLASSES)
def test_classes_are_counted_in_all_rows(y: Any) -> None:
    response = summarise_response(y, np.arange(0))
    everything = read_response(y)
    np.testing.assert_array_equal(response.counts, np.bincount(everything[everything >= 0]))
    assert response.values.shape == (0,)
    assert np.isnan([response.skewness, response.kurtosis]).all()


def test_moments_are_of_all_rows() -> None:
    y = load_diabetes().target
    response = summarise_response(y, np.array([3, 5]))
    np.testing.assert_array_equal(response.values, y[[3, 5]])
    z = standardise(y[:, None])
    assert (response.skewness, response.kurtosis) == (skewness(z)[0], kurtosis(z)[0])
    assert response.counts.shape == (0,)


def test_moments_of_very_many_rows_are_of_rows_evenly_spaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    y = load_diabetes().target
    monkeypatch.setattr(response_module, "_MAX_MOMENT_ROWS", 100)
    some = summarise_response(y[::5], np.arange(3), "regression")
    every = summarise_response(y, np.arange(3), "regression")
    assert (every.skewness, every.kurtosis) == (some.skewness, some.kurtosis)


OUTPUTS = np.array([[0, 5], [1, 5], [1, 6]])


@pytest.mark.parametrize(
    "y",
    [
        OUTPUTS,
        OUTPUTS.tolist(),
        [tuple(row) for row in OUTPUTS.tolist()],
        pd.DataFrame(OUTPUTS, columns=["x", "x"]),
        scipy.sparse.csr_matrix(OUTPUTS),
        scipy.sparse.coo_array(OUTPUTS),
        torch.tensor(OUTPUTS),
    ],
)
def test_outputs_are_columns(y: Any) -> None:
    first, second = split_outputs(y)
    assert list(first) == [0, 1, 1]
    assert list(second) == [5, 5, 6]


@pytest.mark.parametrize("y", [[1, 2], pd.Series(["a", "b"]), torch.zeros(2), np.zeros((2, 1))])
def test_one_output_is_one_column(y: Any) -> None:
    assert [len(output) for output in split_outputs(y)] == [2]


@pytest.mark.parametrize("y", [1.0, np.zeros((2, 2, 2)), np.zeros((2, 0))])
def test_responses_of_other_shapes_are_refused(y: Any) -> None:
    with pytest.raises(ValueError, match="or a column for each output, got the shape"):
        split_outputs(y)

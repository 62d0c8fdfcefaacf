from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

from optuna_meta.features.stats import standardise
from optuna_meta.features.tabular.table import encode
from optuna_meta.features.tabular.table import read_table
from optuna_meta.features.tabular.table import Table


def read(X: Any, seed: int = 0) -> Table:
    return read_table(X, np.random.default_rng(seed))


ROWS = [[1.5, "a", None], [2.5, "b", 3], [None, None, 4]]


@pytest.mark.parametrize(
    "X", [ROWS, np.array(ROWS, dtype=object), pd.DataFrame(ROWS)], ids=["list", "array", "frame"]
)
def test_mixed_rows_split_by_kind(X: Any) -> None:
    table = read(X)
    assert (table.nr_inst, table.nr_num, table.nr_cat) == (3, 2, 1)
    np.testing.assert_array_equal(table.numbers, [[1.5, np.nan], [2.5, 3], [np.nan, 4]])
    assert table.codes.tolist() == [[0], [1], [-1]]


@pytest.mark.parametrize("sparse", [scipy.sparse.csr_matrix, scipy.sparse.coo_array])
def test_a_sparse_matrix_reads_as_the_dense_one(sparse: Any) -> None:
    dense = np.random.default_rng(0).integers(0, 2, (300, 250)).astype(float)
    np.testing.assert_array_equal(read(sparse(dense)).numbers, read(dense).numbers)


def test_an_enormous_sparse_matrix_is_sampled_before_it_is_dense() -> None:
    rng = np.random.default_rng(0)
    places = rng.integers(100_000, size=1_000), rng.integers(1_000_000, size=1_000)
    X = scipy.sparse.csr_array((np.ones(1_000), places), shape=(100_000, 1_000_000))
    table = read(X)
    assert table.numbers.shape == (200, 200)
    assert (table.nr_inst, table.nr_num) == (100_000, 1_000_000)


def test_duplicated_column_names_are_columns_of_their_own() -> None:
    frame = pd.DataFrame([[1, "a"], [2, "b"]], columns=["x", "x"], index=[7, 7])
    table = read(frame)
    assert (table.nr_num, table.nr_cat) == (1, 1)


def test_a_sample_holds_whole_rows_of_the_data() -> None:
    X = np.arange(20_000.0).reshape(5_000, 4)
    table = read(X)
    assert table.numbers.shape == (2_000, 4)
    np.testing.assert_array_equal(table.numbers, X[table.rows])
    assert not np.array_equal(table.rows, read(X, seed=1).rows)


@pytest.mark.parametrize(
    "X", [[1, 2], [], [[]], np.zeros((0, 3)), np.zeros((2, 2, 2)), [[1], [1, 2]], pd.Series([1])]
)
def test_other_shapes_are_refused(X: Any) -> None:
    with pytest.raises(ValueError, match="X must have two dimensions .* got the shape"):
        read(X)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int32])
def test_a_tensor_reads_as_the_array(dtype: torch.dtype) -> None:
    dense = np.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(read(torch.tensor(dense).to(dtype)).numbers, dense)
    assert read(torch.tensor(dense, requires_grad=True)).nr_num == 3


def test_learners_see_missing_numbers_as_the_mean_and_frequent_categories_as_columns() -> None:
    z = np.array([[1.0], [np.nan], [-1.0], [0.0]])
    codes = np.array([[0, 7], [0, 7], [-1, 7], [2, 7]])
    design = encode(z, codes)
    np.testing.assert_array_equal(design[:, 0], [1, 0, -1, 0])
    # Of the first column two categories, and none of the constant one.
    expected = standardise(np.array([[1.0, 0], [1, 0], [0, 0], [0, 1]]))
    np.testing.assert_allclose(design[:, 1:], expected)
    many = np.arange(40)[:, None] % 20
    assert encode(np.empty((40, 0)), many).shape == (40, 8)

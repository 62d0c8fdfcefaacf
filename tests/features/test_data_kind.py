from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

from optuna_meta.features import Interactions
from optuna_meta.features.data_kind import find_data_kind


class Rated(Interactions):
    """Interactions of a class of one's own."""


TABLES = {
    "array": np.zeros((3, 2)),
    "strings": np.array([["a", "b"], ["c", "d"]]),
    "frame": pd.DataFrame({"a": ["x", "y"]}),
    "sparse": scipy.sparse.eye(3, format="csr"),
    "sparse array": scipy.sparse.coo_array(np.eye(3)),
    "tensor": torch.zeros(3, 2),
    "rows": [[1, 2], [3, 4]],
    "rows of strings": [["a", "b"], ["c", "d"]],
    "tuples": [(1, "a"), (2, "b")],
    "arrays": [np.zeros(3), np.zeros(3)],
    "nothing": [],
    "a number": 3,
    "numbers": pd.Series([1.0, 2.0]),
    "a dictionary": {"a": [1, 2]},
    "a string": "not a document",
}
TEXTS = {
    "list": ["a b", "c"],
    "with gaps": [None, "a", float("nan")],
    "tuple": ("a", "b"),
    "array": np.array(["a", "b"]),
    "objects": np.array(["a", None], dtype=object),
    "series": pd.Series(["a", "b"]),
    "nullable": pd.Series(["a", None], dtype="string"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str) -> None:
    assert find_data_kind(TABLES[name]) == "tabular"


@pytest.mark.parametrize("name", TEXTS)
def test_texts(name: str) -> None:
    assert find_data_kind(TEXTS[name]) == find_data_kind(TEXTS[name], [0, 1]) == "text"


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((2, 3, 8, 8)),
        np.zeros((2, 8, 8)),
        torch.zeros(2, 1, 8, 8),
        torch.utils.data.TensorDataset(torch.zeros(2, 1, 8, 8), torch.zeros(2)),
        [np.zeros((8, 8)), np.zeros((9, 8))],
        [torch.zeros(3, 8, 8)],
    ],
)
def test_images(data: Any) -> None:
    assert find_data_kind(data) == "image"


def test_pairs_of_sentences_are_tuples_without_a_response() -> None:
    pairs = [("a b", "c d"), ("e", "f")]
    assert find_data_kind(pairs) == "pair"
    assert find_data_kind(pairs, [0, 1]) == "tabular"
    assert find_data_kind([*pairs, ("a", None)]) == "tabular"


def test_interactions_are_told_by_their_class() -> None:
    assert find_data_kind(Interactions([1], [2])) == "interaction"
    assert find_data_kind(Rated([1], [2])) == "interaction"


def test_an_iterator_is_not_used_up() -> None:
    iterator = iter(["a", "b"])
    assert find_data_kind(iterator) == "tabular"
    assert list(iterator) == ["a", "b"]

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from optuna_meta.features.response import Response
from optuna_meta.features.tabular.simple import count_classes
from optuna_meta.features.tabular.simple import count_table
from optuna_meta.features.tabular.table import read_table


def count(X: Any, nr_outputs: int = 1) -> dict[str, float]:
    return count_table(read_table(X, np.random.default_rng(0)), nr_outputs)


def test_rows_columns_and_missing_cells_are_counted() -> None:
    features = count([[1.5, "a", None], [2.5, "b", 3], [None, None, 4], [1, "c", 5]], 2)
    assert features == {
        "nr_inst": 4,
        "nr_attr": 3,
        "nr_num": 2,
        "nr_cat": 1,
        "nr_bin": 0,
        "attr_to_inst": 3 / 4,
        "missing_ratio": 3 / 12,
        "inst_missing_ratio": 2 / 4,
        "nr_outputs": 2,
    }


def test_classes_are_counted_in_all_rows() -> None:
    features = count_classes(Response(np.array([0, 1]), np.array([6, 2])))
    assert (features["is_regression"], features["nr_class"]) == (0, 2)
    assert (features["freq_class.min"], features["freq_class.max"]) == (1 / 4, 3 / 4)
    assert features["freq_class.sd"] == pytest.approx(np.std([1 / 4, 3 / 4], ddof=1))
    none = count_classes(Response(np.array([-1, -1]), np.empty(0, dtype=np.int64)))
    assert (none["is_regression"], none["nr_class"]) == (0, 0)
    assert count_classes(Response(np.array([0.5]), np.empty(0, dtype=np.int64))) == {
        "is_regression": 1.0
    }


def test_columns_of_two_values_are_counted() -> None:
    rng = np.random.default_rng(0)
    letters = np.array(list("xyz"), dtype=object)
    frame = pd.DataFrame(
        {
            "number": np.where(np.arange(300) % 7, rng.standard_normal(300), np.nan),
            "flag": rng.random(300) < 0.3,
            "kind": pd.Categorical(rng.choice(letters[:2], 300)),
            "city": rng.choice(letters, 300),
        }
    )
    assert count(frame)["nr_bin"] == 2
    wide = np.column_stack([rng.integers(0, 2, (50, 300)), rng.standard_normal((50, 100))])
    assert count(wide)["nr_bin"] == pytest.approx(300, rel=0.1)

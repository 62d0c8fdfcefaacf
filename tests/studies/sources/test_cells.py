from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optuna_meta.studies.sources.cells import cell
from optuna_meta.studies.sources.cells import flat
from optuna_meta.studies.sources.cells import literal
from optuna_meta.studies.sources.cells import number
from optuna_meta.studies.sources.cells import whole


@pytest.mark.parametrize("empty", [None, math.nan, np.float64("nan"), pd.NA, pd.NaT, np.ma.masked])
def test_empty_cells_of_all_kinds_are_none(empty: Any) -> None:
    assert cell(empty) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("3.0", 3.0),
        ("1e-4", 1e-4),
        ("True", True),
        ("false", False),
        ("None", None),
        ("nan", "nan"),
        ("inf", "inf"),
        ("sqrt", "sqrt"),
        (np.int64(3), 3),
    ],
)
def test_a_text_is_the_value_that_it_spells(text: Any, value: Any) -> None:
    assert repr(literal(text)) == repr(value)


def test_numbers_are_read_from_texts() -> None:
    assert [number(v) for v in ("0.5", 2, None, "bad", "None")] == [0.5, 2.0, None, None, None]


def test_integers_that_an_empty_cell_made_floats_are_such_again() -> None:
    assert repr(whole([1.0, None, 3.0])) == "[1, None, 3]"
    assert repr(whole([1.0, 3.0])) == "[1.0, 3.0]"
    assert repr(whole([1.5, None])) == "[1.5, None]"


def test_leaves_of_nested_configurations_have_paths() -> None:
    nested = {"lr": np.float64(0.1), "net": {"width": 8, "head": {"act": "relu"}}, "empty": {}}
    assert flat(nested, "/") == {"lr": 0.1, "net/width": 8, "net/head/act": "relu"}

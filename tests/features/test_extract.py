from __future__ import annotations

from collections.abc import Mapping
import math
from typing import Any
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_iris

from optuna_meta.features import extract_meta_features
from optuna_meta.features.tabular.tabular import TABULAR_GROUPS
from optuna_meta.features.tabular.tabular import tabular_meta_features


IRIS = load_iris(return_X_y=True)


def share_of_positive(X: Any, y: Any) -> Mapping[str, object]:
    return {"share_of_positive": np.mean(X > 0), "labels": len(y)}


def broken(X: Any, y: Any) -> Mapping[str, object]:
    raise RuntimeError("no such luck")


def same(actual: Mapping[str, float], expected: Mapping[str, float]) -> bool:
    return list(actual) == list(expected) and bool(
        actual == pytest.approx(expected, rel=0, abs=0, nan_ok=True)
    )


def test_what_is_nothing_else_is_a_table() -> None:
    assert same(extract_meta_features(*IRIS, seed=3), tabular_meta_features(*IRIS, seed=3))
    features = extract_meta_features(*IRIS, task="regression")
    assert features["is_regression"] == 1


@pytest.mark.parametrize("group", TABULAR_GROUPS)
def test_a_group_alone_gives_what_it_gives_among_all(group: str) -> None:
    features = extract_meta_features(*IRIS, groups=[group])
    together = extract_meta_features(*IRIS)
    assert list(features) == list(TABULAR_GROUPS[group])
    assert same(features, {name: together[name] for name in features})


def test_an_unknown_group_is_refused_before_anything_is_read() -> None:
    with pytest.raises(ValueError, match="groups must be among 'simple', .* got 'spectral'"):
        extract_meta_features(None, groups=["simple", "spectral"])


def test_without_time_all_features_are_missing() -> None:
    features = extract_meta_features(*IRIS, max_seconds=0)
    assert list(features) == list(extract_meta_features(*IRIS))
    assert all(math.isnan(value) for value in features.values())
    assert same(extract_meta_features(*IRIS, max_seconds=600), extract_meta_features(*IRIS))


def test_functions_and_dictionaries_join() -> None:
    features = extract_meta_features(*IRIS, extra=[share_of_positive, {"rooms": 3, "nr_inst": 1}])
    own = list(extract_meta_features(*IRIS))
    assert list(features) == [*own, "share_of_positive", "labels", "rooms"]
    assert features["share_of_positive"] == 1.0
    assert (features["labels"], features["rooms"]) == (150.0, 3.0)
    assert features["nr_inst"] == 1.0
    assert list(features)[: len(extract_meta_features(*IRIS))] == list(
        extract_meta_features(*IRIS)
    )


@pytest.mark.parametrize("extra", [share_of_positive, {"rooms": 3}])
def test_one_source_needs_no_list(extra: Any) -> None:
    expected = extract_meta_features(*IRIS, extra=[extra])
    assert same(extract_meta_features(*IRIS, extra=extra), expected)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (broken, "of broken are left out: RuntimeError: no such luck"),
        (lambda X, y: {"a": "x"}, "left out: ValueError: Meta-feature 'a' must be a real number"),
        (lambda X, y: None, "left out: ValueError: Meta-features must be a mapping"),
    ],
)
def test_a_function_that_fails_is_left_out_with_a_warning(function: Any, message: str) -> None:
    with pytest.warns(UserWarning, match=message):
        features = extract_meta_features(*IRIS, extra=[function, {"rooms": 3}])
    assert same(features, extract_meta_features(*IRIS) | {"rooms": 3.0})


def test_a_function_without_time_is_left_out_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="No time was left .* of share_of_positive"):
        features = extract_meta_features(*IRIS, max_seconds=0, extra=[share_of_positive, {"a": 1}])
    assert "labels" not in features
    assert features["a"] == 1.0


@pytest.mark.parametrize(
    ("extra", "message"),
    [([{"a": "x"}], "'a' must be a real number"), ([3], "extra must hold .* got 3 of type int")],
)
def test_a_bad_source_is_refused_before_anything_is_read(extra: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        extract_meta_features(None, extra=extra)


def test_a_task_is_of_tables_alone() -> None:
    with pytest.raises(ValueError, match="task must be None for data of the kind 'text'"):
        extract_meta_features(["a", "b"], [0, 1], task="classification")


def test_nothing_is_shown_of_short_work(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extract_meta_features(*IRIS, progress=True)
    assert capsys.readouterr().err.strip() == ""

from __future__ import annotations

from collections.abc import Mapping
import json
import math
from pathlib import Path
import re
from typing import Any

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
import pytest

from optuna_meta.features.record import clean_meta_features
from optuna_meta.features.record import META_FEATURES_KEY
from optuna_meta.features.record import read_meta_features
from optuna_meta.features.record import record_meta_features


FEATURES = {"nr_inst": 150, "class_ent": 1.5849625007211562, "ridge": None, "flag": True}


def make_storage(kind: str, path: Path) -> Any:
    if kind == "sqlite":
        return f"sqlite:///{path / 'study.db'}"
    if kind == "journal":
        return JournalStorage(JournalFileBackend(str(path / "journal.log")))
    return None


@pytest.mark.parametrize("kind", ["memory", "sqlite", "journal"])
def test_features_survive_a_storage(kind: str, tmp_path: Path) -> None:
    storage = make_storage(kind, tmp_path)
    study = optuna.create_study(storage=storage, study_name="s")
    record_meta_features(study, FEATURES)
    if storage is not None:
        study = optuna.load_study(storage=make_storage(kind, tmp_path), study_name="s")
    features = read_meta_features(study.user_attrs)
    assert features is not None
    assert math.isnan(features.pop("ridge"))
    assert features == {"nr_inst": 150.0, "class_ent": 1.5849625007211562, "flag": 1.0}


def test_missing_values_are_stored_as_null() -> None:
    study = optuna.create_study()
    record_meta_features(study, {"a": math.nan, "b": np.float32("nan"), "c": None})
    text = json.dumps(study.user_attrs, allow_nan=False)
    assert json.loads(text)[META_FEATURES_KEY] == {"a": None, "b": None, "c": None}


def test_recording_again_replaces_all_features() -> None:
    study = optuna.create_study()
    record_meta_features(study, {"a": 1, "b": 2})
    record_meta_features(study, {"b": 3})
    assert read_meta_features(study.user_attrs) == {"b": 3.0}


def test_a_study_without_features_has_none() -> None:
    assert read_meta_features(optuna.create_study().user_attrs) is None


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3.0),
        (True, 1.0),
        (np.bool_(False), 0.0),
        (np.int64(-2), -2.0),
        (np.float32(0.5), 0.5),
        (2.5, 2.5),
    ],
)
def test_real_numbers_become_floats(value: object, number: float) -> None:
    cleaned = clean_meta_features({"a": value})
    assert cleaned == {"a": number}
    assert type(cleaned["a"]) is float


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1.5", "'f' must be a real number, got '1.5' of type str"),
        (np.ones(2), "'f' must be a real number, got array.* of type ndarray"),
        ([1.0], "'f' must be a real number"),
        (1j, "'f' must be a real number, got 1j of type complex"),
        (math.inf, "'f' must be finite, got inf of type float"),
        (-np.float64(math.inf), "'f' must be finite"),
        (10**400, "'f' must be finite, got 1000"),
    ],
)
def test_other_values_are_refused_by_name(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        clean_meta_features({"f": value})


@pytest.mark.parametrize("name", ["", 3, None])
def test_names_must_be_strings(name: Any) -> None:
    with pytest.raises(ValueError, match="name of a meta-feature must be a str that is not empty"):
        clean_meta_features({name: 1.0})


def test_only_a_mapping_holds_features() -> None:
    pairs: Any = [("a", 1.0)]
    with pytest.raises(ValueError, match="must be a mapping .* got .* of type list"):
        clean_meta_features(pairs)


def test_refused_features_leave_the_study_as_it_was() -> None:
    study = optuna.create_study()
    with pytest.raises(ValueError, match="real number"):
        record_meta_features(study, {"a": 1.0, "b": "x"})
    assert study.user_attrs == {}


@pytest.mark.parametrize("stored", [3.0, None, [1.0], {"a": "x"}, {"a": {"b": 1.0}}, {"": 1.0}])
def test_a_malformed_attribute_says_so(stored: object) -> None:
    attrs: Mapping[str, Any] = {META_FEATURES_KEY: stored}
    with pytest.raises(ValueError, match=f"{re.escape(META_FEATURES_KEY)}' is malformed: .*anew"):
        read_meta_features(attrs)

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optuna_meta.features import extract_meta_features
from optuna_meta.features.openml import openml_meta_features
from optuna_meta.features.openml import QUALITIES


# Of mushroom (24), as OpenML publishes them; of a regression, as OpenML counts.
MUSHROOM = {
    "NumberOfInstances": 8124.0,
    "NumberOfFeatures": 23.0,
    "NumberOfNumericFeatures": 0.0,
    "NumberOfSymbolicFeatures": 23.0,
    "NumberOfMissingValues": 2480.0,
    "NumberOfInstancesWithMissingValues": 2480.0,
    "NumberOfClasses": 2.0,
    "ClassEntropy": 0.9990678968724604,
    "MinorityClassSize": 3916.0,
    "MajorityClassSize": 4208.0,
    "AutoCorrelation": 0.726332635725717,
}
NUMBERS = {
    "NumberOfInstances": 4177.0,
    "NumberOfFeatures": 9.0,
    "NumberOfNumericFeatures": 8.0,
    "NumberOfSymbolicFeatures": 1.0,
    "NumberOfMissingValues": 0.0,
    "NumberOfInstancesWithMissingValues": 0.0,
    "NumberOfClasses": 0.0,
}


def make_mushroom() -> tuple[pd.DataFrame, list[str]]:
    """A data set of mushroom's counts."""
    frame = pd.DataFrame({f"c{j}": np.resize(["a", "b", "c"], 8124) for j in range(22)})
    frame.loc[:2479, "c10"] = None
    return frame, ["edible"] * 4208 + ["poisonous"] * 3916


def make_numbers() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((4177, 7)))
    return frame.assign(sex=rng.choice(["M", "F", "I"], 4177)), rng.standard_normal(4177)


@pytest.mark.parametrize(
    ("qualities", "make"), [(MUSHROOM, make_mushroom), (NUMBERS, make_numbers)]
)
def test_qualities_are_what_would_be_extracted(qualities: dict[str, float], make: Any) -> None:
    published = openml_meta_features(qualities)
    extracted = extract_meta_features(*make(), groups=["simple", "info-theory"])
    # Cells are counted in a sample of the rows.
    sampled = ("missing_ratio", "inst_missing_ratio")
    for name in published:
        wanted = pytest.approx(published[name], rel=0.1 if name in sampled else 1e-6, nan_ok=True)
        assert extracted[name] == wanted, name


def test_the_names_are_those_of_the_extraction() -> None:
    assert set(openml_meta_features(MUSHROOM)) <= set(extract_meta_features([[0.0], [1.0]]))


def test_missing_qualities_are_missing_features() -> None:
    assert all(math.isnan(value) for value in openml_meta_features({}).values())
    features = openml_meta_features({name: MUSHROOM[name] for name in QUALITIES[:2]})
    assert features["attr_to_inst"] == 22 / 8124
    assert math.isnan(features["nr_class"]) and math.isnan(features["nr_num"])


def test_other_qualities_may_be_of_any_type() -> None:
    assert openml_meta_features({**MUSHROOM, "Name": "mushroom"}) == openml_meta_features(MUSHROOM)
    with pytest.raises(ValueError, match="'NumberOfClasses' must be a real number"):
        openml_meta_features({**MUSHROOM, "NumberOfClasses": "2"})


def test_published_qualities_replace_extracted_features() -> None:
    X, y = np.eye(10), np.arange(10) % 2
    features = extract_meta_features(X, y, extra=[openml_meta_features(MUSHROOM)])
    assert features["nr_inst"] == 8124
    assert features["nr_outputs"] == 1

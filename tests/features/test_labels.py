from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from optuna_meta.features.labels import describe_labels
from optuna_meta.features.labels import LABEL_NAMES
from optuna_meta.features.labels import read_labels


ALIKE = [
    [2, 0, 1, 0],
    ["c", "a", "b", "a"],
    np.array([2, 0, 1, 0], dtype=np.uint8),
    np.array([[2], [0], [1], [0]]),
    torch.tensor([2, 0, 1, 0]),
    [torch.tensor(2), torch.tensor(0), torch.tensor(1), torch.tensor(0)],
    [np.array(2), np.array(0), np.array(1), np.array(0)],
    torch.tensor([2.0, 0.0, 1.0, 0.0], dtype=torch.bfloat16),
    pd.Series(["c", "a", "b", "a"], dtype="category", index=[3, 3, 3, 3]),
    (label for label in [2, 0, 1, 0]),
]


@pytest.mark.parametrize("labels", ALIKE)
def test_labels_of_any_type_are_the_same_classes(labels: Any) -> None:
    assert read_labels(labels, 4).tolist() == [2, 0, 1, 0]


COMBINED = [
    np.eye(3)[[0, 1, 2, 1]],
    torch.eye(3)[[0, 1, 2, 1]],
    [("x", "y"), (), ("x",), ()],
    [{"x", "y"}, {"z"}, {"x"}, frozenset({"z"})],
    pd.DataFrame({"p": [0, 1, 1, 1], "q": ["r", "s", "t", "s"]}),
    [[1, 2], [3], [4, 5, 6], [3]],
]


@pytest.mark.parametrize("labels", COMBINED)
def test_each_combination_of_parts_is_a_class(labels: Any) -> None:
    codes = read_labels(labels, 4)
    assert codes[1] == codes[3]
    assert len(set(codes.tolist())) == 3


def test_missing_labels() -> None:
    assert read_labels(None, 3).tolist() == [-1, -1, -1]
    assert read_labels(["a", None, float("nan")], 3).tolist() == [0, -1, -1]
    assert read_labels([(1, 0), None, (0, 1)], 3).tolist() == [1, -1, 0]


@pytest.mark.parametrize("convert", [np.asarray, torch.as_tensor, list])
def test_masks_are_no_labels(convert: Any) -> None:
    masks = np.arange(4 * 40 * 40).reshape(4, 40, 40) % 2
    assert read_labels(convert(masks), 4).tolist() == [-1] * 4
    assert read_labels(convert(masks[:, :1, :2]), 4).tolist() == [0] * 4


def test_another_number_of_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="each of the 3 instances, got 2"):
        read_labels([0, 1], 3)


def test_equal_classes_have_all_the_entropy_that_there_can_be() -> None:
    features = describe_labels(read_labels(list("abcd") * 5, 20))
    assert set(features) == set(LABEL_NAMES)
    assert features["class_ent"] == pytest.approx(2.0)
    assert features["class_balance"] == pytest.approx(1.0)
    assert features["freq_class.min"] == features["freq_class.max"] == 0.25


def test_what_has_no_classes_is_not_described_as_if_it_had() -> None:
    assert describe_labels(read_labels(None, 3)) == {}
    assert describe_labels(read_labels([0.5, 0.25, 0.75], 3)) == {"is_regression": 1.0}
    single = describe_labels(read_labels(["a", "a"], 2))
    assert (single["nr_class"], single["class_ent"]) == (1, 0)
    assert np.isnan(single["class_balance"])

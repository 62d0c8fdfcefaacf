from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
import torch
from torch.utils.data import TensorDataset

from optuna_meta.features import clean_meta_features
from optuna_meta.features.groups import Budget
from optuna_meta.features.image.image import image_meta_features


RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (40, 3, 12, 12), dtype=np.uint8)
LABELS = np.arange(40) % 2
NAMES = list(image_meta_features(BYTES[:1]))
SIZES = ["image.nr_inst", "image.channels", "image.height", "image.width"]


def assert_well_formed(features: dict[str, float]) -> None:
    assert list(features) == NAMES
    assert all(type(value) is float for value in features.values())
    clean_meta_features(features)  # Refuses an infinite value.


def test_digits() -> None:
    digits = load_digits()
    features = image_meta_features(digits.images, digits.target)
    assert_well_formed(features)
    assert [features[name] for name in SIZES] == [1797, 1, 8, 8]
    assert features["image.nr_class"] == 10
    assert features["image.class_ent"] == pytest.approx(np.log2(10), abs=0.01)
    assert features["image.one_nn"] > 0.9 and features["image.nearest_centroid"] > 0.8
    assert features["image.one_nn"] > features["image.small_tree"] > 0.5
    assert 5 < features["image.two_nn"] < 15


def test_an_array_a_tensor_and_a_data_set_have_one_description() -> None:
    expected = image_meta_features(BYTES, LABELS)
    variants: list[tuple[Any, Any]] = [
        (torch.as_tensor(BYTES), torch.as_tensor(LABELS)),
        (np.moveaxis(BYTES, 1, -1), ["no", "yes"] * 20),
        (TensorDataset(torch.as_tensor(BYTES), torch.as_tensor(LABELS)), None),
    ]
    for images, labels in variants:
        features = image_meta_features(images, labels)
        assert features == pytest.approx(expected, rel=1e-9, nan_ok=True)


def test_numbers_are_regressed_on() -> None:
    images = RNG.random((400, 1, 6, 6))
    features = image_meta_features(images, images.mean(axis=(1, 2, 3)))
    assert_well_formed(features)
    assert features["image.is_regression"] == 1
    assert features["image.ridge"] > 0.5
    assert np.isnan(features["image.linear_discr"])


EDGE_CASES = {
    "constant": (np.full((40, 8, 8), 7, dtype=np.uint8), LABELS),
    "one pixel": (RNG.random((40, 1, 1, 1)), LABELS),
    "one row of pixels": (RNG.random((40, 1, 30)), LABELS),
    "one image": (BYTES[:1], LABELS[:1]),
    "two images": (BYTES[:2], LABELS[:2]),
    "many channels": (RNG.random((40, 13, 5, 5)), LABELS),
    "one class": (BYTES, np.zeros(40)),
    "a class per image": (BYTES, [f"id{i}" for i in range(40)]),
    "no labels": (BYTES, None),
    "missing labels": (BYTES, [None, 1] * 20),
    "sets of labels": (BYTES, [{1, 2}, {3}] * 20),
    "one-hot labels": (BYTES, np.eye(2)[LABELS]),
    "huge numbers": (RNG.standard_normal((40, 4, 4)) * 1e300, RNG.standard_normal(40) * 1e300),
    "tiny numbers": (RNG.standard_normal((40, 4, 4)) * 1e-300, LABELS),
    "missing pixels": (np.where(BYTES > 200, np.nan, BYTES), LABELS),
    "nothing but missing": (np.full((40, 4, 4), np.nan), LABELS),
    "black and white": (BYTES > 127, LABELS > 0),
    "half precision": (torch.as_tensor(BYTES).to(torch.bfloat16), LABELS),
    "two distinct images": (np.repeat(BYTES[:2], 20, axis=0), LABELS),
    "one deviating pixel": (np.eye(64).reshape(64, 8, 8)[:40] > 0, LABELS),
}


@pytest.mark.parametrize("case", EDGE_CASES)
def test_no_ordinary_data_set_is_too_odd(case: str) -> None:
    assert_well_formed(image_meta_features(*EDGE_CASES[case]))


def test_the_seed_draws_the_sample() -> None:
    images = RNG.integers(0, 256, (2_000, 6, 6), dtype=np.uint8)
    labels = np.arange(2_000) % 3
    first = image_meta_features(images, labels)
    assert image_meta_features(images, labels) == pytest.approx(first, rel=0, nan_ok=True)
    other = image_meta_features(images, labels, seed=1)
    assert other["image.pixel_mean.mean"] != first["image.pixel_mean.mean"]
    assert other["image.class_ent"] == first["image.class_ent"]


def test_groups_are_the_same_alone_as_with_others() -> None:
    everything = image_meta_features(BYTES, LABELS)
    parts: dict[str, float] = {}
    for group in ["simple", "statistical", "spectral", "intrinsic", "landmarking"]:
        parts |= image_meta_features(BYTES, LABELS, groups=[group])
    assert list(parts) == NAMES
    assert parts == pytest.approx(everything, rel=0, nan_ok=True)


def test_without_time_all_is_missing() -> None:
    features = image_meta_features(BYTES, LABELS, budget=Budget(0))
    assert_well_formed(features)
    assert np.isnan(list(features.values())).all()


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(ValueError, match="groups must be among 'simple', .* got 'colour'"):
        image_meta_features(BYTES, groups=["simple", "colour"])


def test_images_and_global_generator_are_left_as_they_were() -> None:
    images = np.array([[[np.inf, 2.0], [np.nan, 3.0]]] * 9)
    copy, state = images.copy(), np.random.get_state()[1].copy()
    image_meta_features(images, np.arange(9) % 2)
    np.testing.assert_array_equal(images, copy)
    np.testing.assert_array_equal(np.random.get_state()[1], state)

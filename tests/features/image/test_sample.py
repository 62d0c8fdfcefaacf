from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from optuna_meta.features.groups import Budget
from optuna_meta.features.image.sample import ImageSample
from optuna_meta.features.image.sample import pool
from optuna_meta.features.image.sample import read_images


RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (12, 3, 10, 8), dtype=np.uint8)
LABELS = np.arange(12) % 3


def read(images: Any, labels: Any = None, seed: int = 0) -> ImageSample:
    return read_images(images, labels, np.random.default_rng(seed), Budget())


class Items(Dataset[Any]):
    """A data set that counts how often it is read."""

    def __init__(self, images: Any, labels: Any = None) -> None:
        self._images, self._labels = images, labels
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Any:
        self.asked.append(index)
        if self._labels is None:
            return self._images[index]
        return self._images[index], self._labels[index]


class Picture:
    """An image that is no array, as PIL's."""

    def __init__(self, array: np.ndarray) -> None:
        self.__array_interface__ = np.ascontiguousarray(array).__array_interface__
        self._kept = array


ALIKE = {
    "tensor": torch.as_tensor(BYTES),
    "channels last": np.moveaxis(BYTES, 1, -1),
    "shares of one": BYTES / 255,
    "single precision": torch.as_tensor(BYTES).float(),
    "signed": BYTES.astype(np.int64),
    "data set": Items(torch.as_tensor(BYTES)),
    "data set of pairs": Items(BYTES, LABELS),
    "list": list(BYTES),
    "list of pairs": [(image, int(label)) for image, label in zip(BYTES, LABELS, strict=True)],
    "pictures": [Picture(np.moveaxis(image, 0, -1).copy()) for image in BYTES],
}


@pytest.mark.parametrize("name", ALIKE)
def test_images_of_any_type_are_the_same(name: str) -> None:
    sample = read(ALIKE[name])
    np.testing.assert_allclose(sample.pixels, BYTES / 255, rtol=1e-6)
    assert (sample.nr_inst, sample.height, sample.width) == (12, 10, 8)


def test_the_scale_is_told_from_type_and_range() -> None:
    grey = np.arange(20.0).reshape(1, 4, 5)
    np.testing.assert_allclose(read(grey).pixels[0, 0], grey[0] / 19)
    np.testing.assert_allclose(read(grey - 7).pixels[0, 0], grey[0] / 19, rtol=1e-6)
    np.testing.assert_allclose(read(grey.astype(np.uint8)).pixels[0, 0], grey[0] / 255)
    np.testing.assert_allclose(read(grey.astype(np.uint16)).pixels[0, 0], grey[0] / 65535)
    np.testing.assert_allclose(read(grey / 100).pixels[0, 0], grey[0] / 100)
    np.testing.assert_allclose(read(grey > 9).pixels[0, 0], grey[0] > 9)


def test_pixels_that_are_not_finite_become_the_mean() -> None:
    images = np.array([[[0.0, 1.0, np.nan, 0.5]], [[np.inf, -np.inf, 1.0, 0.5]]])
    filled = read(images).pixels[:, 0, 0]
    np.testing.assert_allclose(filled, [[0, 1, 0.6, 0.5], [0.6, 0.6, 1, 0.5]], rtol=1e-6)
    assert not read(np.full((3, 4, 4), np.nan)).pixels.any()


def test_a_sample_of_many_images_is_read_with_its_labels(tmp_path: Path) -> None:
    path = tmp_path / "images.npy"
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (5_000, 1, 6, 6))
    images[:] = (np.arange(5_000) % 250)[:, None, None, None]
    sample = read(np.load(path, mmap_mode="r"), np.arange(5_000) % 250)
    assert sample.pixels.shape == (1_000, 1, 6, 6)
    numbers = np.rint(sample.pixels[:, 0, 0, 0] * 255)
    np.testing.assert_array_equal(numbers, sample.labels)
    assert len(sample.all_labels) == 5_000


def test_a_data_set_is_asked_only_for_its_sample() -> None:
    images = np.zeros((3_000, 1, 4, 4), dtype=np.uint8)
    items = Items(images, np.arange(3_000) % 2)
    sample = read(items)
    assert len(items.asked) == 1_001 and len(set(items.asked)) <= 1_001
    assert len(sample.all_labels) == len(sample.pixels) == 1_000
    items.targets = torch.arange(3_000) % 2
    again = read(items)
    assert len(again.all_labels) == 3_000
    np.testing.assert_array_equal(again.labels, sample.labels)


def test_without_time_one_image_of_a_data_set_is_read() -> None:
    items = Items(BYTES, LABELS)
    sample = read_images(items, None, np.random.default_rng(0), Budget(0))
    assert len(sample.pixels) == 1 and set(items.asked) == {0}


def test_large_images_are_shrunk_and_fewer() -> None:
    image = np.zeros((3, 300, 1_000), dtype=np.uint8)
    image[:, :, 500:] = 255
    sample = read(Items([image] * 300))
    assert sample.pixels.shape == (8_388_608 // (3 * 100 * 125), 3, 100, 125)
    assert (sample.height, sample.width) == (300, 1_000)
    assert sample.pixels.mean() == pytest.approx(0.5)


def test_images_of_differing_sizes_are_brought_to_their_median() -> None:
    sizes = [(4, 4), (8, 6), (6, 6)]
    images = [np.full((3, *size), 255, dtype=np.uint8) for size in sizes]
    images[0] = images[0][:1]
    sample = read(images)
    assert sample.pixels.shape == (3, 1, 6, 6)
    assert (sample.height, sample.width) == (6, 6)
    np.testing.assert_array_equal(sample.pixels, 1.0)


def test_pooling_averages_cells() -> None:
    images = RNG.random((5, 3, 6, 8)).astype(np.float32)
    expected = images.reshape(5, 3, 2, 3, 4, 2).mean(axis=(3, 5))
    np.testing.assert_allclose(pool(images, 2, 4), expected, rtol=1e-5)
    np.testing.assert_array_equal(pool(images, 6, 8), images)
    np.testing.assert_array_equal(pool(images, 12, 16), images.repeat(2, -2).repeat(2, -1))
    np.testing.assert_allclose(pool(np.ones((1, 7, 5), dtype=np.float32), 3, 2), 1.0)


def test_labels_that_are_given_replace_those_of_the_pairs() -> None:
    assert read(Items(BYTES, LABELS), ["x", "y"] * 6).labels.tolist() == [0, 1] * 6
    assert read(Items(BYTES, LABELS)).labels.tolist() == LABELS.tolist()
    assert read(Items(BYTES)).labels.tolist() == [-1] * 12


@pytest.mark.parametrize("images", [np.zeros(3), np.zeros((0, 1, 2, 2)), np.zeros((2, 0, 4))])
def test_other_shapes_are_refused(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="images must be N x C x H x W .* got the shape"):
        read(images)


@pytest.mark.parametrize("images", [[], iter([BYTES[0]]), None])
def test_what_has_no_length_is_refused(images: Any) -> None:
    with pytest.raises(ValueError, match="at least one image, got"):
        read(images)


def test_items_that_are_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="An image must be C x H x W or H x W, got the shape"):
        read([np.zeros(3)])

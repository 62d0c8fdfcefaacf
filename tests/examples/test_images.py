"""The images' formats, the tasks made of them, and networks that start from others."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from examples.images import data
from examples.images.model import Network
from examples.images.model import start_from
from optuna_meta.weights import Checkpoint


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write bytes as an IDX file, packed where the name says so."""
    lengths = np.array(array.shape, ">u4").tobytes()
    content = bytes([0, 0, 8, array.ndim]) + lengths + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def test_idx_files_are_read_packed_or_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (5, 4, 3), np.uint8), np.arange(5, dtype=np.uint8)
    for part, end in (("train", ".gz"), ("t10k", "")):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte{end}", images)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte{end}", labels)
    for read, classes in data.fashion_mnist(tmp_path):
        assert read.shape == (5, 1, 4, 3) and read.dtype == np.float32
        np.testing.assert_allclose(read[:, 0] * 255, images, atol=1e-4)
        assert classes.tolist() == [0, 1, 2, 3, 4]


def test_cifar_records_are_a_label_and_three_planes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    records = rng.integers(0, 256, (3, 1 + 3 * 32 * 32), np.uint8)
    records[:, 0] = [7, 1, 4]
    for k in (1, 2):
        (tmp_path / f"data_batch_{k}.bin").write_bytes(records.tobytes())
    (tmp_path / "test_batch.bin").write_bytes(records[:1].tobytes())
    (images, labels), (test_images, test_labels) = data.cifar10(tmp_path)
    assert labels.tolist() == [7, 1, 4, 7, 1, 4] and test_labels.tolist() == [7]
    assert images.shape == (6, 3, 32, 32)
    np.testing.assert_allclose(test_images[0, 2, 31, 31] * 255, records[0, -1], atol=1e-4)


def test_a_task_tells_its_own_classes_apart() -> None:
    split = data.task("high", data.digits(), [5, 6, 7, 8, 9], 100).data
    assert split.train[0].shape == (100, 1, 8, 8)
    assert split.n_classes == 5
    for _, labels in (split.train, split.valid, split.test):
        assert set(labels.tolist()) == {0, 1, 2, 3, 4}


def test_shuffled_labels_leave_the_images_as_they_are() -> None:
    plain, shuffled = (
        data.task("all", data.digits(), range(10), 300, shuffled=flag).data
        for flag in (False, True)
    )
    assert torch.equal(plain.train[0], shuffled.train[0])
    assert float((plain.train[1] == shuffled.train[1]).float().mean()) < 0.3
    assert torch.equal(plain.test[1], shuffled.test[1])


def test_coarse_images_have_half_the_side_and_the_same_mean() -> None:
    images = np.random.default_rng(0).random((2, 1, 8, 8), np.float32)
    assert data.coarse(images).shape == (2, 1, 4, 4)
    np.testing.assert_allclose(data.coarse(images).mean(), images.mean(), rtol=1e-5)


def test_a_network_takes_another_ones_shape_and_all_but_its_head() -> None:
    earlier, model = Network(1, 10, depth=3, width=6), Network(1, 5, depth=1, width=4)
    checkpoint = Checkpoint.from_model(earlier, extra={"depth": 3, "width": 6})
    report = start_from(model, checkpoint)
    assert report.share_of_wanted == 1.0 and report.left_out
    images = torch.rand(2, 1, 8, 8)
    assert torch.equal(model.eval().blocks(images), earlier.eval().blocks(images))
    assert model(images).shape == (2, 5)


def test_classes_may_be_a_set_and_images_of_any_precision() -> None:
    parts = data.digits()
    precise = tuple((images.astype(np.float64), labels) for images, labels in parts)
    plain = data.task("some", parts, [3, 7, 9], 100).data
    other = data.task("some", (precise[0], precise[1]), {9, 3, 7}, 100).data
    assert other.train[0].dtype == torch.float32
    assert torch.equal(plain.train[0], other.train[0])
    assert torch.equal(plain.train[1], other.train[1])


def test_images_that_no_network_can_learn_from_are_refused() -> None:
    (images, labels), test = data.digits()
    with pytest.raises(ValueError, match=r"'two' wants 400 to train on, of 2\d\d images of"):
        data.task("two", ((images, labels), test), [0, 1], 400)
    with pytest.raises(ValueError, match=r"values in \[0, 1\], got .* to 255"):
        data.task("bytes", ((255 * images, labels), test), [0, 1], 100)
    with pytest.raises(ValueError, match=r"\(n, channels, height, width\).*got \(2\d\d, 8, 8\)"):
        data.task("flat", ((images[:, 0], labels), test), [0, 1], 100)

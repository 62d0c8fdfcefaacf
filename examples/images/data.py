"""Images and their classes, as their publishers pack them, and the tasks that are made of them."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Sequence
from dataclasses import dataclass
import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
import torch
from torch import Tensor

from examples.common import Task


Images = NDArray[np.float32]  # (n, channels, height, width), in [0, 1]
Labels = NDArray[np.int64]  # (n,)
Pair = tuple[Images, Labels]

N_VALID = 500  # Images to validate by, at most.


@dataclass(frozen=True)
class Split:
    """A task's images, on the device, to train on, to validate by and to test with."""

    train: tuple[Tensor, Tensor]
    valid: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    n_classes: int


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file, packed or not: two zeros, the type, the number of axes, their lengths."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    n_axes = content[3]
    shape = np.frombuffer(content, ">u4", n_axes, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_axes).reshape(shape)


def scaled(pixels: NDArray[np.uint8]) -> Images:
    """Return grey values from 0 to 1."""
    return pixels.astype(np.float32) / np.float32(255)


def fashion_mnist(folder: Path) -> tuple[Pair, Pair]:
    """Read Fashion-MNIST's (or MNIST's) four IDX files: those to train on, those to test with."""

    def pair(part: str) -> Pair:
        (images,) = folder.glob(f"{part}-images*")
        (labels,) = folder.glob(f"{part}-labels*")
        return scaled(read_idx(images)[:, None]), read_idx(labels).astype(np.int64)

    return pair("train"), pair("t10k")


def cifar10(folder: Path) -> tuple[Pair, Pair]:
    """Read CIFAR-10's binary version: records of a label and of three planes of 32 x 32 bytes."""

    def pair(paths: Sequence[Path]) -> Pair:
        content = b"".join(path.read_bytes() for path in paths)
        records = np.frombuffer(content, np.uint8).reshape(-1, 1 + 3 * 32 * 32)
        return scaled(records[:, 1:].reshape(-1, 3, 32, 32)), records[:, 0].astype(np.int64)

    return pair(sorted(folder.glob("data_batch_*.bin"))), pair([folder / "test_batch.bin"])


def digits() -> tuple[Pair, Pair]:
    """Return scikit-learn's digits, 8 x 8: those to train on, those to test with."""
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 1, 8, 8).astype(np.float32) / 16
    labels = labels.astype(np.int64)
    return (images[:1200], labels[:1200]), (images[1200:], labels[1200:])


def noisy(images: Images) -> Images:
    """Add Gaussian noise."""
    noise = np.random.default_rng(0).normal(0.0, 0.2, images.shape).astype(np.float32)
    changed: Images = np.clip(images + noise, 0.0, 1.0)
    return changed


def coarse(images: Images) -> Images:
    """Halve the resolution."""
    n, channels, height, width = images.shape
    blocks = images.reshape(n, channels, height // 2, 2, width // 2, 2)
    changed: Images = blocks.mean(axis=(3, 5))
    return changed


def inverted(images: Images) -> Images:
    """Exchange light and dark."""
    return 1 - images


def task(
    name: str,
    parts: tuple[Pair, Pair],
    classes: Collection[int],
    n_train: int,
    *,
    change: Sequence[Callable[[Images], Images]] = (),
    shuffled: bool = False,
    device: str = "cpu",
) -> Task:
    """Make a task of some classes, of which some images are to train on and others to validate by.

    Args:
        name: Its name.
        parts: All images, grey values in [0, 1], and their classes: those to train on and
            validate by, those to test with.
        classes: Those that are told apart.
        n_train: How many to train on.
        change: What becomes of the images.
        shuffled: Whether images get each other's labels, so that there is nothing to learn.
        device: Where they go.

    Raises:
        ValueError: Images have another shape or other values, or there are too few.
    """
    classes = sorted(set(classes))
    rng = np.random.default_rng(0)
    (images, labels), (test_images, test_labels) = (_of_classes(p, classes) for p in parts)
    if n_train >= len(images):
        raise ValueError(
            f"Task {name!r} wants {n_train} to train on, of {len(images)} images of classes "
            f"{classes}, and others to validate by: lower n_train, or name more classes."
        )
    order = rng.permutation(len(images))[: n_train + min(N_VALID, len(images) - n_train)]
    images, labels = images[order], labels[order]
    for function in change:
        images, test_images = function(images), function(test_images)
    if shuffled:
        labels = rng.permutation(labels)

    def placed(images: Images, labels: Labels) -> tuple[Tensor, Tensor]:
        return torch.tensor(images, device=device), torch.tensor(labels, device=device)

    train, valid = (placed(images[s], labels[s]) for s in (slice(n_train), slice(n_train, None)))
    name = f"{name}, shuffled" if shuffled else name
    return Task(name, Split(train, valid, placed(test_images, test_labels), len(classes)))


def _of_classes(pair: Pair, classes: Sequence[int]) -> Pair:
    """Return the images of some classes, in order, which are numbered from 0."""
    images, labels = map(np.asarray, pair)
    kept = np.isin(labels, classes)
    images, labels = images[kept].astype(np.float32), labels[kept]
    if images.ndim != 4 or not ((images >= 0) & (images <= 1)).all():
        raise ValueError(
            "Wanted images (n, channels, height, width) of values in [0, 1], got "
            f"{images.shape} from {images.min(initial=0)} to {images.max(initial=0)}."
        )
    return images, np.searchsorted(classes, labels).astype(np.int64)

"""Image tasks for :mod:`benchmarks.weights.run`: earlier ones and a new one with few labels."""

from __future__ import annotations

from collections.abc import Callable
import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor


__all__ = ["digits", "disjoint", "Domain", "fashion", "FASHION", "Labelled", "Prior"]

FASHION = "fashion_mnist"

Images = NDArray[np.float32]
Classes = NDArray[np.int64]

_VALIDATION = 5  # Images of each class.
_PRIOR_VALIDATION = 20
_DISJOINT_CLASSES = 5
_DISJOINT_PRIORS = 4
_FASHION_CLASSES = 4
_FASHION_PRIORS = 4


class Labelled(NamedTuple):
    """Images and their classes."""

    x: Tensor  # (n, 1, side, side)
    y: Tensor  # (n,)


class Prior(NamedTuple):
    """An earlier task."""

    name: str
    train: Labelled
    valid: Labelled


class Domain(NamedTuple):
    """Earlier tasks and a new one."""

    priors: list[Prior]
    train: Labelled
    valid: Labelled
    test: Labelled
    n_classes: int
    same_labels: bool  # Whether a class has the same number in all tasks.


def digits(shots: int, seed: int) -> Domain:
    """UCI digits, plain, after six studies of other digits under other conditions.

    Args:
        shots: Images of each class to train on in the new task.
        seed: Of the split.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    x, y = np.asarray(data.images, np.float32) / 16.0, np.asarray(data.target, np.int64)
    rng = np.random.default_rng([seed, 1])
    earlier, rest = _split(y, 80, rng)
    priors = []
    for name, condition in _CONDITIONS.items():
        train, valid = _split(y[earlier], 80 - _PRIOR_VALIDATION, rng)
        changed = condition(x[earlier], rng)
        own = y[earlier]
        priors.append(Prior(name, _labelled(changed, own, train), _labelled(changed, own, valid)))
    train, rest_of = _split(y[rest], shots, rng)
    valid, test = _split(y[rest][rest_of], _VALIDATION, rng)
    new_x, new_y = x[rest], y[rest]
    return Domain(
        priors,
        _labelled(new_x, new_y, train),
        _labelled(new_x, new_y, rest_of[valid]),
        _labelled(new_x, new_y, rest_of[test]),
        n_classes=10,
        same_labels=True,
    )


def disjoint(shots: int, seed: int) -> Domain:
    """Five of the UCI digits after four studies of the other five, under one condition each.

    Each study numbers its classes in an order of its own.

    Args:
        shots: Images of each class to train on in the new task.
        seed: Of the classes and the split.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    x, y = np.asarray(data.images, np.float32) / 16.0, np.asarray(data.target, np.int64)
    rng = np.random.default_rng([seed, 4])
    classes = rng.permutation(10)
    new, old = classes[:_DISJOINT_CLASSES], classes[_DISJOINT_CLASSES:]
    priors = []
    for condition in [*_CONDITIONS.values()][:_DISJOINT_PRIORS]:
        order = rng.permutation(old)
        rows, own = _numbered(y, order)
        train, valid = _split(own, 80, rng)
        images = condition(x[rows], rng)
        parts = _labelled(images, own, train), _labelled(images, own, valid)
        priors.append(Prior("".join(map(str, order)), *parts))
    rows, own = _numbered(y, new)
    train, rest = _split(own, shots, rng)
    valid, test = _split(own[rest], _VALIDATION, rng)
    return Domain(
        priors,
        _labelled(x[rows], own, train),
        _labelled(x[rows], own, rest[valid]),
        _labelled(x[rows], own, rest[test]),
        n_classes=_DISJOINT_CLASSES,
        same_labels=False,
    )


def fashion(folder: Path, shots: int, seed: int) -> Domain:
    """Four classes of Fashion-MNIST after four studies of other classes, at 14 x 14 points.

    Args:
        folder: Where the four files are.
        shots: Images of each class to train on in the new task.
        seed: Of the classes and the split.
    """
    rng = np.random.default_rng([seed, 2])
    x, y = _read(folder, "train")
    test_x, test_y = _read(folder, "t10k")
    classes = rng.permutation(10)
    new, old = classes[:_FASHION_CLASSES], classes[_FASHION_CLASSES:]
    priors = []
    for _ in range(_FASHION_PRIORS):
        own = rng.choice(old, _FASHION_CLASSES, replace=False)
        parts = [_of_classes(x, y, own, 300, rng), _of_classes(x, y, own, _PRIOR_VALIDATION, rng)]
        priors.append(Prior("-".join(map(str, sorted(own))), *parts))
    return Domain(
        priors,
        _of_classes(x, y, new, shots, rng),
        _of_classes(x, y, new, _VALIDATION, rng),
        _of_classes(test_x, test_y, new, 150, rng),
        n_classes=_FASHION_CLASSES,
        same_labels=False,
    )


def _shift(x: Images, rng: np.random.Generator) -> Images:
    return np.stack([np.roll(image, rng.integers(-1, 2, 2), (0, 1)) for image in x])


def _noise(x: Images, rng: np.random.Generator) -> Images:
    return np.clip(x + rng.normal(0.0, 0.3, x.shape), 0.0, 1.0).astype(np.float32)


_CONDITIONS: dict[str, Callable[[Images, np.random.Generator], Images]] = {
    "shifted": _shift,
    "noisy": _noise,
    "faint": lambda x, rng: 0.4 * x,
    "turned": lambda x, rng: np.rot90(x, axes=(1, 2)).copy(),
    "mirrored": lambda x, rng: x[:, :, ::-1].copy(),
    "inverted": lambda x, rng: 1.0 - x,
}


def _split(
    y: Classes, n: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of ``n`` of each class, and the others."""
    order = rng.permutation(len(y))
    rank = np.empty(len(y), dtype=int)
    for label in np.unique(y):
        rows = order[y[order] == label]
        rank[rows] = np.arange(len(rows))
    return np.flatnonzero(rank < n), np.flatnonzero(rank >= n)


def _labelled(x: Images, y: Classes, rows: NDArray[np.intp]) -> Labelled:
    return Labelled(torch.from_numpy(x[rows][:, None]), torch.from_numpy(y[rows]))


def _numbered(y: Classes, classes: Classes) -> tuple[NDArray[np.intp], Classes]:
    """Rows of all images of some classes, and each one's place in the order given."""
    rows = [np.flatnonzero(y == label) for label in classes]
    return np.concatenate(rows), np.repeat(np.arange(len(classes)), [len(r) for r in rows])


def _of_classes(
    x: Images, y: Classes, classes: NDArray[np.int64], n: int, rng: np.random.Generator
) -> Labelled:
    """``n`` images of each class, which are numbered in the order given."""
    rows = [rng.choice(np.flatnonzero(y == label), n, replace=False) for label in classes]
    numbers = np.repeat(np.arange(len(classes)), n)
    return Labelled(torch.from_numpy(x[np.concatenate(rows)][:, None]), torch.from_numpy(numbers))


def _read(folder: Path, part: str) -> tuple[Images, Classes]:
    raw = _idx(folder / f"{part}-images-idx3-ubyte.gz")
    images = raw.reshape(-1, 14, 2, 14, 2).mean((2, 4), dtype=np.float32) / 255.0
    return images.astype(np.float32), _idx(folder / f"{part}-labels-idx1-ubyte.gz").astype(
        np.int64
    )


def _idx(path: Path) -> NDArray[np.uint8]:
    """An array in the IDX format: its number of axes is the fourth byte, their sizes follow."""
    with gzip.open(path) as stream:
        data = stream.read()
    sizes = np.frombuffer(data, ">u4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(sizes)

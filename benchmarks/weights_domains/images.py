"""Images: UCI digits after digits under other conditions, and Fashion-MNIST after other classes.

``disjoint`` are digits after studies of other digits, which have nothing to give: on so small
images any five classes are learned as fast from scratch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from collections.abc import Sequence
from functools import partial
import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn

from benchmarks.weights_domain import CLASSES
from benchmarks.weights_domain import Data
from benchmarks.weights_domain import Domain
from benchmarks.weights_domain import Pool
from benchmarks.weights_domain import Prior
from benchmarks.weights_training import initial


__all__ = ["digits", "disjoint", "fashion", "FASHION"]

FASHION = "fashion_mnist"

Images = NDArray[np.float32]
Classes = NDArray[np.int64]
Rows = NDArray[np.intp]

_CHECKS = (0, 2, 5, 10, 20, 30, 50, 75, 100, 150)
_RATES = (5e-4, 1.5e-3, 4e-3, 1e-2)
_HEAD = ("head",)
_VALIDATION = 5  # Images of each class,
_PRIOR_VALIDATION = 20  # and in earlier tasks.
_DISJOINT_CLASSES = 5
_DISJOINT_PRIORS = 4
_FASHION_CLASSES = 4
_FASHION_PRIORS = 4


def digits(shots: int, seed: int) -> Domain:
    """UCI digits, plain, after six studies of other digits under other conditions.

    Args:
        shots: Images of each class to train on in the new task.
        seed: Of the split.
    """
    x, y = _digits()
    rng = np.random.default_rng([seed, 1])
    earlier, rest = _split(y, 80, rng)
    own = y[earlier]
    priors = []
    for name, condition in _CONDITIONS.items():
        train, valid = _split(own, 80 - _PRIOR_VALIDATION, rng)
        images = condition(x[earlier], rng)
        priors.append(_prior(name, images, own, train, valid, 10))
    return _domain(priors, *_parts(x[rest], y[rest], shots, rng), 10)


def disjoint(shots: int, seed: int) -> Domain:
    """Five of the UCI digits after four studies of three to five of the others.

    Args:
        shots: Images of each class to train on in the new task.
        seed: Of the classes and the split.
    """
    x, y = _digits()
    rng = np.random.default_rng([seed, 4])
    classes = rng.permutation(10)
    new, old = classes[:_DISJOINT_CLASSES], classes[_DISJOINT_CLASSES:]
    priors = []
    for number in range(_DISJOINT_PRIORS):
        # Each has all five, in an order of its own: outputs mean something else in each.
        order = rng.permutation(old)
        rows, own = _numbered(y, order, None, rng)
        train, valid = _split(own, 80, rng)
        name = f"{number}: {''.join(map(str, order))}"
        images = list(_CONDITIONS.values())[number](x[rows], rng)
        priors.append(_prior(name, images, own, train, valid, _DISJOINT_CLASSES, False))
    rows, own = _numbered(y, new, None, rng)
    return _domain(priors, *_parts(x[rows], own, shots, rng), _DISJOINT_CLASSES)


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
    for number in range(_FASHION_PRIORS):
        own = rng.choice(old, _FASHION_CLASSES, replace=False)
        rows, numbers = _numbered(y, own, 300 + _PRIOR_VALIDATION, rng)
        train, valid = _split(numbers, 300, rng)
        name = f"{number}: {'-'.join(map(str, own))}"
        priors.append(_prior(name, x[rows], numbers, train, valid, _FASHION_CLASSES, False))
    rows, numbers = _numbered(y, new, shots + _VALIDATION, rng)
    new_train, new_valid, _ = _parts(x[rows], numbers, shots, rng)
    rows, numbers = _numbered(test_y, new, 150, rng)
    test = _labelled(test_x[rows], numbers, np.arange(len(rows)))
    return _domain(priors, new_train, new_valid, test, _FASHION_CLASSES)


def network(side: int, n_classes: int, seed: int) -> nn.Module:
    """Two convolutions and two linear layers."""

    def build() -> nn.Module:
        return nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(1, 8, 3, padding=1),
                relu1=nn.ReLU(),
                pool1=nn.MaxPool2d(2),
                conv2=nn.Conv2d(8, 16, 3, padding=1),
                relu2=nn.ReLU(),
                pool2=nn.MaxPool2d(2),
                flat=nn.Flatten(),
                hidden=nn.Linear(16 * (side // 4) ** 2, 64),
                relu3=nn.ReLU(),
                head=nn.Linear(64, n_classes),
            )
        )

    return initial(build, seed)


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


def _prior(
    name: str,
    x: Images,
    y: Classes,
    train: Rows,
    valid: Rows,
    n_classes: int,
    same_outputs: bool = True,
) -> Prior:
    return Prior(
        name,
        partial(network, x.shape[-1], n_classes),
        _labelled(x, y, train),
        _labelled(x, y, valid),
        same_outputs,
        described=(x[train], y[train]),
    )


def _domain(
    priors: Sequence[Prior], train: Data, valid: Data, test: Data, n_classes: int
) -> Domain:
    build = partial(network, train.inputs.shape[-1], n_classes)
    known = (torch.cat([d.inputs[:, 0] for d in (train, valid)]).numpy(), _classes(train, valid))
    return Domain(
        CLASSES,
        build,
        priors,
        Pool(build, [prior.train for prior in priors], priors[0].same_outputs),
        train,
        valid,
        test,
        _CHECKS,
        _RATES,
        _HEAD,
        described=known,
        prior_steps=200,
        rounds=25,
    )


def _classes(*parts: Data) -> Classes:
    classes: Classes = torch.cat([part.targets for part in parts]).numpy()
    return classes


def _digits() -> tuple[Images, Classes]:
    from sklearn.datasets import load_digits

    data = load_digits()
    return np.asarray(data.images, np.float32) / 16.0, np.asarray(data.target, np.int64)


def _split(y: Classes, n: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Rows of ``n`` of each class, and the others."""
    order = rng.permutation(len(y))
    rank = np.empty(len(y), dtype=int)
    for label in np.unique(y):
        rows = order[y[order] == label]
        rank[rows] = np.arange(len(rows))
    return np.flatnonzero(rank < n), np.flatnonzero(rank >= n)


def _parts(x: Images, y: Classes, shots: int, rng: np.random.Generator) -> tuple[Data, Data, Data]:
    """Images to train on, to validate by and to test with."""
    train, rest = _split(y, shots, rng)
    valid, test = _split(y[rest], _VALIDATION, rng)
    return _labelled(x, y, train), _labelled(x, y, rest[valid]), _labelled(x, y, rest[test])


def _labelled(x: Images, y: Classes, rows: Rows) -> Data:
    return Data(torch.from_numpy(x[rows][:, None]), torch.from_numpy(y[rows]))


def _numbered(
    y: Classes, classes: Classes, n: int | None, rng: np.random.Generator
) -> tuple[Rows, Classes]:
    """Rows of ``n`` images of each class, or of all, and the class's place in the order given."""
    rows = [np.flatnonzero(y == label) for label in classes]
    if n is not None:
        rows = [rng.choice(of_class, n, replace=False) for of_class in rows]
    return np.concatenate(rows), np.repeat(np.arange(len(classes)), [len(r) for r in rows])


def _read(folder: Path, part: str) -> tuple[Images, Classes]:
    raw = _idx(folder / f"{part}-images-idx3-ubyte.gz")
    images = raw.reshape(-1, 14, 2, 14, 2).mean((2, 4), dtype=np.float32) / 255.0
    labels = _idx(folder / f"{part}-labels-idx1-ubyte.gz")
    return images.astype(np.float32), labels.astype(np.int64)


def _idx(path: Path) -> NDArray[np.uint8]:
    """An array in the IDX format: its number of axes is the fourth byte, their sizes follow."""
    with gzip.open(path) as stream:
        data = stream.read()
    sizes = np.frombuffer(data, ">u4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(sizes)

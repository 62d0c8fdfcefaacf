"""Images: UCI digits after digits under other conditions, and Fashion-MNIST after other classes.

``disjoint`` are five of the digits after studies of the other five, numbered in other orders.
"""

from collections import OrderedDict
from collections.abc import Callable
from collections.abc import Mapping
from functools import partial
import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pandas as pd
from sklearn.datasets import load_digits
import torch
from torch import nn

from benchmarks.weights import tasks
from benchmarks.weights.tasks import Data


FASHION = "fashion_mnist"

_VALIDATION, _PRIOR_VALIDATION = 5, 20  # Images of each class.
_DISJOINT_CLASSES, _DISJOINT_PRIORS = 5, 4
_FASHION_CLASSES, _FASHION_PRIORS = 4, 4
_RATES = (5e-4, 1.5e-3, 4e-3, 1e-2)

Images = NDArray[np.float32]  # (n, 1, side, side)
Parts = tuple[Data, ...]  # To train on and to validate by; of a new task to test with, too.
Condition = Callable[[Images, np.random.Generator], Images]

_CONDITIONS: dict[str, Condition] = {
    "shifted": lambda x, rng: np.stack([np.roll(i, rng.integers(-1, 2, 2), (1, 2)) for i in x]),
    "noisy": lambda x, rng: np.clip(x + rng.normal(0.0, 0.3, x.shape), 0.0, 1.0).astype(x.dtype),
    "faint": lambda x, rng: 0.4 * x,
    "turned": lambda x, rng: np.rot90(x, axes=(2, 3)).copy(),
    "mirrored": lambda x, rng: x[..., ::-1].copy(),
    "inverted": lambda x, rng: 1.0 - x,
}


def digits(
    _: Path, shots: int, seed: int, conditions: Mapping[str, Condition] = _CONDITIONS
) -> tasks.Domain:
    """Make the new task of plain digits, after a study of others under each of some conditions."""
    rng = np.random.default_rng([seed, 1])
    earlier, rest = _split(_digits(), 80, rng)
    priors = {name: _split(earlier, 60, rng, change) for name, change in conditions.items()}
    return _domain(priors, _new_parts(rest, shots, rng), 10, same_outputs=True)


def disjoint(_: Path, shots: int, seed: int) -> tasks.Domain:
    """Make the new task of five digits, after studies of others under one condition each."""
    rng = np.random.default_rng([seed, 4])
    images, classes = _digits(), rng.permutation(10)
    priors = {}
    for i, condition in enumerate([*_CONDITIONS.values()][:_DISJOINT_PRIORS]):
        order = rng.permutation(classes[_DISJOINT_CLASSES:])
        parts = _split(_numbered(images, order), 80, rng, condition)
        priors[f"{i}: {''.join(map(str, order))}"] = parts
    own = _numbered(images, classes[:_DISJOINT_CLASSES])
    return _domain(priors, _new_parts(own, shots, rng), _DISJOINT_CLASSES)


def fashion(folder: Path, shots: int, seed: int) -> tasks.Domain:
    """Make the new task of four classes at 14 x 14 points, after four studies of other classes."""
    rng = np.random.default_rng([seed, 2])
    train, test, classes = _read(folder, "train"), _read(folder, "t10k"), rng.permutation(10)

    def draw(images: Data, classes: Any, n: int) -> Data:
        return _numbered(images, classes, partial(rng.choice, size=n, replace=False))

    new, old = classes[:_FASHION_CLASSES], classes[_FASHION_CLASSES:]
    priors: dict[str, Parts] = {}
    for i in range(_FASHION_PRIORS):
        own = rng.choice(old, _FASHION_CLASSES, replace=False)
        name = f"{i}: {'-'.join(map(str, sorted(own)))}"  # Several may have drawn the same ones.
        priors[name] = draw(train, own, 300), draw(train, own, _PRIOR_VALIDATION)
    drawn = ((train, shots), (train, _VALIDATION), (test, 150))
    return _domain(priors, tuple(draw(part, new, n) for part, n in drawn), _FASHION_CLASSES)


def _network(side: int, n_classes: int) -> nn.Module:
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


def _domain(
    priors: dict[str, Parts], new: Parts, n_classes: int, *, same_outputs: bool = False
) -> tasks.Domain:
    make = partial(_network, new[0].x.shape[-1], n_classes)
    model = tasks.Model(make, same_outputs=same_outputs)

    def task(name: str, model: tasks.Model, parts: Parts, described: Data) -> tasks.Task:
        x, y = (tensor.numpy() for tensor in described)
        return tasks.Task(name, model, parts[0], parts[1], (x[:, 0], y))

    *parts, test = new
    own = task("new", tasks.Model(make), tuple(parts), tasks.joined(parts))
    earlier = [task(name, model, parts, parts[0]) for name, parts in priors.items()]
    pool = [task.train for task in earlier]
    return tasks.Domain(
        tasks.CLASSES, own, test, earlier, model, pool, _RATES, head=("head",), prior_steps=200
    )


def _new_parts(images: Data, shots: int, rng: np.random.Generator) -> Parts:
    train, rest = _split(images, shots, rng)
    return train, *_split(rest, _VALIDATION, rng)


def _split(
    images: Data, n: int, rng: np.random.Generator, condition: Condition = lambda x, _: x
) -> Parts:
    """Return ``n`` images of each class, and the others, under a condition."""
    order = rng.permutation(len(images.y))
    labels = pd.Series(images.y[order], order)
    first = (labels.groupby(labels).cumcount() < n).sort_index().to_numpy(copy=True)
    images = images._replace(x=torch.from_numpy(condition(images.x.numpy(), rng)))
    return images.rows(first), images.rows(~first)


def _numbered(images: Data, classes: Any, draw: Callable[..., Any] = lambda rows: rows) -> Data:
    """Return all images of some classes, numbered in the order given, or those drawn of each."""
    rows = [draw(np.flatnonzero(images.y == label)) for label in classes]
    numbers = np.repeat(np.arange(len(classes)), [len(own) for own in rows])
    return Data(images.x[np.concatenate(rows)], torch.from_numpy(numbers))


def _digits() -> Data:
    x, y = load_digits(return_X_y=True)
    x = torch.from_numpy(x.astype(np.float32).reshape(-1, 1, 8, 8))
    return Data(x / 16.0, torch.from_numpy(y.astype(np.int64)))


def _read(folder: Path, part: str) -> Data:
    raw, y = (_idx(folder / f"{part}-{name}-ubyte.gz") for name in ("images-idx3", "labels-idx1"))
    x = raw.reshape(-1, 1, 14, 2, 14, 2).mean((3, 5), dtype=np.float32) / 255.0
    return Data(torch.from_numpy(x.astype(np.float32)), torch.from_numpy(y.astype(np.int64)))


def _idx(path: Path) -> NDArray[np.uint8]:
    """Read an array in the IDX format: the fourth byte counts its axes, their sizes follow."""
    data = gzip.decompress(path.read_bytes())
    sizes = np.frombuffer(data, ">u4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(sizes)

"""The network of image tasks of :mod:`benchmarks.weights.run`, and batches of any task."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic
from typing import TypeVar

import torch
from torch import nn
from torch import Tensor

from benchmarks.weights.data import Labelled
from benchmarks.weights.domain import Data


__all__ = ["accuracy", "Batches", "HEAD", "network"]

HEAD = ("head",)
_BATCH = 32

T = TypeVar("T", Labelled, Data)


class Batches(Generic[T]):
    """An endless choice of batches, the same each time that it is gone through."""

    def __init__(self, data: T, seed: int, size: int = _BATCH) -> None:
        self._data: T = data
        self._seed = seed
        self._size = min(size, len(data[0]))

    def __iter__(self) -> Iterator[T]:
        generator = torch.Generator().manual_seed(self._seed)
        while True:
            order = torch.randperm(len(self._data[0]), generator=generator)
            for rows in torch.split(order, self._size):
                yield type(self._data)(self._data[0][rows], self._data[1][rows])


def network(side: int, n_classes: int, seed: int) -> nn.Module:
    """Two convolutions and two linear layers."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
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


def accuracy(predicted: Tensor, data: Labelled) -> float:
    """The share of right classes."""
    return float((predicted.argmax(-1) == data.y).float().mean())

"""Networks of :mod:`benchmarks.weights`, and how they are trained."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from benchmarks.weights_data import Labelled
from benchmarks.weights_data import Prior


__all__ = ["Batches", "best_run", "cross_entropy", "fit", "network", "Run", "train_prior"]

HEAD = ("head",)
_BATCH = 32


class Run(NamedTuple):
    """Predictions along a training run."""

    valid: Tensor  # (checked steps, n, classes), probabilities
    test: Tensor
    lr: float


class Batches:
    """An endless choice of batches, the same each time that it is gone through."""

    def __init__(self, data: Labelled, seed: int, size: int = _BATCH) -> None:
        self._data, self._seed = data, seed
        self._size = min(size, len(data.y))

    def __iter__(self) -> Iterator[Labelled]:
        generator = torch.Generator().manual_seed(self._seed)
        while True:
            order = torch.randperm(len(self._data.y), generator=generator)
            for rows in torch.split(order, self._size):
                yield Labelled(self._data.x[rows], self._data.y[rows])


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


def cross_entropy(predict: Callable[..., Any], batch: Labelled) -> Tensor:
    """The loss of all networks."""
    return F.cross_entropy(predict(batch.x), batch.y)


def fit(
    model: nn.Module,
    train: Labelled,
    valid: Labelled,
    test: Labelled,
    checks: Sequence[int],
    lr: float,
    seed: int,
) -> Run:
    """Train by Adam, and predict after each number of steps in ``checks``."""
    optimiser = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    batches = iter(Batches(train, seed))
    found: list[tuple[Tensor, Tensor]] = []
    for step in range(checks[-1] + 1):
        if step in checks:
            found.append((probabilities(model, valid), probabilities(model, test)))
        if step < checks[-1]:
            optimiser.zero_grad()
            torch.autograd.backward(cross_entropy(model, next(batches)))
            optimiser.step()
    return Run(torch.stack([v for v, _ in found]), torch.stack([t for _, t in found]), lr)


@torch.no_grad()
def probabilities(model: nn.Module, data: Labelled) -> Tensor:
    """Of each class, (n, classes)."""
    result: Tensor = model(data.x).softmax(1)
    return result


def best_run(runs: Sequence[Run], valid: Labelled) -> Run:
    """The run that ends with the highest validation accuracy, of equals the lowest loss."""

    def merit(run: Run) -> tuple[float, float]:
        last = run.valid[-1]
        loss = F.nll_loss(last.clamp_min(1e-12).log(), valid.y)
        return accuracy(last, valid), -float(loss)

    return max(runs, key=merit)


def accuracy(predicted: Tensor, data: Labelled) -> float:
    """The share of right classes."""
    return float((predicted.argmax(-1) == data.y).float().mean())


def train_prior(
    prior: Prior, start: nn.Module, steps: int, rates: Sequence[float], seed: int
) -> tuple[dict[str, Tensor], float]:
    """The weights of the best trial of an earlier study, and its validation accuracy."""
    best: tuple[dict[str, Tensor], float] = ({}, -1.0)
    initial = {name: tensor.clone() for name, tensor in start.state_dict().items()}
    for lr in rates:
        start.load_state_dict(initial)
        run = fit(start, prior.train, prior.valid, prior.valid, [steps], lr, seed)
        reached = accuracy(run.valid[-1], prior.valid)
        if reached > best[1]:
            best = ({name: t.clone() for name, t in start.state_dict().items()}, reached)
    return best

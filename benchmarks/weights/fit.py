"""How models of :mod:`benchmarks.weights.run` are trained and tested."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import math
from typing import Any
from typing import NamedTuple

import torch
from torch import nn
from torch import Tensor

from benchmarks.weights.domain import Data
from benchmarks.weights.domain import Domain
from benchmarks.weights.domain import Kind
from benchmarks.weights.training import Batches
from optuna_meta.weights.merging.ensemble import ensemble_loss


__all__ = [
    "best_of_rates",
    "fit",
    "initial",
    "loss_of",
    "merit",
    "mixed",
    "Run",
    "Start",
    "train",
]

Start = Callable[[nn.Module], object]  # Puts weights into a new model.


class Run(NamedTuple):
    """What a training run reached at each check."""

    lr: float
    merits: tuple[tuple[float, float], ...]  # On validation examples, see :func:`merit`.
    scores: tuple[float, ...]  # On test examples.
    valid: Sequence[Tensor]  # Predictions.
    test: Sequence[Tensor]

    @property
    def chosen(self) -> int:
        """The check at which validation stops it; of equals the first."""
        return self.merits.index(max(self.merits))


def initial(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A model whose initialisation the seed decides."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


def loss_of(kind: Kind) -> Callable[[Callable[..., Any], Data], Tensor]:
    """The loss as meta-learning takes it: of what predicts and a batch."""
    return lambda predict, batch: kind.loss(predict(batch.inputs), batch.targets)


def fit(model: nn.Module, domain: Domain, lr: float, seed: int) -> Run:
    """Train by Adam, and predict after each of the domain's checks."""
    kind, checks = domain.kind, domain.checks
    found: list[tuple[tuple[float, float], float, Tensor, Tensor]] = []
    for step in train(model, kind, Batches(domain.train, seed, domain.batch_size), checks, lr):
        if step in checks:
            with torch.no_grad():
                valid, test = (
                    kind.predictions(model(data.inputs), data.targets)
                    for data in (domain.valid, domain.test)
                )
            score = kind.score(test, kind.wanted(domain.test.targets))
            found.append((merit(kind, valid, domain.valid), score, valid, test))
    merits, scores, valids, tests = zip(*found, strict=True)
    return Run(lr, merits, scores, valids, tests)


def merit(kind: Kind, predictions: Tensor, data: Data) -> tuple[float, float]:
    """How good predictions are: the score, and between equal ones minus the loss; more is better.

    What is not finite is worst.
    """
    wanted = kind.wanted(data.targets)
    score = kind.score(predictions, wanted) * (1.0 if kind.higher else -1.0)
    both = score, -float(ensemble_loss(predictions, wanted))
    return both if all(map(math.isfinite, both)) else (-math.inf, -math.inf)


def train(
    model: nn.Module, kind: Kind, batches: Batches[Data], checks: Sequence[int], lr: float
) -> Iterator[int]:
    """Yields the number of steps done, from 0 to the last check."""
    optimiser = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    stream = iter(batches)
    for step in range(checks[-1]):
        yield step
        batch = next(stream)
        optimiser.zero_grad()
        torch.autograd.backward(kind.loss(model(batch.inputs), batch.targets))
        optimiser.step()
    yield checks[-1]


def best_of_rates(
    domain: Domain, start: Start | None, rates: Sequence[float], seed: int, batches: int
) -> Run:
    """The run that is best by validation at any check, of one from each learning rate."""
    best: Run | None = None
    for lr in rates:
        model = domain.build(seed)
        if start is not None:
            start(model)
        run = fit(model, domain, lr, batches)
        if best is None or max(run.merits) > max(best.merits):
            best = run
    assert best is not None
    return best


def mixed(weights: Sequence[float], predictions: Sequence[Tensor]) -> Tensor:
    """The weighted sum of predictions."""
    parts = [w * p for w, p in zip(weights, predictions, strict=True) if w]
    return torch.stack(parts).sum(0)

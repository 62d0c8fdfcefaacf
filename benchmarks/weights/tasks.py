"""Earlier tasks and a new one, and how their models are trained and tested."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
import math
from typing import Any
from typing import NamedTuple

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from optuna_meta.weights.merging.ensemble import ensemble_loss


PADDING = 0  # The token that only fills a sentence up.

Start = Callable[[nn.Module], object]  # Puts weights into a new model.
Loss = Callable[[Tensor, Tensor], Tensor]  # Of outputs and y, a mean of examples.
Rows = dict[str, Sequence[Any]]  # What each row of a tensor stands for, by its name.


class Data(NamedTuple):
    x: Tensor  # (n, ...)
    y: Tensor  # (n, ...)

    def rows(self, chosen: Any) -> Data:
        """Return some of the examples, by a slice or by their numbers (m,)."""
        return Data(self.x[chosen], self.y[chosen])


def joined(several: Sequence[Data]) -> Data:
    """Return the examples of several."""
    return Data(*map(torch.cat, zip(*several, strict=True)))


class Kind(NamedTuple):
    """What is predicted, and how it is judged."""

    loss: Loss
    score: Callable[[Tensor, Tensor], float]  # Of predictions and what is wanted.
    sign: float  # 1 where a higher score is better, -1 where a lower one is.
    measure: str
    predictions: Callable[[Tensor, Tensor], Tensor] = lambda o, _: o  # Of outputs, y: (m, ...)
    wanted: Callable[[Tensor], Tensor] = lambda y: y  # Of y, those of the predictions: (m,)

    def goodness(self, outputs: Tensor, y: Tensor) -> float:
        """Return the score of outputs (n, ...), or minus it, so that more is better."""
        return self.sign * self.score(self.predictions(outputs, y), self.wanted(y))


CLASSES = Kind(
    F.cross_entropy,
    lambda p, y: float((p.argmax(-1) == y).float().mean()),
    1.0,
    "accuracy",
    lambda o, _: o.softmax(-1),
)
TOKENS = Kind(
    lambda o, y: F.cross_entropy(o.flatten(0, 1), y.flatten(), ignore_index=PADDING),
    lambda p, y: -float(p.gather(-1, y[:, None]).clamp_min(1e-12).log().mean()),
    -1.0,
    "nats a word",
    lambda o, y: o[y != PADDING].softmax(-1),
    lambda y: y[y != PADDING],
)
VALUES = Kind(F.mse_loss, lambda p, y: float((p - y).square().mean().sqrt()), -1.0, "RMSE")


class Model(NamedTuple):
    make: Callable[[], nn.Module]
    rows: Rows = {}
    same_outputs: bool = True  # Whether outputs mean what they mean in the new task.

    def build(self, seed: int) -> nn.Module:
        """Return a new model, whose initialisation the seed decides."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return self.make()


class Task(NamedTuple):
    """A task with examples to train on and to validate by."""

    name: str
    model: Model
    train: Data
    valid: Data
    described: tuple[Any, Any]  # Data and labels that meta-features are taken of.


class Domain(NamedTuple):
    """A new task with few examples, and earlier ones, of which studies keep the weights."""

    kind: Kind
    new: Task
    test: Data  # Of the new task.
    priors: Sequence[Task]
    pooled: Model  # Of all earlier tasks, for what is learned over them together,
    pool: Sequence[Data]  # with the examples of each.
    rates: Sequence[float] = (1e-3, 3e-3, 1e-2, 3e-2)  # Validation chooses.
    checks: Sequence[int] = (0, 2, 5, 10, 20, 30, 50, 75, 100, 150)  # Steps before each test.
    head: Sequence[str] = ()  # What gives the outputs.
    own: Sequence[str] = ()  # What belongs to a task alone.
    batch_size: int = 32
    prior_steps: int = 400
    rounds: int = 400  # Of MAML; joint training and Reptile take eight steps for each.


@dataclass(frozen=True)
class Batches:
    """An endless choice of batches, the same each time that it is gone through."""

    data: Data
    seed: int
    size: int

    def __iter__(self) -> Iterator[Data]:
        generator = torch.Generator().manual_seed(self.seed)
        while True:
            order = torch.randperm(len(self.data.x), generator=generator)
            yield from map(self.data.rows, torch.split(order, self.size))


class Run(NamedTuple):
    """What a training run reached at each check."""

    lr: float
    merits: Sequence[tuple[float, float]]  # On validation examples, see :func:`merit`.
    scores: Sequence[float]  # On test examples.
    valid: Sequence[Tensor]  # Predictions.
    test: Sequence[Tensor]

    @property
    def chosen(self) -> int:
        """The check at which validation stops it; of equals the first."""
        return self.merits.index(max(self.merits))


def train(
    model: nn.Module, loss: Loss, batches: Batches, steps: int, lr: float, decay: float = 0.0
) -> Iterator[int]:
    """Train by AdamW, which is Adam without decay, and yield the steps done, from 0 to all."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=decay, fused=True)
    for step, batch in zip(range(steps), batches, strict=False):
        yield step
        optimiser.zero_grad()
        torch.autograd.backward(loss(model(batch.x), batch.y))
        optimiser.step()
    yield steps


def fit(domain: Domain, make: Callable[[], nn.Module], rates: Sequence[float], seed: int) -> Run:
    """Train a new model at each rate, and return the run with the best check by validation."""
    runs, parts = [], (domain.new.valid, domain.test)
    batches = Batches(domain.new.train, seed, domain.batch_size)
    for lr in rates:
        model = make()
        steps = train(model, domain.kind.loss, batches, domain.checks[-1], lr)
        checks = [
            [predict(model, domain.kind, part) for part in parts]
            for step in steps
            if step in domain.checks
        ]
        runs.append(judge(domain, lr, *zip(*checks, strict=True)))
    return max(runs, key=lambda run: max(run.merits))


def judge(domain: Domain, lr: float, valid: Sequence[Tensor], test: Sequence[Tensor]) -> Run:
    """Return predictions (m, ...) at each check, with what they are worth."""
    merits = [merit(domain.kind, predictions, domain.new.valid) for predictions in valid]
    wanted = domain.kind.wanted(domain.test.y)
    return Run(lr, merits, [domain.kind.score(p, wanted) for p in test], valid, test)


@torch.no_grad()
def predict(model: nn.Module, kind: Kind, data: Data) -> Tensor:
    """Return a model's predictions (m, ...)."""
    return kind.predictions(model(data.x), data.y)


def merit(kind: Kind, predictions: Tensor, data: Data) -> tuple[float, float]:
    """Return the score of predictions (m, ...), and minus their loss; not finite is worst."""
    wanted = kind.wanted(data.y)
    both = kind.sign * kind.score(predictions, wanted), -float(ensemble_loss(predictions, wanted))
    return both if all(map(math.isfinite, both)) else (-math.inf, -math.inf)

"""A domain of :mod:`benchmarks.weights.run`: earlier tasks and a new one, as frozen records."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import NamedTuple

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F


__all__ = ["CLASSES", "Data", "Domain", "Kind", "Pool", "Prior", "TOKENS", "VALUES"]

Build = Callable[[int], nn.Module]  # A seed to a newly initialised model.
Rows = Mapping[str, Sequence[Hashable]]  # What each row of a tensor stands for, by its name.

PADDING = 0  # The token that only fills a sentence up.


class Data(NamedTuple):
    """Examples."""

    inputs: Tensor  # (n, ...)
    targets: Tensor  # (n, ...)


class Kind(NamedTuple):
    """What is predicted, and how it is judged."""

    loss: Callable[[Tensor, Tensor], Tensor]  # Of outputs and targets, a mean of examples.
    predictions: Callable[[Tensor, Tensor], Tensor]  # Of outputs and targets: (m, ...)
    wanted: Callable[[Tensor], Tensor]  # Of targets, those of the predictions: (m,)
    score: Callable[[Tensor, Tensor], float]  # Of predictions and what is wanted.
    higher: bool  # Whether a higher score is better.
    measure: str


def _accuracy(probabilities: Tensor, classes: Tensor) -> float:
    return float((probabilities.argmax(-1) == classes).float().mean())


def _token_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs.flatten(0, 1), targets.flatten(), ignore_index=PADDING)


def _token_score(probabilities: Tensor, tokens: Tensor) -> float:
    own = probabilities.gather(-1, tokens[:, None])
    return -float(own.clamp_min(1e-12).log().mean())


CLASSES = Kind(
    F.cross_entropy, lambda o, _: o.softmax(-1), lambda t: t, _accuracy, True, "accuracy"
)
TOKENS = Kind(
    _token_loss,
    lambda o, t: o[t != PADDING].softmax(-1),
    lambda t: t[t != PADDING],
    _token_score,
    False,
    "nats a word",
)
VALUES = Kind(
    F.mse_loss,
    lambda o, _: o,
    lambda t: t,
    lambda p, t: float((p - t).square().mean().sqrt()),
    False,
    "RMSE",
)


@dataclass(frozen=True)
class Prior:
    """An earlier task, of which a study keeps the weights."""

    name: str
    build: Build
    train: Data
    valid: Data
    same_outputs: bool = True  # Whether outputs mean what they mean in the new task.
    rows: Rows = field(default_factory=dict)
    described: tuple[Any, Any] = (None, None)  # Data and labels that meta-features are taken of.


@dataclass(frozen=True)
class Pool:
    """All earlier tasks in one model, for what is learned over all of them."""

    build: Build
    tasks: Sequence[Data]
    same_outputs: bool = True
    rows: Rows = field(default_factory=dict)


@dataclass(frozen=True)
class Domain:
    """Earlier tasks and a new one with few examples."""

    kind: Kind
    build: Build
    priors: Sequence[Prior]
    pool: Pool
    train: Data
    valid: Data
    test: Data
    checks: Sequence[int]  # Steps after which the new task's model is tested.
    rates: Sequence[float]
    head: Sequence[str] = ()  # What gives the outputs.
    own: Sequence[str] = ()  # What belongs to a task alone.
    rows: Rows = field(default_factory=dict)
    described: tuple[Any, Any] = (None, None)
    batch_size: int = 32
    prior_steps: int = 400
    rounds: int = 400  # Of MAML; joint training and Reptile take eight steps for each.

    @property
    def known(self) -> Data:
        """All examples that the new task has labels of."""
        parts = zip(self.train, self.valid, strict=True)
        return Data(*(torch.cat(pair) for pair in parts))

"""What all meta-learners share: tasks as streams of batches, seeds, devices, and the result.

A task is anything that yields batches again and again, such as a ``DataLoader``, or a data set. A
loss takes what predicts, which is called like the model, and a batch. The model passed in stays as
it is, and so does torch's random state; one seed on a CPU gives one result. Under CUDA, losses are
computed in mixed precision.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
import copy
from dataclasses import asdict
from dataclasses import dataclass
import math
from typing import Any

import numpy as np
import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.batches import batches_of
from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.torch_tools import on_device
from optuna_meta.weights.torch_tools import own_randomness


__all__ = ["InnerLoop", "MetaTraining", "OuterLoop"]

Tasks = Sequence[Iterable[Any]]
TaskLoss = Callable[[Iterator[Any]], Tensor]
Shares = Callable[[], Iterable[tuple[int, float]]]


@dataclass(frozen=True)
class InnerLoop:
    """How a task is learned from the initialisation: plain gradient descent on one batch.

    An initialisation is learned for this, and is best adapted by it.
    """

    lr: float = 0.1
    steps: int = 3

    def __post_init__(self) -> None:
        if not (self.lr > 0.0 and self.steps >= 1):
            raise ValueError(f"The rate must be positive and steps at least 1, got {self}.")


@dataclass(frozen=True)
class OuterLoop:
    """How the initialisation itself is learned."""

    lr: float = 1e-3
    rounds: int = 500
    tasks: int = 4  # In each round.

    def __post_init__(self) -> None:
        if not (self.lr > 0.0 and self.rounds >= 1 and self.tasks >= 1):
            raise ValueError(f"The rate must be positive and counts at least 1, got {self}.")


class MetaTraining:
    """A copy of a model that is trained on several tasks.

    Args:
        model: The start.
        tasks: Each yields batches.
        device: Where to compute.
        seed: Of all random numbers, torch's too.

    Raises:
        ValueError: If there are no tasks.
    """

    def __init__(
        self, model: nn.Module, tasks: Tasks, device: str | torch.device, seed: int
    ) -> None:
        if not tasks:
            raise ValueError("Wanted tasks, one at least, got none.")
        self._device, self._seed = torch.device(device), seed
        self._rng = np.random.default_rng(seed)
        with own_randomness(seed, self._device):  # Moving is the first use of a device.
            self.model = copy.deepcopy(model).to(device).train()
        self.tasks = [
            _endless(number, batches_of(task), self._device) for number, task in enumerate(tasks)
        ]
        self.losses: list[float] = []

    def draw(self, n: int) -> list[int]:
        """Draw the n tasks of a round: different ones while there are as many."""
        n_tasks = len(self.tasks)
        return [int(i) for i in self._rng.choice(n_tasks, n, replace=n > n_tasks)]

    def backward(self, step: int, loss: TaskLoss, task: Iterator[Any], share: float = 1) -> float:
        """Compute the gradients of a task's share of the loss, a scalar, and return its value.

        Args:
            step: Number of the round, for errors.
            loss: Takes a task's batches.
            task: Its batches.
            share: What the loss is multiplied by.

        Raises:
            ValueError: If the loss is not finite.
        """
        with mixed_precision(self._device):
            reached = share * loss(task)
        value = float(reached.detach())
        if not math.isfinite(value):
            raise ValueError(
                f"The loss must be finite, got {value} in round {step}: learning diverged. "
                "Lower the learning rates."
            )
        torch.autograd.backward(reached)
        return value

    def descend(
        self, learned: Iterable[Tensor], outer: OuterLoop, loss: TaskLoss, shares: Shares
    ) -> None:
        """Minimise the weighted sum of tasks' losses by Adam.

        Args:
            learned: The parameters that change, each of any shape.
            outer: Learning rate and number of rounds.
            loss: Of a task, a scalar, given its batches.
            shares: Gives each task of the next round and its weight.
        """
        optimiser = torch.optim.Adam(learned, lr=outer.lr)
        with own_randomness(self._seed, self._device):
            for step in range(outer.rounds):
                optimiser.zero_grad()
                # Task by task, so that one graph is in memory.
                each = [self.backward(step, loss, self.tasks[i], w) for i, w in shares()]
                optimiser.step()
                self.losses.append(sum(each))

    def checkpoint(self, made_by: str, **extra: Any) -> Checkpoint:
        """Return the model's weights as a checkpoint that says how they were learned."""
        loops = (InnerLoop, OuterLoop)
        extra = {name: asdict(v) if isinstance(v, loops) else v for name, v in extra.items()}
        last = self.losses[-max(1, len(self.losses) // 10) :]
        extra = {"made_by": made_by, "loss": sum(last) / len(last), **extra}
        return Checkpoint.from_model(self.model, extra=extra)


def mixed_precision(device: torch.device) -> torch.autocast:
    """Compute in bfloat16 where that pays, under CUDA only."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def _endless(number: int, task: Iterable[Any], device: torch.device) -> Iterator[Any]:
    while True:
        empty = True
        for batch in task:
            empty = False
            yield on_device(batch, device)
        if empty:
            raise ValueError(
                f"Task {number} has no batch left. Pass what can be gone through again, such as "
                "a DataLoader or a list, and not an iterator."
            )

"""What all meta-learners share: tasks as streams of batches, seeds, devices, and the result."""

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
from typing import TypeVar

import numpy as np
import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.batches import on_device
from optuna_meta.weights.checkpoint.checkpoint import Checkpoint


__all__ = [
    "batches_of",
    "chosen_tasks",
    "finished",
    "InnerLoop",
    "Loss",
    "mixed_precision",
    "OuterLoop",
    "Predict",
    "require_finite",
    "working_copy",
]

Predict = Callable[..., Any]
Loss = Callable[[Predict, Any], Tensor]

T = TypeVar("T")


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


def batches_of(tasks: Sequence[Iterable[T]], device: torch.device) -> list[Iterator[T]]:
    """Returns an endless stream of batches on the device for each task.

    Raises:
        ValueError: If there are no tasks.
    """
    if not tasks:
        raise ValueError("There must be a task at least, got none.")
    return [_endless(number, task, device) for number, task in enumerate(tasks)]


def chosen_tasks(rng: np.random.Generator, n_tasks: int, wanted: int) -> list[int]:
    """Returns the tasks of a round: different ones while there are as many."""
    return [int(i) for i in rng.choice(n_tasks, wanted, replace=wanted > n_tasks)]


def _endless(number: int, task: Iterable[T], device: torch.device) -> Iterator[T]:
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


def mixed_precision(device: torch.device) -> torch.autocast:
    """Computes in bfloat16 where that pays, under CUDA only."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def working_copy(model: nn.Module, device: torch.device) -> nn.Module:
    """Returns a copy of the model to train."""
    return copy.deepcopy(model).to(device).train()


def require_finite(loss: Tensor, done: int) -> float:
    """Returns the loss as a number.

    Raises:
        ValueError: If it is not finite.
    """
    value = float(loss.detach())
    if not math.isfinite(value):
        raise ValueError(
            f"The loss must be finite, got {value} in round {done}: learning diverged. Lower the "
            "learning rates."
        )
    return value


def finished(model: nn.Module, made_by: str, losses: Sequence[float], **extra: Any) -> Checkpoint:
    """Returns the model's weights as a checkpoint that says how they were learned."""
    described = {
        k: asdict(v) if isinstance(v, InnerLoop | OuterLoop) else v for k, v in extra.items()
    }
    tail = losses[-max(1, len(losses) // 10) :]
    told = {"made_by": made_by, "loss": sum(tail) / len(tail), **described}
    return Checkpoint.from_model(model, extra=told)

"""Initial weights from which each of several tasks is near.

Reptile: Nichol, Achiam and Schulman (2018), "On first-order meta-learning algorithms".
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.batches import Loss
from optuna_meta.weights.batches import own_loss
from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.meta_learning.loop import InnerLoop
from optuna_meta.weights.meta_learning.loop import MetaTraining
from optuna_meta.weights.meta_learning.loop import OuterLoop
from optuna_meta.weights.torch_tools import own_randomness


__all__ = ["reptile_init"]


def reptile_init(
    model: nn.Module,
    tasks: Sequence[Iterable[Any]],
    loss: Loss = own_loss,
    *,
    inner: InnerLoop = InnerLoop(lr=0.05, steps=8),  # noqa: B008 - frozen
    outer: OuterLoop = OuterLoop(lr=1.0, rounds=300, tasks=4),  # noqa: B008
    final_lr: float = 0.0,
    optimiser: type[torch.optim.Optimizer] = torch.optim.SGD,
    device: str | torch.device = "cpu",
    seed: int = 0,
) -> Checkpoint:
    """Learn weights from which a few steps of each task lead to its solution.

    Each round moves the weights to where the steps of some tasks end.

    Args:
        model: The start; it stays as it is.
        tasks: Each yields batches again and again; each inner step takes a new one.
        loss: Of what predicts, which is called like the model, and a batch; a scalar. By default
            the model's own.
        inner: The steps of a task.
        outer: Its learning rate is the share of the way that is gone, 1 all of it.
        final_lr: To which that share falls, from round to round by an equal amount.
        optimiser: Class of the inner optimiser, which starts anew in each task.
        device: Where to compute.
        seed: Of all random numbers.

    Raises:
        ValueError: If a task is empty or the loss diverges.
    """
    training = MetaTraining(model, tasks, device, seed)
    trained = training.model

    def task_loss(task: Iterator[Any]) -> Tensor:
        return loss(trained, next(task))

    with own_randomness(seed, torch.device(device)):
        slow = [p.detach().clone() for p in trained.parameters()]
        for number in range(outer.rounds):
            chosen = training.draw(outer.tasks)
            moves = [torch.zeros_like(p) for p in slow]
            for i in chosen:
                _copy(slow, trained)
                steps = optimiser(trained.parameters(), lr=inner.lr)  # type: ignore[call-arg]
                for _ in range(inner.steps):
                    steps.zero_grad()
                    training.losses.append(training.backward(number, task_loss, training.tasks[i]))
                    steps.step()
                for move, p, start in zip(moves, trained.parameters(), slow, strict=True):
                    move += (p.detach() - start) / len(chosen)
            rate = outer.lr + (final_lr - outer.lr) * number / outer.rounds
            for start, move in zip(slow, moves, strict=True):
                start += rate * move
        _copy(slow, trained)
    return training.checkpoint("reptile", inner=inner, outer=outer, optimiser=optimiser.__name__)


@torch.no_grad()
def _copy(values: Sequence[Tensor], model: nn.Module) -> None:
    for p, value in zip(model.parameters(), values, strict=True):
        p.copy_(value)

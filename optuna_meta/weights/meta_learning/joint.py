"""Initial weights that minimise the weighted sum of several tasks' losses."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from optuna_meta.weights.batches import Loss
from optuna_meta.weights.batches import own_loss
from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.merging.average import shares_of
from optuna_meta.weights.meta_learning.loop import MetaTraining
from optuna_meta.weights.meta_learning.loop import OuterLoop


__all__ = ["joint_init"]


def joint_init(
    model: nn.Module,
    tasks: Sequence[Iterable[Any]],
    loss: Loss = own_loss,
    *,
    weights: Sequence[float] | None = None,
    steps: int = 500,
    lr: float = 1e-3,
    device: str | torch.device = "cpu",
    seed: int = 0,
) -> Checkpoint:
    """Learn weights that minimise the weighted sum of the tasks' losses, by Adam.

    Args:
        model: The start; it stays as it is.
        tasks: Each yields batches again and again, such as a ``DataLoader``.
        loss: Of what predicts, which is called like the model, and a batch; a scalar. By default
            the model's own.
        weights: Of each task, not negative; scaled to sum to 1. Equal if None.
        steps: Each sees a batch of each task.
        lr: Learning rate.
        device: Where to compute.
        seed: Of all random numbers.

    Raises:
        ValueError: If the weights do not belong to the tasks, a task is empty, or the loss
            diverges.
    """
    shares = shares_of(weights, len(tasks), "tasks")
    training = MetaTraining(model, tasks, device, seed)
    training.descend(
        training.model.parameters(),
        OuterLoop(lr, steps, len(tasks)),
        lambda task: loss(training.model, next(task)),
        lambda: enumerate(shares),
    )
    return training.checkpoint("joint", weights=shares)

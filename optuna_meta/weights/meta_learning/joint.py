"""Initial weights that minimise the weighted sum of several tasks' losses.

A task is anything that yields batches again and again, such as a ``DataLoader``. A loss takes what
predicts, which is called like the model, and a batch. The model passed in stays as it is, and so
does torch's random state; one seed on a CPU gives one result. Under CUDA, losses are computed in
mixed precision.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.merging.average import check_weights
from optuna_meta.weights.meta_learning.loop import batches_of
from optuna_meta.weights.meta_learning.loop import finished
from optuna_meta.weights.meta_learning.loop import Loss
from optuna_meta.weights.meta_learning.loop import mixed_precision
from optuna_meta.weights.meta_learning.loop import require_finite
from optuna_meta.weights.meta_learning.loop import working_copy
from optuna_meta.weights.torch_tools import own_randomness


__all__ = ["joint_init"]


def joint_init(
    model: nn.Module,
    tasks: Sequence[Iterable[Any]],
    loss: Loss,
    *,
    weights: Sequence[float] | None = None,
    steps: int = 500,
    lr: float = 1e-3,
    device: str | torch.device = "cpu",
    seed: int = 0,
) -> Checkpoint:
    """Returns the weights that minimise the weighted sum of the tasks' losses, by Adam.

    Args:
        model: The start.
        tasks: Each yields batches.
        loss: Of what predicts and a batch.
        weights: Of each task, not negative; scaled to sum to 1. Equal if None.
        steps: Each sees a batch of each task.
        lr: Learning rate.
        device: Where to compute.
        seed: Of all random numbers.

    Raises:
        ValueError: If the weights do not belong to the tasks, a task is empty, or the loss
            diverges.
    """
    place = torch.device(device)
    shares = check_weights([1.0] * len(tasks) if weights is None else weights)
    if len(shares) != len(tasks):
        raise ValueError(f"There are {len(shares)} weights and {len(tasks)} tasks. Pass as many.")
    losses = []
    with own_randomness(seed, place):
        streams = batches_of(tasks, place)
        trained = working_copy(model, place)
        optimiser = torch.optim.Adam(trained.parameters(), lr=lr)
        for step in range(steps):
            optimiser.zero_grad()
            total = 0.0
            for share, stream in zip(shares, streams, strict=True):
                with mixed_precision(place):
                    value = share * loss(trained, next(stream))
                total += require_finite(value, step)
                torch.autograd.backward(value)  # Task by task, so that one graph is in memory.
            optimiser.step()
            losses.append(total)
    return finished(trained, "joint", losses, weights=shares)

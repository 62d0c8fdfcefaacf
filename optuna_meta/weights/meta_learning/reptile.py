"""Initial weights from which each of several tasks is near.

Reptile: Nichol, Achiam and Schulman (2018), "On first-order meta-learning algorithms".

A task is anything that yields batches again and again, such as a ``DataLoader``. A loss takes what
predicts, which is called like the model, and a batch. The model passed in stays as it is, and so
does torch's random state; one seed on a CPU gives one result. Under CUDA, losses are computed in
mixed precision.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.meta_learning.loop import batches_of
from optuna_meta.weights.meta_learning.loop import chosen_tasks
from optuna_meta.weights.meta_learning.loop import finished
from optuna_meta.weights.meta_learning.loop import InnerLoop
from optuna_meta.weights.meta_learning.loop import Loss
from optuna_meta.weights.meta_learning.loop import mixed_precision
from optuna_meta.weights.meta_learning.loop import OuterLoop
from optuna_meta.weights.meta_learning.loop import require_finite
from optuna_meta.weights.meta_learning.loop import working_copy
from optuna_meta.weights.torch_tools import own_randomness


__all__ = ["reptile_init"]


def reptile_init(
    model: nn.Module,
    tasks: Sequence[Iterable[Any]],
    loss: Loss,
    *,
    inner: InnerLoop = InnerLoop(lr=0.05, steps=8),  # noqa: B008 - frozen
    outer: OuterLoop = OuterLoop(lr=1.0, rounds=300, tasks=4),  # noqa: B008
    final_lr: float = 0.0,
    optimiser: type[torch.optim.Optimizer] = torch.optim.SGD,
    device: str | torch.device = "cpu",
    seed: int = 0,
) -> Checkpoint:
    """Returns weights from which a few steps of each task lead to its solution.

    Each round moves the weights towards where the steps of some tasks end.

    Args:
        model: The start.
        tasks: Each yields batches; each inner step takes a new one.
        loss: Of what predicts and a batch.
        inner: The steps of a task.
        outer: Its learning rate is the share of the way that is gone, 1 all of it.
        final_lr: To which that share falls, from round to round by an equal amount.
        optimiser: Class of the inner optimiser, which starts anew in each task.
        device: Where to compute.
        seed: Of all random numbers.

    Raises:
        ValueError: If a task is empty or the loss diverges.
    """
    place = torch.device(device)
    rng = np.random.default_rng(seed)
    losses = []
    with own_randomness(seed, place):
        streams = batches_of(tasks, place)
        trained = working_copy(model, place)
        slow = [p.detach().clone() for p in trained.parameters()]
        for number in range(outer.rounds):
            chosen = chosen_tasks(rng, len(streams), outer.tasks)
            moves = [torch.zeros_like(p) for p in slow]
            for i in chosen:
                _copy(slow, trained)
                steps = optimiser(trained.parameters(), lr=inner.lr)  # type: ignore[call-arg]
                for _ in range(inner.steps):
                    steps.zero_grad()
                    with mixed_precision(place):
                        value = loss(trained, next(streams[i]))
                    losses.append(require_finite(value, number))
                    torch.autograd.backward(value)
                    steps.step()
                for move, p, start in zip(moves, trained.parameters(), slow, strict=True):
                    move += (p.detach() - start) / len(chosen)
            rate = outer.lr + (final_lr - outer.lr) * number / outer.rounds
            for start, move in zip(slow, moves, strict=True):
                start += rate * move
        _copy(slow, trained)
    extra = {"inner": inner, "outer": outer, "optimiser": optimiser.__name__}
    return finished(trained, "reptile", losses, **extra)


def _copy(values: Sequence[Tensor], model: nn.Module) -> None:
    with torch.no_grad():
        for p, value in zip(model.parameters(), values, strict=True):
            p.copy_(value)

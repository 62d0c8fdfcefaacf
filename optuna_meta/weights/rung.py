"""A short training from each start, scratch among them, by k-fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.checkpoint import Checkpoint
from optuna_meta.weights.target import healthy
from optuna_meta.weights.target import own_randomness
from optuna_meta.weights.target import predict
from optuna_meta.weights.target import Target


__all__ = ["Rung", "beats", "evaluate"]

Array = NDArray[np.float64]


class Rung(NamedTuple):
    """How a start is tried.

    Args:
        steps: Of training, each on one batch; a tenth of the real training or more. In a few steps
            nearly anything that was trained before is ahead of scratch: on handwritten digits a
            network that had learned random labels was after 20 steps, and behind after 60.
        folds: Parts of the examples, each in turn held out.
        rates: Learning rates to try; each start is judged at its best on the first fold.
        batch_size: Examples of one step.
    """

    steps: int = 60
    folds: int = 4
    rates: Sequence[float] = (1e-3, 4e-3, 1.6e-2)
    batch_size: int = 32


def evaluate(target: Target, start: Checkpoint | None, rung: Rung, seed: int) -> Array:
    """Returns the loss on each held-out fold after a short training at the best rate.  # (folds,)

    It is infinite where the training ends in a dead or diverged model. Folds, batches and what the
    checkpoint does not have are the same for every start.
    """
    order = torch.randperm(len(target.inputs), generator=torch.Generator().manual_seed(seed))
    folds = order.tensor_split(min(rung.folds, len(order)))
    first = [_held_out_loss(target, start, rung, rate, folds, 0, seed) for rate in rung.rates]
    losses = np.full(len(folds), np.inf)
    for k in np.argsort(first, kind="stable"):  # A choice of rate on one fold halves the cost.
        rate, rest = rung.rates[k], range(1, len(folds))
        others = [_held_out_loss(target, start, rung, rate, folds, i, seed) for i in rest]
        losses = np.array([first[k], *others])
        if np.isfinite(losses).all():
            break  # Else the next best: a rate that kills the model on some fold is none.
    return losses


def beats(losses: Array, others: Array) -> bool:
    """Whether losses (folds,) are lower than others by more than a standard error, in pairs."""
    if not np.isfinite(losses).all():
        return False
    if not np.isfinite(others).all():
        return True
    gains = others - losses
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    return bool(gains.mean() > max(float(error), 0.0))


def _held_out_loss(
    target: Target,
    start: Checkpoint | None,
    rung: Rung,
    rate: float,
    folds: Sequence[Tensor],
    held_out: int,
    seed: int,
) -> float:
    rest = torch.cat([fold for i, fold in enumerate(folds) if i != held_out])
    with own_randomness(seed + held_out):
        model = target.model(start)
        _train(model, target, rest, rung, rate, seed + held_out)
    if healthy(predict(model, target.inputs)):
        return float("inf")
    fold = folds[held_out].to(target.inputs.device)
    loss = target.loss(predict(model, target.inputs[fold]), target.targets[fold]).item()
    return loss if np.isfinite(loss) else float("inf")


def _train(
    model: nn.Module, target: Target, rows: Tensor, rung: Rung, rate: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    model.train()
    for _ in range(rung.steps):
        drawn = torch.randperm(len(rows), generator=generator)[: rung.batch_size]
        batch = rows[drawn].to(target.inputs.device)
        optimizer.zero_grad()
        torch.autograd.backward(target.loss(model(target.inputs[batch]), target.targets[batch]))
        optimizer.step()

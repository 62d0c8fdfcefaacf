"""Which checkpoints to average, and with what weights, found on validation data.

Wortsman et al. (2022), "Model soups: averaging weights of multiple fine-tuned models improves
accuracy without increasing inference time": the greedy soup (Recipe 1) and, in its simplest form
with one weight for each model, the learned soup (Appendix I). Keep data apart that report.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence
from functools import partial
import math
from typing import Any
from typing import NamedTuple

import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.batches import batches_of
from optuna_meta.weights.batches import Loss
from optuna_meta.weights.batches import own_loss
from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.merging.average import average
from optuna_meta.weights.state_dict import opened
from optuna_meta.weights.state_dict import plain_name
from optuna_meta.weights.state_dict import Source
from optuna_meta.weights.state_dict import state_of
from optuna_meta.weights.tensors import State
from optuna_meta.weights.torch_tools import call_with
from optuna_meta.weights.torch_tools import evaluating
from optuna_meta.weights.torch_tools import on_device


__all__ = ["greedy_soup", "learn_weights", "Soup"]


class Soup(NamedTuple):
    """An average that validation chose."""

    checkpoint: Checkpoint
    weights: tuple[float, ...]  # Of each checkpoint given, 0 where left out; they sum to 1.
    score: float


def greedy_soup(
    checkpoints: Sequence[Source],
    score: Callable[[Checkpoint], float],
    *,
    maximize: bool = True,
    align_by: nn.Module | None = None,
    allow_independent: bool = False,
) -> Soup:
    """Add checkpoints, best first, to an equal average as long as its score improves strictly.

    Args:
        checkpoints: Checkpoints or state dicts of one architecture.
        score: How well weights do on validation data; it recomputes batch normalisation's
            statistics where there are any.
        maximize: Whether a higher score is better.
        align_by: See :func:`optuna_meta.weights.merging.average.average`.
        allow_independent: The same.

    Raises:
        ValueError: If no checkpoint has a finite score, or they cannot be averaged.
    """
    sign = 1.0 if maximize else -1.0
    scores = [sign * float(score(_checkpoint(checkpoint))) for checkpoint in checkpoints]
    finite = [i for i, reached in enumerate(scores) if math.isfinite(reached)]
    ranked = sorted(finite, key=lambda i: -scores[i])
    if not ranked:
        raise ValueError(f"One checkpoint at least must have a finite score, got {scores}.")
    chosen, best = [ranked[0]], scores[ranked[0]]
    mean = partial(average, align_by=align_by, allow_independent=allow_independent)
    soup = mean([checkpoints[ranked[0]]])
    for i in ranked[1:]:
        trial = mean([checkpoints[j] for j in [*chosen, i]])
        reached = sign * float(score(trial))
        if reached > best:
            chosen, best, soup = [*chosen, i], reached, trial
    weights = tuple(float(i in chosen) / len(chosen) for i in range(len(checkpoints)))
    return Soup(soup, weights, sign * best)


def learn_weights(
    model: nn.Module,
    checkpoints: Sequence[Source],
    batches: Iterable[Any],
    loss: Loss = own_loss,
    *,
    steps: int = 50,
    lr: float = 0.2,
    device: str | torch.device | None = None,
    allow_independent: bool = False,
) -> tuple[float, ...]:
    """Learn the weights of the average with the least validation loss, by gradients.

    All checkpoints are in memory together. They start equal.

    Args:
        model: A model of their architecture; its weights do not matter and are kept.
        checkpoints: Checkpoints or state dicts.
        batches: Validation data, small enough to be gone through at each step: batches, a
            ``DataLoader`` or a data set.
        loss: The loss of a batch, given what predicts and the batch; by default the model's own.
        steps: How many steps of Adam.
        lr: Its learning rate.
        device: Where to compute; where the model is if None.
        allow_independent: See :func:`optuna_meta.weights.merging.average.average`.

    Raises:
        ValueError: If there is no checkpoint, or they look independently trained.
    """
    if not checkpoints:
        raise ValueError("There must be a checkpoint at least, got none.")
    average(checkpoints, allow_independent=allow_independent)  # Raises where they are unlike.
    buffers = {name for name, _ in model.named_buffers()}
    tied = _tied_names(model)
    with evaluating(model, device) as place:
        states = [_floating(state_of(each), place, tied) for each in checkpoints]
        data = [on_device(batch, place) for batch in batches_of(batches)]
        logits = torch.zeros(len(states), device=place, requires_grad=True)
        optimiser = torch.optim.Adam([logits], lr=lr)
        for _ in range(steps):
            optimiser.zero_grad()
            for batch in data:
                predict = partial(call_with, model, _mixed(states, logits.softmax(0), buffers))
                torch.autograd.backward(loss(predict, batch) / len(data))
            optimiser.step()
    return tuple(logits.detach().softmax(0).tolist())


def _checkpoint(source: Source) -> Checkpoint:
    held = opened(source)
    return held if isinstance(held, Checkpoint) else Checkpoint(state_of(held))


def _tied_names(model: nn.Module) -> list[list[str]]:
    """Return the names of each parameter that has several."""
    names: dict[int, list[str]] = {}
    for name, p in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(p), []).append(plain_name(name))
    return [of_one for of_one in names.values() if len(of_one) > 1]


def _floating(state: State, device: torch.device, tied: Sequence[Sequence[str]]) -> State:
    """Return what can be mixed, tied tensors once; of the rest the model's own is used."""
    twice = {name for names in tied for name in [n for n in names if n in state][1:]}
    kept = {n: t for n, t in state.items() if t.is_floating_point() and n not in twice}
    return {name: tensor.detach().to(device) for name, tensor in kept.items()}


def _mixed(states: Sequence[State], weights: Tensor, buffers: Collection[str]) -> State:
    """Return the weighted sum, through which gradients reach the weights (models,).

    Not through buffers: a batch norm has no gradient with respect to its statistics.
    """
    mixed = {}
    for name in states[0]:
        shares = (weights.detach() if name in buffers else weights).unbind()
        parts = [w * state[name] for w, state in zip(shares, states, strict=True)]
        mixed[name] = torch.stack(parts).sum(0)
    return mixed

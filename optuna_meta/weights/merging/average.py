"""The weighted mean of several models' weights.

One pass over the checkpoints: a sum and one checkpoint are in memory at a time. It helps where the
models come from one start, for then they lie in one valley of the loss; the mean of independently
trained networks is as good as random, for their hidden units stand in no common order. Such are
told by weights at right angles, and refused unless a model is given to align them by.

Batch normalisation's statistics are averaged too, but belong to none of the averaged networks:
recompute them with :func:`refresh_statistics`.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
import itertools
import math
from typing import Any

import torch
from torch import nn
from torch import Tensor
from torch.optim.swa_utils import update_bn

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint.lineage import mixed_metadata
from optuna_meta.weights.checkpoint.lineage import Origin
from optuna_meta.weights.checkpoint.lineage import origins_of
from optuna_meta.weights.checkpoint.trainable import is_trainable_only
from optuna_meta.weights.checkpoint.trainable import NOTE
from optuna_meta.weights.merging.align import align
from optuna_meta.weights.state_dict import differences
from optuna_meta.weights.state_dict import opened
from optuna_meta.weights.state_dict import Source
from optuna_meta.weights.state_dict import state_of
from optuna_meta.weights.tensors import State
from optuna_meta.weights.torch_tools import device_of


__all__ = ["average", "cosine_similarity", "refresh_statistics", "shares_of"]

# On digits, independent runs measured at most 0.05, runs from one start 0.5 and more.
_LEAST_COSINE = 0.2


def average(
    checkpoints: Iterable[Source],
    weights: Sequence[float] | None = None,
    *,
    align_by: nn.Module | None = None,
    allow_independent: bool = False,
) -> Checkpoint:
    """Return the weighted mean of the checkpoints, each tensor of its own shape.

    Floating tensors are summed in float32 (float64 stays) and get their own precision back. Of
    other tensors, such as counts, those of the heaviest checkpoint are taken.

    Args:
        checkpoints: Checkpoints, candidates or state dicts of one architecture, one at least;
            candidates, or an iterator that loads one after the other, bound the memory.
        weights: Of each, not negative; they are scaled to sum to 1. Equal if None.
        align_by: A model of their architecture by which the hidden units of each are first brought
            into the order of the mean so far, see :func:`optuna_meta.weights.merging.align.align`.
        allow_independent: Whether to average what looks independently trained.

    Raises:
        ValueError: If names, shapes or dtypes differ, the weights do not belong to the
            checkpoints, or the checkpoints look independently trained.
    """
    given = None if weights is None else shares_of(weights, len(weights), "checkpoints")
    shares = itertools.repeat(1.0) if given is None else iter(given)
    mean, used, origins = _Mean(), list[float](), list[tuple[Origin, ...]]()
    note: Mapping[str, Any] = {}
    for checkpoint in checkpoints:
        share = next(shares, 0.0)  # Those that are too many only count.
        used.append(share)
        source = opened(checkpoint) if share else {}
        origins.append(origins_of(source))
        if share:
            note = NOTE if is_trainable_only(source) else {}
            state = state_of(source)
            mean.check(state)
            if align_by is not None and mean.total:
                state = align(align_by, state, mean.value())
            elif not allow_independent and mean.total:
                _refuse_independent(cosine_similarity(state, mean.sums), len(used))
            mean.add(state, share)
            del state
        del checkpoint, source  # Before the next one is loaded.
    shares_used = shares_of(used if weights is None else weights, len(used), "checkpoints")
    metadata = mixed_metadata(origins, shares_used, "average")
    return Checkpoint(mean.value(), replace(metadata, extra={**metadata.extra, **note}))


def shares_of(weights: Sequence[float] | None, n: int, what: str) -> list[float]:
    """Return weights scaled to sum to 1.

    Args:
        weights: Of the things; equal if None.
        n: How many things there are.
        what: What to call them in errors.

    Raises:
        ValueError: If there are none, or not as many as weights, or a weight is negative or not
            finite, or all are 0.
    """
    shares = [1.0] * n if weights is None else [float(weight) for weight in weights]
    if n == 0:
        raise ValueError(f"Wanted {what}, one at least, got none.")
    if len(shares) != n:
        raise ValueError(
            f"Wanted {what} and a weight for each, got {n} {what} and {len(shares)} weights."
        )
    if not all(math.isfinite(share) and share >= 0.0 for share in shares) or not sum(shares):
        raise ValueError(
            f"Weights must be finite, not negative, and not all 0, got {shares}. Leave out what "
            "should not count."
        )
    return [share / sum(shares) for share in shares]


def cosine_similarity(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """Return the cosine between two models' weights, in [-1, 1].

    Vectors such as biases and scales do not count: they are alike in all models.
    """
    product = square_a = square_b = 0.0
    for name, tensor in a.items():
        if name in b and tensor.is_floating_point() and tensor.ndim > 1:
            x, y = _flat(tensor), _flat(b[name])
            product += float(x @ y)
            square_a += float(x @ x)
            square_b += float(y @ y)
    scale = math.sqrt(square_a * square_b)
    return product / scale if scale else 1.0


def _flat(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", torch.float64).ravel()


def refresh_statistics(
    model: nn.Module, batches: Iterable[Any], device: str | torch.device | None = None
) -> None:
    """Recompute the statistics of batch normalisation from data, by torch's ``update_bn``.

    Args:
        model: The model; its mode is kept. One without batch normalisation stays as it is.
        batches: Inputs, or tuples that start with them.
        device: Where the inputs go; the model's own if None.
    """
    update_bn(batches, model, torch.device(device or device_of(model)))


class _Mean:
    """A weighted mean that grows."""

    def __init__(self) -> None:
        self.sums: State = {}
        self.total = 0.0
        self._heaviest = 0.0
        self._first: State = {}  # Without values.
        self._others: State = {}

    def check(self, state: State) -> None:
        """Raise a ValueError unless the state has the names, shapes and dtypes of the first."""
        self._first = self._first or {name: t.detach().to("meta") for name, t in state.items()}
        for name, first, other in differences(self._first, state):
            raise ValueError(
                f"Checkpoints to average must have one architecture: {name!r} is {first} in one "
                f"and {other} in another. Average those that are alike."
            )

    def add(self, state: State, share: float) -> None:
        """Add a state with its share."""
        heavier = share > self._heaviest
        self._heaviest = max(share, self._heaviest)
        self.total += share
        for name, tensor in state.items():
            if not (tensor.is_floating_point() or tensor.is_complex()):
                if heavier:
                    self._others[name] = tensor.clone()
            elif name in self.sums:
                known = self.sums[name]
                known.add_(tensor.detach().to(known.device, known.dtype), alpha=share)
            else:
                wide = torch.promote_types(tensor.dtype, torch.float32)
                self.sums[name] = tensor.detach().to(wide, copy=True).mul_(share)

    def value(self) -> State:
        """Return the mean so far, in the dtypes of the first state."""
        return {
            name: (self.sums[name] / self.total).to(first.dtype)
            if name in self.sums
            else self._others[name]
            for name, first in self._first.items()
        }


def _refuse_independent(cosine: float, number: int) -> None:
    if cosine < _LEAST_COSINE:
        raise ValueError(
            f"Checkpoint {number} looks independently trained of those before it: the cosine of "
            f"their weights is {cosine:.2f}, that of runs from one start above {_LEAST_COSINE}. "
            "Their mean would be no network of use. Pass align_by=model to bring hidden units "
            "into one order, combine predictions with Ensemble, or pass allow_independent=True."
        )

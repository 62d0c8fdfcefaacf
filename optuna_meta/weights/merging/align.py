"""Brings the hidden units of one network into the order of another's.

Ainsworth, Hayase and Srinivasa (2023), "Git Re-Basin: merging models modulo permutation
symmetries": weight matching (Algorithm 1), layer after layer, each a linear assignment problem,
until no layer changes any more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.merging.hidden_units import Axis
from optuna_meta.weights.merging.hidden_units import Hidden
from optuna_meta.weights.merging.hidden_units import hidden_layers
from optuna_meta.weights.state_dict import plain_name
from optuna_meta.weights.state_dict import Source
from optuna_meta.weights.state_dict import state_of


__all__ = ["align"]

_MAX_ROUNDS = 100
_LEAST_GAIN = (
    1e-12  # Of a layer's cosine_similarity; less is rounding, on which a search could turn round.
)

Permutation = NDArray[np.intp]
State = dict[str, Tensor]


def align(model: nn.Module, source: Source, reference: Source, *, seed: int = 0) -> State:
    """Returns the source's weights with hidden units in the order most like the reference's.

    The network that they make computes what it did.

    Args:
        model: A model of their architecture, of which the layers are read; its weights are not.
        source: The weights to bring into order.
        reference: The weights whose order is taken.
        seed: Of the order in which layers are matched.

    Raises:
        ValueError: If the model has what cannot be aligned, with the reason.
    """
    state, wanted = state_of(source), state_of(reference)
    layers = _plain(hidden_layers(model))
    found = {n: _narrow(state[n]) for layer in layers for n in _names(layer)}
    theirs = {n: _narrow(wanted[n]) for layer in layers for n in _names(layer)}
    orders = _match(layers, found, theirs, np.random.default_rng(seed))
    return {name: _placed(tensor, name, layers, orders) for name, tensor in state.items()}


def _match(
    layers: list[Hidden], state: State, reference: State, rng: np.random.Generator
) -> list[Permutation]:
    orders: list[Permutation] = [np.arange(layer.size) for layer in layers]
    for _ in range(_MAX_ROUNDS):
        changed = False
        for i in rng.permutation(len(layers)):
            gains = _gains(i, layers, orders, state, reference)
            order = linear_sum_assignment(gains, maximize=True)[1]
            rows = np.arange(layers[i].size)
            before, after = gains[rows, orders[i]].sum(), gains[rows, order].sum()
            if after > before + _LEAST_GAIN * (1.0 + abs(before)):
                orders[i], changed = order, True
        if not changed:
            break
    return orders


def _gains(
    i: int, layers: list[Hidden], orders: list[Permutation], state: State, reference: State
) -> NDArray[np.float64]:
    """Likeness of each of the reference's units to each of the source's, (size, size)."""
    size = layers[i].size
    gains = torch.zeros(size, size, dtype=torch.float64, device="cpu")
    others = [identity if j == i else orders[j] for j, identity in _identities(layers)]
    for axis in layers[i].axes:
        if axis.name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            continue  # Data's, not weights: their scale would drown the rest.
        ours = _units(_placed(state[axis.name], axis.name, layers, others), axis)
        gains += _units(reference[axis.name], axis) @ ours.T
    return gains.numpy()


def _identities(layers: list[Hidden]) -> list[tuple[int, Permutation]]:
    return [(j, np.arange(layer.size)) for j, layer in enumerate(layers)]


def _units(tensor: Tensor, axis: Axis) -> Tensor:
    """A row for each unit."""
    front = tensor.movedim(axis.dim, 0)
    return front.reshape(front.shape[0] // axis.block, -1)


def _placed(tensor: Tensor, name: str, layers: list[Hidden], orders: list[Permutation]) -> Tensor:
    for layer, order in zip(layers, orders, strict=True):
        for axis in layer.axes:
            if axis.name == name:
                tensor = tensor.index_select(
                    axis.dim, _places(order, axis.block).to(tensor.device)
                )
    return tensor


def _places(order: Permutation, block: int) -> Tensor:
    return torch.from_numpy((order[:, None] * block + np.arange(block)).ravel())


def _plain(layers: tuple[Hidden, ...]) -> list[Hidden]:
    return [
        Hidden(layer.size, tuple(a._replace(name=plain_name(a.name)) for a in layer.axes))
        for layer in layers
    ]


def _names(layer: Hidden) -> list[str]:
    return [axis.name for axis in layer.axes]


def _narrow(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", torch.float64)

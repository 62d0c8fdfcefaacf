"""The hidden units of one network in the order of another's.

Ainsworth, Hayase and Srinivasa (2023), "Git Re-Basin: merging models modulo permutation
symmetries": weight matching (Algorithm 1), layer after layer, each a linear assignment problem,
until no layer changes any more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
import torch
from torch import nn
from torch import Tensor

from optuna_meta._typing import Array
from optuna_meta.weights.merging.hidden_units import Axis
from optuna_meta.weights.merging.hidden_units import hidden_layers
from optuna_meta.weights.merging.hidden_units import HiddenLayer
from optuna_meta.weights.state_dict import Source
from optuna_meta.weights.state_dict import state_of
from optuna_meta.weights.tensors import State


__all__ = ["align"]

_MAX_ROUNDS = 100  # Three hidden layers took 6 to 14.
_LEAST_GAIN = 1e-12  # Of a layer's likeness; less is rounding, on which a search could turn round.

Orders = list[NDArray[np.intp]]  # of the units of each layer, (size,)
Layers = Sequence[HiddenLayer]


def align(model: nn.Module, source: Source, reference: Source, *, seed: int = 0) -> State:
    """Return the source's weights with hidden units in the order most like the reference's.

    The network that they make computes what it did; each tensor keeps its shape.

    Args:
        model: A model of their architecture, of which the layers are read; its weights are not.
        source: The weights to bring into order.
        reference: The weights whose order is taken.
        seed: Of the order in which layers are matched.

    Raises:
        ValueError: If the model has what cannot be aligned, with the reason.
    """
    state, wanted = state_of(source), state_of(reference)
    layers = hidden_layers(model)
    names = [axis.name for layer in layers for axis in layer.axes]
    ours, theirs = ({n: s[n].detach().cpu().double() for n in names} for s in (state, wanted))
    orders = _match(layers, ours, theirs, seed)
    return {name: _placed(tensor, name, layers, orders) for name, tensor in state.items()}


def _match(layers: Layers, state: State, reference: State, seed: int) -> Orders:
    rng = np.random.default_rng(seed)
    orders: Orders = [np.arange(layer.size) for layer in layers]
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


def _gains(i: int, layers: Layers, orders: Orders, state: State, reference: State) -> Array:
    """Return how like each of the reference's units is to each of the source's, (size, size)."""
    size = layers[i].size
    gains = torch.zeros(size, size, dtype=torch.float64, device="cpu")
    others = [*orders[:i], np.arange(size), *orders[i + 1 :]]
    for axis in layers[i].axes:
        if axis.name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            continue  # Data's, not weights: their scale would drown the rest.
        ours = _rows(_placed(state[axis.name], axis.name, layers, others), axis)
        gains += _rows(reference[axis.name], axis) @ ours.T
    return gains.numpy()


def _rows(tensor: Tensor, axis: Axis) -> Tensor:
    """Return a row for each unit, (size, -1)."""
    front = tensor.movedim(axis.dim, 0)
    return front.reshape(front.shape[0] // axis.block, -1)


def _placed(tensor: Tensor, name: str, layers: Layers, orders: Orders) -> Tensor:
    """Return a tensor with the units of each of its axes in their layer's order (size,)."""
    for layer, order in zip(layers, orders, strict=True):
        for axis in layer.axes:
            if axis.name == name:
                places = (order[:, None] * axis.block + np.arange(axis.block)).ravel()
                index = torch.from_numpy(places).to(tensor.device)
                tensor = tensor.index_select(axis.dim, index)
    return tensor

"""The hidden units of a network that may change places, found from the module.

A network computes the same after the units of a hidden layer change places, if the inputs of all
that reads them change places with them. Where outputs of several layers are added or multiplied,
as by residual connections, the units of all of them change places together; those that meet the
network's inputs or outputs do not at all. The module is traced with ``torch.fx``; an operation of
which it is not known that places do not matter to it is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
import operator
from typing import Any
from typing import NamedTuple

import torch
from torch import fx
from torch import nn
import torch.nn.functional as F

from optuna_meta.weights.state_dict import plain_name


__all__ = ["Axis", "hidden_layers", "HiddenLayer"]

_WITH_WEIGHTS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
# One by one, or over places within a channel.
_UNITWISE = (
    nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d,
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Tanh, nn.Sigmoid, nn.Softplus, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid,
    nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d,
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d,
)  # fmt: skip
_UNITWISE_FUNCTIONS: tuple[Callable[..., Any], ...] = (
    torch.relu, torch.tanh, torch.sigmoid, F.relu, F.leaky_relu, F.elu, F.gelu, F.silu, F.tanh,
    F.sigmoid, F.softplus, F.dropout, F.max_pool1d, F.max_pool2d, F.avg_pool1d, F.avg_pool2d,
    F.adaptive_avg_pool1d, F.adaptive_avg_pool2d,
)  # fmt: skip
_UNITWISE_METHODS = ("relu", "tanh", "sigmoid", "contiguous", "float")
# Of two layers' units, each with its like.
_PAIRWISE: tuple[Any, ...] = (
    operator.add, operator.iadd, operator.sub, operator.mul, torch.add, torch.sub, torch.mul,
    "add", "add_", "sub", "mul",
)  # fmt: skip


class Axis(NamedTuple):
    """Where the units of a hidden layer stand in a tensor."""

    name: str  # of the tensor
    dim: int
    block: int  # how many places in a row each unit takes


class HiddenLayer(NamedTuple):
    """Units that change places together: a hidden layer's, or those of several that are added."""

    size: int
    axes: tuple[Axis, ...]


def hidden_layers(model: nn.Module) -> tuple[HiddenLayer, ...]:
    """Return the hidden layers, first to last; none for a model of one layer.

    Args:
        model: Linear, convolutional and normalised layers, with activations, pooling, dropout and
            flattening between them, and sums or products of their outputs.

    Raises:
        ValueError: If the model has something else; the message says what is in the way.
    """
    flow = _Flow(model)
    for node in _traced(model).nodes:
        if node.op == "placeholder":
            flow.of[node] = flow.outside
        elif node.op == "output":
            if not isinstance(node.args[0], fx.Node):
                raise _refusal("it returns more than one tensor")
            flow.join(flow.of[node.args[0]], flow.outside, "")
        elif node.op == "get_attr":
            raise _refusal(f"{node.name!r} uses {str(node.target)!r} outside of a layer")
        else:
            flow.step(node, model)
    return flow.found()


class _Units:
    """Units that change places together, as far as the trace has gone."""

    def __init__(self, size: int, is_vector: bool) -> None:
        self.size, self.is_vector = size, is_vector
        self.axes: list[Axis] = []
        self.doubt = ""  # What reads them and may not treat all alike.
        self.joined: _Units | None = None

    @property
    def root(self) -> _Units:
        """Those that these were joined to in the end."""
        return self if self.joined is None else self.joined.root


class _Flow:
    """The units that each traced value holds, followed from operation to operation."""

    def __init__(self, model: nn.Module) -> None:
        self.outside = _Units(0, False)  # The network's inputs and outputs keep their places.
        self._uses = Counter(id(p) for m in model.modules() for p in m.parameters(recurse=False))
        self._flat: set[fx.Node] = set()  # Values whose channels and places are one axis.
        self.of: dict[fx.Node, _Units] = {}
        self._all: list[_Units] = []
        self._layers: list[Any] = []

    def step(self, node: fx.Node, model: nn.Module) -> None:
        """Follow one operation."""
        module = model.get_submodule(str(node.target)) if node.op == "call_module" else None
        given = [self.of[n].root for n in node.all_input_nodes]
        if not given:
            raise _refusal(f"{node.name!r} has no input")
        is_flat = any(n in self._flat for n in node.all_input_nodes)
        if isinstance(module, _WITH_WEIGHTS):
            self.of[node] = self._layer(str(node.target), module, given[0], is_flat)
            return
        if is_flat or isinstance(module, nn.Flatten) or _flattens(node):
            self._flat.add(node)
        if isinstance(module, (*_NORMS, nn.LayerNorm)):
            self._normalise(str(node.target), module, given[0])
            self.of[node] = given[0]
        elif len(given) > 1 and node.target in _PAIRWISE:
            self.of[node] = self.join(given[0], given[1], node.name)
        else:
            for units in given:
                units.doubt = units.doubt or _doubt(node, module, units.is_vector)
            if len(set(given)) > 1:
                raise _refusal(f"{node.name!r} takes several layers' outputs")
            self.of[node] = given[0]

    def join(self, a: _Units, b: _Units, name: str) -> _Units:
        """Let units change places together only, or not at all where one side is the outside."""
        a, b = a.root, b.root
        if b is self.outside:
            a, b = b, a
        if a is not b:
            if a is not self.outside and (a.size, a.is_vector) != (b.size, b.is_vector):
                raise _refusal(f"{name!r} joins layers of {a.size} and {b.size} units, unlike")
            b.joined = a
            a.axes, a.doubt = [*a.axes, *b.axes], a.doubt or b.doubt
        return a

    def found(self) -> tuple[HiddenLayer, ...]:
        """Return the layers whose units are free to change places."""
        free = [units for units in self._all if units.joined is None]
        for units in free:
            if units.doubt:
                raise _refusal(units.doubt)
            names = [axis.name for axis in units.axes]
            if twice := {name for name in names if names.count(name) > 1}:
                raise _refusal(f"{min(twice)!r} leads from units to those they are added to")
        return tuple(HiddenLayer(units.size, tuple(units.axes)) for units in free)

    def _layer(self, name: str, module: Any, given: _Units, is_flat: bool) -> _Units:
        self._check_layer(name, module)
        is_vector = isinstance(module, nn.Linear)
        if given is not self.outside:
            if is_vector != (given.is_vector or is_flat):
                raise _refusal(f"{name!r} reads another axis than that of the units before it")
            inputs = int(module.weight.shape[1])
            # Of a linear layer's units for each of several places, flattened ones lie apart.
            if inputs % given.size or (given.is_vector and inputs != given.size):
                raise _refusal(f"{name!r} has {inputs} inputs after a layer of {given.size} units")
            given.axes.append(Axis(plain_name(f"{name}.weight"), 1, inputs // given.size))
        made = _Units(int(module.weight.shape[0]), is_vector)
        made.axes = _outputs(name, module)
        self._all.append(made)
        return made

    def _normalise(self, name: str, module: Any, given: _Units) -> None:
        self._check_layer(name, module)
        if given is self.outside:
            return
        if isinstance(module, nn.LayerNorm):
            if not given.is_vector or tuple(module.normalized_shape) != (given.size,):
                raise _refusal(f"{name!r} (LayerNorm) normalises over more than a layer's units")
        elif module.num_features != given.size:
            raise _refusal(f"{name!r} normalises after flattening")
        given.axes += _outputs(name, module)

    def _check_layer(self, name: str, module: Any) -> None:
        if any(module is other for other in self._layers):
            raise _refusal(f"{name!r} runs twice")
        if getattr(module, "groups", 1) != 1:
            raise _refusal(f"{name!r} is a grouped convolution")
        own = dict(module.named_parameters(recurse=False))
        if module.weight is not None and "weight" not in own:
            raise _refusal(f"the weight of {name!r} is computed from others")
        if any(self._uses[id(parameter)] > 1 for parameter in own.values()):
            raise _refusal(f"the weight of {name!r} is tied")
        self._layers.append(module)


def _outputs(name: str, module: nn.Module) -> list[Axis]:
    """Return where units stand in a module's own tensors; the count of batches has no place."""
    own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    return [Axis(plain_name(f"{name}.{part}"), 0, 1) for part, tensor in own if tensor.ndim]


def _traced(model: nn.Module) -> fx.Graph:
    try:
        return fx.Tracer().trace(model)
    except Exception as error:  # Whatever the model's own code raises on symbols.
        raise _refusal(f"its forward cannot be traced ({error})") from error


def _doubt(node: fx.Node, module: nn.Module | None, is_vector: bool) -> str:
    """Return why units may not change places before this step, empty where they may."""
    kind = getattr(node.target, "__name__", str(node.target))
    if module is not None:
        kind = type(module).__name__
    if isinstance(module, nn.Flatten):
        allowed = module.start_dim == 1 and module.end_dim == -1
    elif module is not None:
        allowed = isinstance(module, _UNITWISE)
    elif node.op == "call_method":
        allowed = node.target in _UNITWISE_METHODS or _flattens(node)
    else:
        allowed = node.target in _UNITWISE_FUNCTIONS or _flattens(node) or _scales(node)
    if allowed and not (is_vector and "pool" in kind.lower()):  # That goes over the last axis.
        return ""
    return f"{node.name!r} ({kind}) is not known to treat all units alike"


def _flattens(node: fx.Node) -> bool:
    given = (*node.args[1:], *node.kwargs.values())
    return node.target in (torch.flatten, "flatten") and given in ((1,), (1, -1))


def _scales(node: fx.Node) -> bool:
    """Tell whether it adds or multiplies by a number."""
    others = [part for part in node.args if not isinstance(part, fx.Node)]
    return node.target in _PAIRWISE and all(isinstance(part, int | float) for part in others)


def _refusal(reason: str) -> ValueError:
    return ValueError(
        f"The hidden units of this model cannot be aligned: {reason}. Aligning takes linear, "
        "convolutional and normalised layers, one after the other or with residual connections. "
        "Average runs from one start, or combine predictions with Ensemble."
    )

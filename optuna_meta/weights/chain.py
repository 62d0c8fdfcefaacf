"""The hidden layers of a network whose layers follow one another, found from the module.

A network computes the same after the units of a hidden layer change places, if the next layer's
inputs change places with them. Layers are found by tracing the module with ``torch.fx``; any that
branches, or has an operation of which it is not known that places do not matter to it, is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import torch
from torch import fx
from torch import nn
import torch.nn.functional as F


__all__ = ["Axis", "Hidden", "hidden_layers"]

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


class Axis(NamedTuple):
    """Where the units of a hidden layer stand in a tensor."""

    name: str  # of the tensor
    dim: int
    block: int  # how many places in a row each unit takes


class Hidden(NamedTuple):
    """A hidden layer."""

    size: int
    axes: tuple[Axis, ...]


def hidden_layers(model: nn.Module) -> tuple[Hidden, ...]:
    """Returns the hidden layers, first to last; none for a model of one layer.

    Args:
        model: Linear, convolutional and batch-normalised layers one after the other, with
            activations, pooling, dropout and flattening between them.

    Raises:
        ValueError: If the model is not such a chain; the message says what is in the way.
    """
    hidden: list[Hidden] = []
    for name, module in _steps(model):
        if isinstance(module, _NORMS):
            if hidden and module.num_features == hidden[-1].size:
                hidden[-1] = hidden[-1]._replace(axes=hidden[-1].axes + _vectors(name, module))
            elif hidden:
                raise _refusal(f"{name!r} normalises after flattening")
            continue
        if hidden:
            hidden[-1] = _with_inputs(hidden[-1], name, module)
        size = int(module.weight.shape[0])
        parts = ["weight"] if module.bias is None else ["weight", "bias"]
        hidden.append(Hidden(size, tuple(Axis(f"{name}.{part}", 0, 1) for part in parts)))
    return tuple(hidden[:-1])  # The last one's units are the outputs.


def _with_inputs(hidden: Hidden, name: str, module: Any) -> Hidden:
    inputs = int(module.weight.shape[1])
    if inputs % hidden.size:
        raise _refusal(f"{name!r} takes {inputs} inputs after a layer of {hidden.size} units")
    axis = Axis(f"{name}.weight", 1, inputs // hidden.size)
    return hidden._replace(axes=(*hidden.axes, axis))


def _vectors(name: str, module: nn.Module) -> tuple[Axis, ...]:
    """Scale, shift and statistics; the count has no place for units."""
    tensors = [*module.named_parameters(), *module.named_buffers()]
    return tuple(Axis(f"{name}.{part}", 0, 1) for part, tensor in tensors if tensor.ndim)


def _steps(model: nn.Module) -> list[tuple[str, Any]]:
    """The modules with weights, in the order in which they run."""
    steps: list[tuple[str, Any]] = []
    before: fx.Node | None = None
    doubt = ""  # What may not come between two layers with weights.
    for node in _traced(model).nodes:
        if node.op == "output":
            if node.args[0] is not before:
                raise _refusal("it returns more than its last layer's output")
            break
        if node.op == "placeholder":
            if before is not None:
                raise _refusal("it takes several inputs")
        else:
            _check_follows(node, before)
            module = model.get_submodule(str(node.target)) if node.op == "call_module" else None
            if isinstance(module, (*_WITH_WEIGHTS, *_NORMS)):
                _check_layer(str(node.target), module, steps)
                if steps and doubt:
                    raise _refusal(doubt)
                steps.append((str(node.target), module))
            elif steps:
                doubt = doubt or _doubt(node, module)
        before = node
    return steps


def _traced(model: nn.Module) -> fx.Graph:
    try:
        return fx.Tracer().trace(model)
    except Exception as error:  # Whatever the model's own code raises on symbols.
        raise _refusal(f"its forward cannot be traced ({error})") from error


def _check_follows(node: fx.Node, before: fx.Node | None) -> None:
    if node.all_input_nodes != [before]:
        raise _refusal(f"{node.name!r} does not follow the step before it alone: a branch or sum")


def _check_layer(name: str, module: Any, steps: list[tuple[str, Any]]) -> None:
    if any(module is other for _, other in steps):
        raise _refusal(f"{name!r} runs twice")
    if getattr(module, "groups", 1) != 1:
        raise _refusal(f"{name!r} is a grouped convolution")
    if module.weight is not None and any(module.weight is other.weight for _, other in steps):
        raise _refusal(f"the weight of {name!r} is tied")


def _doubt(node: fx.Node, module: nn.Module | None) -> str:
    """Why units may not change places before this step, empty where they may."""
    if isinstance(module, nn.Flatten):
        allowed = module.start_dim == 1 and module.end_dim == -1
    elif module is not None:
        allowed = isinstance(module, _UNITWISE)
    elif node.op == "call_method":
        allowed = node.target in _UNITWISE_METHODS or _flattens(node)
    else:
        allowed = node.target in _UNITWISE_FUNCTIONS or _flattens(node)
    if allowed:
        return ""
    kind = type(module).__name__ if module is not None else str(node.target)
    return f"{node.name!r} ({kind}) is not known to treat all units alike"


def _flattens(node: fx.Node) -> bool:
    given = (*node.args[1:], *node.kwargs.values())
    return node.target in (torch.flatten, "flatten") and given in ((1,), (1, -1))


def _refusal(reason: str) -> ValueError:
    return ValueError(
        f"The hidden units of this model cannot be aligned: {reason}. Aligning takes linear, "
        "convolutional and batch-normalised layers one after the other. Average runs from one "
        "start, or combine predictions with Ensemble."
    )

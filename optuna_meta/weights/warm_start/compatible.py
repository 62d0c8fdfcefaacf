"""A checkpoint's names as the model's modules know them: torch's own hooks for older names run.

Modules may rename what they load, such as the ``weight_g`` and ``weight_v`` of an older weight
normalisation, or add what older versions of them did not have. They do so on their way of copying;
here they get a module without tensors, so that nothing is copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch import Tensor
from torch.nn.parameter import is_lazy

from optuna_meta.weights.state_dict import plain_name
from optuna_meta.weights.tensors import State


__all__ = ["compatible"]

_OWN_LOADING = (
    "torch.distributed.fsdp"  # It gathers on its way, and renames nothing of the model's.
)


def compatible(model: nn.Module, source: State, versions: Mapping[str, Any] | None) -> State:
    """Return a source with the names and tensors that the model's modules would load.

    Args:
        model: The model; it stays as it is.
        source: Weights by plain name.
        versions: What torch notes on a state dict (``_metadata``), by name of a module.

    Raises:
        ValueError: A module refuses what it finds.
    """
    state: dict[str, Any] = dict(source)
    for name, module in model.named_modules():
        if _has_loading(module):
            prefix = plain_name(f"{name}.x").removesuffix("x") if name else ""
            noted = (versions or {}).get(prefix.removesuffix("."), {})
            before = set(state)
            _run(module, name, state, prefix, noted)
            if not any(known.startswith(prefix) for known in source):
                state = {n: t for n, t in state.items() if n in before}  # Nothing of it is there.
    return {plain_name(n): tensor for n, tensor in state.items() if isinstance(tensor, Tensor)}


def _has_loading(module: nn.Module) -> bool:
    """Tell whether a module does more than copy, and does so without its own tensors."""
    if type(module).__module__.startswith(_OWN_LOADING):
        return False
    if any(is_lazy(tensor) for tensor in module._parameters.values() if tensor is not None):
        return False
    own = type(module)._load_from_state_dict is not nn.Module._load_from_state_dict
    return own or bool(module._load_state_dict_pre_hooks)


def _run(module: nn.Module, name: str, state: dict[str, Any], prefix: str, noted: Any) -> None:
    shadow = object.__new__(type(module))
    buffers = {n: b if b is None else b.detach().clone() for n, b in module._buffers.items()}
    shadow.__dict__ |= module.__dict__ | module._parameters | buffers
    shadow.__dict__.update(
        {"_parameters": {}, "_buffers": {}, "_non_persistent_buffers_set": set()}
    )
    errors: list[str] = []
    try:
        type(module)._load_from_state_dict(shadow, state, prefix, noted, False, [], [], errors)
    except Exception as error:
        errors.append(repr(error))
    if errors:
        kind = type(module).__name__
        raise ValueError(f"{name or 'The model'} ({kind}) refuses the checkpoint: {errors[0]}")

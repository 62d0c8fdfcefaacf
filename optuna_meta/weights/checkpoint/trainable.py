"""The part of a model that is trained, such as an adapter of PEFT, under names that last.

PEFT puts an adapter's name into those of its parameters, and leaves it out of its files:
``lora_A.default.weight`` is ``lora_A.weight`` there. So it is here, whatever an adapter is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn
from torch import Tensor

from optuna_meta.weights.state_dict import opened
from optuna_meta.weights.state_dict import plain_name
from optuna_meta.weights.state_dict import Source
from optuna_meta.weights.tensors import State


__all__ = ["is_trainable_only", "NOTE", "trainable_names", "trainable_state", "under_own_names"]

NOTE = {"trainable_only": True}  # Among the extra metadata.


def is_trainable_only(source: Source) -> bool:
    """Tell whether a checkpoint holds only what was trained of a model."""
    metadata = getattr(opened(source), "metadata", None)
    return bool(metadata is not None and NOTE.items() <= metadata.extra.items())


def trainable_names(model: nn.Module) -> dict[str, str]:
    """Return the lasting name of each tensor that is trained, by its own in the state dict.

    Those are the parameters with gradients, and the buffers of the modules that have such.

    Raises:
        ValueError: Nothing is trained, or two adapters are under one name.
    """
    adapters = dict(_adapters(model))
    names = {name: _lasting(name, adapters) for name in _trained(model)}
    if not names:
        raise ValueError("All of the model is frozen: there is nothing trained to save or load.")
    if len({*names.values()}) < len(names):
        raise ValueError(
            "Several adapters of the model are trained at once: make one of them active alone by "
            "set_adapter."
        )
    return names


def trainable_state(model: nn.Module) -> dict[str, Any]:
    """Return the tensors that are trained, each of its own shape, by their lasting names."""
    state, names = model.state_dict(keep_vars=True), trainable_names(model)
    return {names[name]: value for name, value in state.items() if name in names}


def under_own_names(model: nn.Module, state: State) -> tuple[State, list[str]]:
    """Return a state with the model's plain names for lasting ones, and what is not trained.

    Args:
        model: Whose parameters that are frozen stay as they are.
        state: Of what was trained, each tensor of its own shape.
    """
    own = {lasting: plain_name(name) for name, lasting in trainable_names(model).items()}
    named = {own.get(name, name): tensor for name, tensor in state.items()}
    trained = {*own.values()}
    rest = [plain_name(n) for n, t in model.state_dict().items() if isinstance(t, Tensor)]
    return named, [name for name in rest if name not in trained]


def _trained(model: nn.Module) -> Iterator[str]:
    for prefix, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        trained = [name for name, p in own.items() if p.requires_grad]
        buffers = [name for name, _ in module.named_buffers(recurse=False)] if trained else []
        persistent = module.state_dict(prefix="") if buffers else {}
        for name in (*trained, *(name for name in buffers if name in persistent)):
            yield f"{prefix}.{name}".lstrip(".")


def _adapters(model: nn.Module) -> Iterator[tuple[str, str]]:
    """Yield where a model of PEFT is, and the name of its active adapter."""
    for prefix, module in model.named_modules():
        active = getattr(module, "active_adapter", None)
        if hasattr(module, "peft_config") and isinstance(active, str):
            yield prefix, active


def _lasting(name: str, adapters: dict[str, str]) -> str:
    for prefix, adapter in adapters.items():
        if not prefix or name.startswith(f"{prefix}."):
            name = name.replace(f".modules_to_save.{adapter}.", ".")
            head, _, last = name.rpartition(".")
            name = head if last == adapter else f"{head}.".replace(f".{adapter}.", ".") + last
    return plain_name(name)

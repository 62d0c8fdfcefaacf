"""Names of a state that stand for one tensor: copied and written once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


__all__ = ["copied", "untied"]


def copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU; tied tensors are copied once."""
    kept, aliases = untied(state)
    copies = {name: tensor.to("cpu", copy=True) for name, tensor in kept.items()}
    return {name: copies[aliases.get(name, name)] for name in state}


def untied(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors under one name each, and that name for each further one."""
    first: dict[Any, str] = {}
    names = {name: first.setdefault(_place(name, tensor), name) for name, tensor in state.items()}
    aliases = {name: kept for name, kept in names.items() if name != kept}
    return {name: tensor for name, tensor in state.items() if name not in aliases}, aliases


def _place(name: str, tensor: Tensor) -> Any:
    """The same for two names only where they are one tensor."""
    if tensor.numel() == 0 or tensor.layout != torch.strided or tensor.device.type == "meta":
        return name
    return tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()

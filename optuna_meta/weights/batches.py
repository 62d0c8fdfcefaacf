"""Batches of data on a device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch import Tensor


__all__ = ["device_of", "on_device"]


def on_device(batch: Any, device: torch.device) -> Any:
    """Returns the batch with its tensors, however nested, on the device."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {name: on_device(part, device) for name, part in batch.items()}
    if isinstance(batch, list | tuple):
        parts = [on_device(part, device) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return batch


def device_of(model: nn.Module) -> torch.device:
    """Returns where a model's first tensor is; the CPU if it has none."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")

"""What several steps do with torch: random numbers without a trace, devices, stateless calls."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch import Tensor
from torch.func import functional_call


__all__ = [
    "call_with",
    "device_of",
    "evaluating",
    "mapped",
    "on_device",
    "own_randomness",
    "seed_all",
]


@contextmanager
def own_randomness(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Draw torch's random numbers from the seed within; go on afterwards as if none were drawn.

    This holds on the CPU and, where CUDA is in use, on its devices: work on the CPU leaves CUDA
    alone, which cannot be used in processes forked after it was.

    Args:
        seed: The seed.
        device: Where there will be work; CUDA is in use from now on if it is there.
    """
    if device is not None and device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]
    n_devices = torch.cuda.device_count() if _uses_cuda() else 0
    with torch.random.fork_rng(devices=range(n_devices)):
        seed_all(seed)
        yield


def seed_all(seed: int) -> None:
    """Seed what :func:`own_randomness` puts back."""
    torch.default_generator.manual_seed(seed)
    if _uses_cuda():
        torch.cuda.manual_seed_all(seed)


def _uses_cuda() -> bool:
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def mapped(batch: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a batch, however nested, with each of its tensors, of any shape, changed."""
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, Mapping):
        return {name: mapped(part, change) for name, part in batch.items()}
    if isinstance(batch, list | tuple):
        parts = [mapped(part, change) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return batch


def on_device(batch: Any, device: torch.device) -> Any:
    """Return the batch with its tensors, however nested and of any shape, on the device."""
    if hasattr(batch, "to") and not isinstance(batch, Tensor | Mapping):
        return batch.to(device)  # Such as a batch of graphs.
    return mapped(batch, lambda tensor: tensor.to(device))


def device_of(model: nn.Module) -> torch.device:
    """Return where a model's first tensor is; the CPU if it has none."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


@contextmanager
def evaluating(
    model: nn.Module, device: str | torch.device | None = None
) -> Iterator[torch.device]:
    """Put a model into evaluation mode on a device, and back afterwards; yield the device.

    Args:
        model: The model.
        device: Where it computes; where it is if None.
    """
    was_training, home = model.training, device_of(model)
    place = torch.device(device or home)
    model.eval().to(place)
    try:
        yield place
    finally:
        model.train(was_training).to(home)


def call_with(model: nn.Module, tensors: dict[str, Tensor], /, *inputs: Any, **named: Any) -> Any:
    """Call a model with other parameters and buffers than its own, through which gradients flow.

    Args:
        model: The model; it stays as it is.
        tensors: By the model's name, each of the shape of the model's own.
        *inputs: The model's inputs.
        **named: Those by name.
    """
    return functional_call(model, tensors, inputs, named)

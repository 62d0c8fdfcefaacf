"""Torch's random numbers drawn from a seed, without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


__all__ = ["own_randomness", "seed_all"]


@contextmanager
def own_randomness(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Within, torch draws from the seed; afterwards it goes on as if nothing had been drawn.

    On the CPU and, where CUDA is in use, on its devices: work on the CPU leaves CUDA alone, which
    cannot be used in processes forked after it was.

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
    """Seeds what :func:`own_randomness` puts back."""
    torch.default_generator.manual_seed(seed)
    if _uses_cuda():
        torch.cuda.manual_seed_all(seed)


def _uses_cuda() -> bool:
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]

"""Torch's random numbers drawn from a seed, without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


__all__ = ["own_randomness"]


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Within, torch draws from the seed; afterwards it goes on as if nothing had been drawn.

    On the CPU and on all CUDA devices, for a seed is set on all of them.
    """
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield

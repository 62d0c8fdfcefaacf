"""One timer for all costs."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import NamedTuple
from typing import TypeVar


MIB = 2.0**20
T = TypeVar("T")


class Cost(NamedTuple):
    """Seconds of one call."""

    cpu: float  # of all threads of this process, the kernel's part included
    wall: float


def timed(function: Callable[[], T]) -> tuple[T, Cost]:
    """Return what a function returns, and what the call cost."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = function()
    return result, Cost(time.process_time() - cpu, time.perf_counter() - wall)

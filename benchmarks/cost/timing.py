"""One timer for all costs."""

from collections.abc import Callable
import time
from typing import NamedTuple
from typing import TypeVar


MIB = 2.0**20
T = TypeVar("T")


class Cost(NamedTuple):
    cpu: float  # of all threads of this process, the kernel's part included
    wall: float


def timed(function: Callable[[], T]) -> tuple[T, Cost]:
    cpu, wall = time.process_time(), time.perf_counter()
    result = function()
    return result, Cost(time.process_time() - cpu, time.perf_counter() - wall)

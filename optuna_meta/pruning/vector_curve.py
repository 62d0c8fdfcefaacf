"""The reports of a running trial of several objectives, until its attribute is written."""

from __future__ import annotations

from collections.abc import Sequence
import math
import sys
from typing import Any

import numpy as np


__all__ = ["VectorCurve"]

_MOST_STEPS = 64  # Of those that are written.
_GROWTH = 1.25  # Reports by which the next write is later than the last: few writes, little lost.


class VectorCurve:
    """Values by step, in the order in which they were reported."""

    def __init__(self) -> None:
        self._values: dict[int, tuple[float, ...]] = {}
        self._next = 1

    def append(self, step: int, values: Sequence[float]) -> None:
        """Keep the values of a step; of one that comes again, the first ones."""
        self._values.setdefault(int(step), tuple(float(value) for value in values))

    @property
    def is_due(self) -> bool:
        """Whether enough has come since the last time that this was so."""
        is_due = len(self._values) >= self._next
        if is_due:
            self._next = max(self._next + 1, int(_GROWTH * len(self._values)))
        return is_due

    def reports(self, signs: Sequence[float]) -> dict[int, tuple[float, ...]]:
        """Return the values, lower is better; without steps at which one is unknown."""
        return {
            step: tuple(
                math.inf if math.isinf(v) else s * v for s, v in zip(signs, values, strict=True)
            )
            for step, values in self._values.items()
            if not any(math.isnan(v) for v in values)
        }

    def record(self) -> dict[str, Any]:
        """Return what the attribute holds: an even spread of the steps, the last one included."""
        steps = sorted(s for s, v in self._values.items() if not any(map(math.isnan, v)))
        if not steps:
            return {"steps": [], "values": []}
        kept = np.unique(np.linspace(0, len(steps) - 1, _MOST_STEPS).round().astype(int))
        steps = [steps[i] for i in kept]
        return {"steps": steps, "values": [[*map(_finite, self._values[s])] for s in steps]}


def _finite(value: float) -> float:
    """Return a number that every database takes."""
    return max(-sys.float_info.max, min(value, sys.float_info.max))

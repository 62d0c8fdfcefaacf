"""Hyperparameters of prior studies in the units of another space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_meta.space.dimension import Dimension
from optuna_meta.space.search_space import Space
from optuna_meta.surrogate.base_gps import GPParameters


__all__ = ["moved", "range_ratio"]

_WIDEST = 1e6  # Times one range may be as long as another; squares must not overflow.


def range_ratio(target: Dimension, cube: Dimension) -> float:
    """Return the length of the target's range in units of the cube's."""
    if target.is_categorical or cube.is_categorical or target.log != cube.log:
        return 1.0
    ratio = target.width / (cube.width or 1.0) or 1.0
    return min(max(ratio, 1.0 / _WIDEST), _WIDEST)


def moved(
    parameters: GPParameters | None, before: Space, space: Space, known: NDArray[np.int64]
) -> GPParameters:
    """Return the hyperparameters of T tasks in another space's units; 0 where they are new.

    Args:
        parameters: What was fitted before, if anything was.
        before: The space of that.
        space: The space, which has all dimensions that any of the tasks has tuned.
        known: Index of each task there; -1 where it is new.  # (T,)
    """
    n_tasks, kept = len(known), known >= 0
    precisions = np.zeros((n_tasks, len(space.dimensions)))
    amplitude, noise = np.zeros(n_tasks), np.zeros(n_tasks)
    if parameters is not None:
        tasks = known[kept]
        amplitude[kept], noise[kept] = parameters.amplitude[tasks], parameters.noise[tasks]
        for i, dimension in enumerate(space.dimensions):
            if dimension.name in before.names:
                d = before.index(dimension.name)
                ratio = range_ratio(dimension, before.dimensions[d])
                precisions[kept, i] = parameters.precisions[tasks, d] * ratio**2
    return GPParameters(precisions, amplitude, noise)

"""The target's configurations as the model reads them, through the prior studies that count now.

Of many prior studies only a few are asked at each trial, so that a suggestion costs the same with
24 and with 1,000 of them: before any trial those of the greatest weight, later those that agree
with the target's trials.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.search_space import Space
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.kernel import column_owners
from optuna_meta.surrogate.kernel import design
from optuna_meta.surrogate.lengthscales import residual_scales
from optuna_meta.surrogate.lengthscales import typical_precisions
from optuna_meta.surrogate.mixture_gp import Inputs
from optuna_meta.surrogate.mixture_gp import Scales


__all__ = ["BaseModels", "MOST_ACTIVE", "active_tasks"]

MOST_ACTIVE = 24
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class BaseModels:
    """How some prior studies see a target's space.

    Args:
        fitted: Their surrogates.
        space: The target's space.
    """

    fitted: FittedPrior
    space: Space

    def expectations(self, rows: Array) -> Array:
        """Z (n, T) of rows (n, D) of the target's space."""
        cube = self.fitted.space
        absent = np.array([name not in self.space.names for name in cube.names], dtype=bool)
        return self.fitted.predict(cube.translate(rows, self.space), absent)

    def inputs(self, rows: Array) -> Inputs:
        """What the target's model reads of rows (n, D)."""
        return Inputs(self.expectations(rows), design(rows, self.space))

    def scales(self, X: Array, y: Array) -> Scales:
        """Length scales of the residual after values y (n,) at designs X (n, W)."""
        return residual_scales(X, y, column_owners(self.space), self._precisions())

    def _precisions(self) -> Array:
        """The prior studies' precisions in the target's units.  # (D,)"""
        cube, known = self.fitted.space, typical_precisions(self.fitted)
        n_dims = len(self.space.dimensions)
        precisions = np.full(n_dims, 8.0 / max(n_dims, 1))
        for i, dimension in enumerate(self.space.dimensions):
            if dimension.name in cube.names:
                d = cube.index(dimension.name)
                precisions[i] = known[d] * _range_ratio(dimension, cube.dimensions[d]) ** 2
        return precisions


def active_tasks(weights: Array, Z: Array, y: Array) -> NDArray[np.int64]:
    """Indices, in order, of the prior studies to ask: all of a few, of many the most promising.

    Args:
        weights: Weight of each study before any trial.  # (T,)
        Z: What each expects of the target's trials.  # (n, T)
        y: The trials' values.  # (n,)
    """
    n_tasks = len(weights)
    if n_tasks <= MOST_ACTIVE:
        return np.arange(n_tasks)
    scores = np.log(np.maximum(weights, 1e-300)) + _log_agreement(Z, y)
    # Equal scores are told apart by a scattered number, or the first studies would always win.
    scatter = (np.arange(1, n_tasks + 1) * _GOLDEN) % 1.0
    best = np.lexsort((scatter, -np.round(scores, 6)))[:MOST_ACTIVE]
    return np.sort(best)


def _log_agreement(Z: Array, y: Array) -> Array:
    """Gain in log likelihood (T,) of a line through z_t over a constant; 0 for a falling line."""
    n = len(y)
    if n < 3 or np.ptp(y) == 0.0:
        return np.zeros(Z.shape[1])
    centred, response = Z - Z.mean(axis=0), y - y.mean()
    norms = np.linalg.norm(centred, axis=0) * np.linalg.norm(response)
    correlation = np.maximum(response @ centred / np.maximum(norms, 1e-12), 0.0)
    gain: Array = -0.5 * (n - 2) * np.log1p(-(np.minimum(correlation, 0.999) ** 2))
    return gain


def _range_ratio(target: Dimension, cube: Dimension) -> float:
    """Length of the target's range in units of the cube's."""
    if target.is_categorical or cube.is_categorical or target.log != cube.log:
        return 1.0
    return target.width / (cube.width or 1.0) or 1.0

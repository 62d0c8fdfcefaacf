"""How columns of numbers separate classes, or follow a number, linearly.

The classes' or the response's canonical correlations, and Wilks' lambda, the product of
1 - r^2 over them; the centre of gravity of Ali and Smith-Miles (2006), "On learning algorithm
selection for classification".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.features.columns import is_numeric
import optuna_meta.features.stats as stats


__all__ = ["separate"]


def separate(z: Array, y: NDArray[Any]) -> dict[str, float]:
    """Return can_cor, w_lambda and, for classes, gravity; empty where nothing varies.

    With as many columns as rows any response is followed perfectly: then can_cor and w_lambda are
    left out.

    Args:
        z: Standardised columns of shape (m, a), NaN where missing, which counts as the mean.
        y: Shape (m,), float64 numbers or int64 class codes.
    """
    present = ~np.isnan(y) if is_numeric(y) else y >= 0
    numbers, y = np.nan_to_num(z)[present], y[present]
    if not numbers.size or y.min() == y.max():
        return {}
    gravity = {} if is_numeric(y) else {"gravity": _gravity(numbers, y)}
    correlations = _canonical_correlations(numbers, y)
    if not correlations.size:
        return gravity
    return gravity | {
        "w_lambda": float(np.prod(1.0 - correlations**2)),
        **stats.summarise("can_cor", correlations),
    }


def _canonical_correlations(numbers: Array, y: NDArray[Any]) -> Array:
    """Return them in descending order, shape (min(rank, k - 1),) for k classes, else (1,)."""
    centred = numbers - numbers.mean(axis=0)
    basis, scales, _ = np.linalg.svd(centred, full_matrices=False)
    basis = basis[:, scales > scales[0] * len(y) * np.finfo(np.float64).eps]
    if not 0 < basis.shape[1] < len(y) - 1:
        return np.empty(0)
    if is_numeric(y):
        # Divided by the largest first, since the squares of numbers such as 1e300 overflow.
        scaled = y / np.abs(y).max()
        scaled = scaled - scaled.mean()
        return np.minimum([np.linalg.norm(basis.T @ scaled) / np.linalg.norm(scaled)], 1.0)
    counts = np.bincount(y)
    sums = np.zeros((len(counts), basis.shape[1]))
    np.add.at(sums, y, basis)
    # Indicators of the classes are orthogonal: scaled to length 1 they are a basis, too.
    frequent = counts > 0
    cosines = sums[frequent] / np.sqrt(counts[frequent])[:, None]
    found = np.linalg.svd(cosines, compute_uv=False)[: frequent.sum() - 1]
    return np.asarray(np.minimum(found, 1.0))


def _gravity(numbers: Array, y: NDArray[np.int64]) -> float:
    """Return the distance between the means of the most and the least frequent class."""
    counts = np.bincount(y)
    classes = np.flatnonzero(counts)
    largest = classes[np.argmax(counts[classes])]
    others = classes[classes != largest]
    smallest = others[np.argmin(counts[others])]
    difference = numbers[y == largest].mean(axis=0) - numbers[y == smallest].mean(axis=0)
    return float(np.linalg.norm(difference))

"""Expected improvement of the hypervolume, lower values are better (Emmerich et al., 2011).

What no point of the front dominates is divided into boxes. With independent objectives, the part
of a box that a candidate is expected to dominate is a product over objectives of differences of
expected improvements over the box's edges. That is exact of two objectives and of three, for which
there are as many boxes as points on the front, or twice as many. Of more there would be too many:
then the front is that of some levels of the further objectives only.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.suggest.expected_improvement import expected_improvement
from optuna_meta.suggest.expected_improvement import log_expected_improvement


__all__ = ["Boxes", "free_boxes", "log_hypervolume_improvement"]

# Levels of each further objective of four and more; the error is then 1 to 3 % in the median.
_LEVELS, _LEVELS_BEYOND = {2: 10_000, 3: 10_000, 4: 24, 5: 8}, 4
_LEAST = 1e-100  # What is smaller is computed again in logarithms.
_LOWEST = -1e300  # Logarithms stay finite.

_Box = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class Boxes:
    """Disjoint boxes that together are what no trial dominates, up to a reference point.

    Args:
        edges: Of each of the K objectives the edges of all boxes, in order; the first of all is
            minus infinity.
        lower: Of each box the edges where it begins, by index.  # (B, K)
        upper: Of each box the edges where it ends.  # (B, K)
    """

    edges: tuple[Array, ...]
    lower: NDArray[np.int64]  # (B, K)
    upper: NDArray[np.int64]  # (B, K)


def free_boxes(front: Array, reference: Array) -> Boxes:
    """Divide what no point dominates into boxes.

    Args:
        front: Values of the non-dominated trials; none before the first.  # (P, K)
        reference: The worst values that count.  # (K,)
    """
    n_objectives = len(reference)
    most = _LEVELS.get(n_objectives, _LEVELS_BEYOND)
    found = _divided(front[(front < reference).all(axis=1)], reference, most)
    corners = np.array(found)  # (B, 2, K)
    edges, places = [], []
    for column in corners.reshape(-1, n_objectives).T:
        of_objective, inverse = np.unique(column, return_inverse=True)
        edges.append(of_objective)
        places.append(inverse.reshape(-1, 2))
    lower, upper = np.array(places).transpose(2, 1, 0)
    return Boxes(tuple(edges), lower, upper)


def log_hypervolume_improvement(means: Array, deviations: Array, boxes: Boxes) -> Array:
    """Return the log expected hypervolume improvement of M candidates.  # (M,)

    Args:
        means: Means of the K objectives, which are independent and normal.  # (M, K)
        deviations: Their standard deviations, positive.  # (M, K)
        boxes: What is not dominated yet.
    """
    parts = np.ones((len(means), len(boxes.lower)))
    for k, edges in enumerate(boxes.edges):
        # Edges in order have gains in order: as of a telescoping sum, each candidate's rounding
        # errors together are small beside its largest parts.
        gains = expected_improvement(means[:, k, None], deviations[:, k, None], edges)
        parts *= gains[:, boxes.upper[:, k]] - gains[:, boxes.lower[:, k]]
    improvement = parts.sum(axis=1)
    tiny = ~(improvement > _LEAST)
    logs = np.log(np.where(tiny, 1.0, improvement))
    logs[tiny] = _log_improvement(means[tiny], deviations[tiny], boxes)
    return np.asarray(logs)


def _log_improvement(means: Array, deviations: Array, boxes: Boxes) -> Array:
    """Return the same for candidates so hopeless that only logarithms tell them apart."""
    parts = np.zeros((len(means), len(boxes.lower)))
    for k, edges in enumerate(boxes.edges):
        gains = log_expected_improvement(means[:, k, None], deviations[:, k, None], edges)
        lower, upper = gains[:, boxes.lower[:, k]], gains[:, boxes.upper[:, k]]
        with np.errstate(divide="ignore"):
            parts += upper + np.log1p(-np.exp(np.minimum(lower - upper, 0.0)))
    return np.asarray(np.maximum(np.logaddexp.reduce(parts, axis=1), _LOWEST))


def _divided(front: Array, reference: Array, most: int) -> list[_Box]:
    """Return lower and upper corners of boxes, by sweeping along the last objective.

    Between two of its levels, of which there are ``most``, what is dominated stays the same or,
    where others have been left out, about what it is in the middle.
    """
    if len(reference) == 2:
        return _strips(front, reference)
    levels = np.unique(front[:, -1])
    if len(levels) > most:
        levels = levels[np.linspace(0, len(levels) - 1, most).round().astype(int)]
    found: list[_Box] = []
    begun: dict[_Box, float] = {}
    for low, high in pairwise([-np.inf, *levels.tolist(), float(reference[-1])]):
        dominating = front[front[:, -1] <= 0.5 * (low + high), :-1]
        current = dict.fromkeys(_divided(dominating, reference[:-1], most))
        found += [_extended(b, start, low) for b, start in begun.items() if b not in current]
        begun = {box: begun.get(box, low) for box in current}
    return found + [_extended(b, start, float(reference[-1])) for b, start in begun.items()]


def _extended(box: _Box, low: float, high: float) -> _Box:
    return (*box[0], low), (*box[1], high)


def _strips(front: Array, reference: Array) -> list[_Box]:
    """Return the boxes of two objectives: between points next to each other, up to the better."""
    points = front[np.lexsort((front[:, 1], front[:, 0]))]
    heights = np.minimum.accumulate(points[:, 1])
    falls = np.diff(heights, prepend=np.inf) < 0.0
    edges = [-np.inf, *points[falls, 0].tolist(), float(reference[0])]
    tops = [float(reference[1]), *heights[falls].tolist()]
    return [
        ((left, -np.inf), (right, top))
        for (left, right), top in zip(pairwise(edges), tops, strict=True)
    ]

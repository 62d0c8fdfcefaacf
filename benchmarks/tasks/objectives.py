"""Tasks with two objectives, measured by the hypervolume of the trials so far.

Both objectives are first brought to losses on their natural scales (a score negated, the logarithm
of a time). The reference point is the median score and the longest time of the task, over its
table or a large random sample. So a configuration counts only if its score is better than the
median, and regret, 1 - hypervolume / best hypervolume, is 1 without any such trial and 0 once the
trials hold the whole front.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.tasks.task import Array
from benchmarks.tasks.task import Params
from benchmarks.tasks.task import Suggest
from benchmarks.tasks.task import Task


class Front(NamedTuple):
    """What hypervolumes of a task are measured against."""

    point: tuple[float, float]  # the reference point, in losses
    best: float  # hypervolume


def objectives_task(
    name: str,
    suggest: Suggest,
    evaluate: Callable[[Params], tuple[float, ...]],
    front: Callable[[], Front],
) -> Task:
    """Return a task with a score to maximise and a time to minimise, the values of evaluate."""
    known = functools.cache(front)

    def regret(values: Sequence[tuple[float, ...]]) -> float:
        Y = np.array(values, dtype=float).reshape(-1, 2)
        return max(0.0, 1.0 - hypervolume(losses(Y), known().point) / known().best)

    def gap() -> float:
        raise ValueError(f"Task {name!r} has two objectives, without a common unit: no noise.")

    return Task(name, ("maximize", "minimize"), suggest, evaluate, regret, gap)


def losses(Y: Array) -> Array:
    """Return the losses, (n, 2), of scores and times, (n, 2)."""
    return np.stack([-Y[:, 0], np.log(Y[:, 1])], axis=1)


def front_of(Y: Array, more: Array | None = None) -> Front:
    """Return reference point of scores and times Y (n, 2), and hypervolume with more (m, 2)."""
    L = losses(Y)
    point = (float(np.median(L[:, 0])), float(L[:, 1].max()))
    known = L if more is None else np.concatenate([L, losses(more)])
    return Front(point, hypervolume(known, point))


def non_dominated(L: Array) -> NDArray[np.intp]:
    """Return the indices of the losses, (n, 2), that no other ones dominate, by the first loss."""
    order = np.lexsort((L[:, 1], L[:, 0]))
    second = L[order, 1]
    lowest = np.minimum.accumulate(np.concatenate([[np.inf], second[:-1]]))
    return np.asarray(order[second < lowest])


def hypervolume(L: Array, point: Sequence[float]) -> float:
    """Return the area that losses, (n, 2), dominate up to a reference point."""
    L = L[(point > L).all(axis=1)]
    front = L[non_dominated(L)]  # from left to right, and so from top to bottom
    tops = np.concatenate([[point[1]], front[:-1, 1]])
    return float(((point[0] - front[:, 0]) * (tops - front[:, 1])).sum())

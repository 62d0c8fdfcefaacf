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
from dataclasses import dataclass
from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
import optuna

from benchmarks.tasks.task import Direction
from benchmarks.tasks.task import Outcome
from benchmarks.tasks.task import Params


__all__ = ["Front", "ObjectivesTask", "front_of", "hypervolume", "losses", "non_dominated"]


class Front(NamedTuple):
    """What hypervolumes of a task are measured against."""

    point: tuple[float, float]  # the reference point, in losses
    best: float  # hypervolume


@dataclass(frozen=True)
class ObjectivesTask:
    """A score to maximise and a time to minimise.

    Args:
        name:
            Name of the data set behind the task.
        family:
            Name of the family.
        suggest:
            Draws the parameters of a trial, define-by-run.
        evaluate:
            Returns score and time of a configuration.
        front:
            Returns reference point and best hypervolume.
    """

    name: str
    family: str
    suggest: Callable[[optuna.Trial], dict[str, Any]]
    evaluate: Callable[[Params], tuple[float, float]]
    front: Callable[[], Front]

    @property
    def directions(self) -> tuple[Direction, Direction]:
        """Of score and time."""
        return ("maximize", "minimize")

    @property
    def pruner(self) -> optuna.pruners.BasePruner:
        """None: Optuna's pruners know one objective."""
        return optuna.pruners.NopPruner()

    @property
    def gap(self) -> float:
        """There is no common unit of both objectives.

        Raises:
            ValueError:
                Always.
        """
        raise ValueError(f"Task {self.name!r} has two objectives: run it without noise.")

    def run(self, trial: optuna.Trial, params: Params) -> Outcome:
        """Evaluate a trial."""
        return Outcome(self.evaluate(params))

    def regret_so_far(self, outcomes: Sequence[Outcome]) -> float:
        """Share of the best hypervolume that the trials leave."""
        point, best = self.front()
        Y = np.array([outcome.values for outcome in outcomes if outcome.values], dtype=float)
        return max(0.0, 1.0 - hypervolume(losses(Y), point) / best)


def losses(Y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Losses, (n, 2), of scores and times, (n, 2)."""
    return np.stack([-Y[:, 0], np.log(Y[:, 1])], axis=1)


def front_of(Y: NDArray[np.float64], more: NDArray[np.float64] | None = None) -> Front:
    """Reference point and best hypervolume.

    Args:
        Y:
            Scores and times of all configurations, or of a random sample.  # (n, 2)
        more:
            Those of configurations found good, which do not count for the point.  # (m, 2)
    """
    L = losses(Y)
    point = (float(np.median(L[:, 0])), float(L[:, 1].max()))
    known = L if more is None else np.concatenate([L, losses(more)])
    return Front(point, hypervolume(known, point))


def non_dominated(L: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of the losses, (n, 2), that no other ones dominate, by the first loss."""
    order = np.lexsort((L[:, 1], L[:, 0]))
    second = L[order, 1]
    lowest = np.minimum.accumulate(np.concatenate([[np.inf], second[:-1]]))
    return np.asarray(order[second < lowest])


def hypervolume(L: NDArray[np.float64], point: Sequence[float]) -> float:
    """Area that losses, (n, 2), dominate up to a reference point."""
    L = L[(point > L).all(axis=1)] if len(L) else L.reshape(0, 2)
    front = L[non_dominated(L)]  # from left to right, and so from top to bottom
    tops = np.concatenate([[point[1]], front[:-1, 1]])
    return float(((point[0] - front[:, 0]) * (tops - front[:, 1])).sum())

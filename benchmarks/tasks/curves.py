"""Tasks with learning curves, whose trials a pruner can stop.

The value is reported at every fourth epoch, and the median pruner (Optuna's own defaults) may stop
the trial there. A trial costs the epochs that it trained. Only complete trials count for regret.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
import optuna

from benchmarks.tasks.task import BenchmarkTask
from benchmarks.tasks.task import Direction
from benchmarks.tasks.task import Outcome
from benchmarks.tasks.task import Params


__all__ = ["EPOCHS", "CurveTask"]

EPOCHS = tuple(range(4, 53, 4))  # at which values are reported; the last one is the final value


@dataclass(frozen=True)
class CurveTask:
    """A task whose trials report their learning curve.

    Args:
        final:
            The same task without curves.
        curve:
            Returns the values of a configuration at ``EPOCHS``.  # (13,)
    """

    final: BenchmarkTask
    curve: Callable[[Params], NDArray[np.float64]]

    @property
    def name(self) -> str:
        """Name of the data set behind the task."""
        return self.final.name

    @property
    def directions(self) -> Sequence[Direction]:
        """The one direction."""
        return self.final.directions

    @property
    def suggest(self) -> Callable[[optuna.Trial], dict[str, Any]]:
        """Draws the parameters of a trial."""
        return self.final.suggest

    @property
    def pruner(self) -> optuna.pruners.BasePruner:
        """The median pruner."""
        return optuna.pruners.MedianPruner()

    @property
    def gap(self) -> float:
        """Distance between the median and the best value."""
        return self.final.gap

    def run(self, trial: optuna.Trial, params: Params) -> Outcome:
        """Train until the end or until the pruner stops the trial."""
        values = self.curve(params).tolist()
        for epoch, value in zip(EPOCHS, values, strict=True):
            trial.report(value, epoch)
            if epoch < EPOCHS[-1] and trial.should_prune():
                return Outcome(None, cost=epoch)
        return Outcome((values[-1],), cost=EPOCHS[-1])

    def regret_so_far(self, outcomes: Sequence[Outcome]) -> float:
        """Regret of the best complete trial."""
        return self.final.regret_so_far(outcomes)

"""What prior studies expect of configurations, before a trial has reported anything."""

from __future__ import annotations

import numpy as np
from optuna.trial import FrozenTrial

from optuna_meta._bounded_map import BoundedMap
from optuna_meta._typing import Array
from optuna_meta.space.search_space import Space
from optuna_meta.studies.task import Task
from optuna_meta.surrogate.fitted import FittedPrior


__all__ = ["Expectation", "expected_by_others"]

_MOST_TRIALS = 10_000


class Expectation:
    """The mean of the prior studies' predictions, as normal quantiles of ranks; 0 without any.

    Args:
        fitted: The prior studies.
    """

    def __init__(self, fitted: FittedPrior | None) -> None:
        self._fitted = fitted
        self._known: BoundedMap[int, float] = BoundedMap(_MOST_TRIALS)

    def of(self, trial: FrozenTrial) -> float:
        """Return what is expected of a trial of the target, lower is better."""
        if self._fitted is None:
            return 0.0
        return self._known.made(trial.number, lambda: self._predicted(trial))

    def _predicted(self, trial: FrozenTrial) -> float:
        space = Space.from_distributions(trial.distributions)
        assert self._fitted is not None
        return float(self._fitted.predict(space.rows([trial.params]), space).mean())


def expected_by_others(fitted: FittedPrior | None, task: Task) -> Array:
    """Return what other prior studies expect of a prior study's trials.  # (n,)"""
    others = np.array([name != task.name for name in fitted.task_names] if fitted else [], bool)
    if fitted is None or not others.any():
        return np.zeros(len(task.rows))
    return np.asarray(fitted.predict(task.rows)[:, others].mean(axis=1))

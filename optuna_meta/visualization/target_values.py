"""The values that a figure is about: an objective, or a function of the trials."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._typing import Array


__all__ = ["Target", "TargetValues", "target_values"]

Target = Callable[[FrozenTrial], float]


@dataclass(frozen=True)
class TargetValues:
    """Values of a study's complete trials.

    Args:
        trials: The n trials.
        values: Their values, those that are not finite left out with their trials.  # (n,)
        objective: Which objective they are of; ``None`` for another function of the trials.
        sign: 1 where lower is better, -1 where higher is.
    """

    trials: tuple[FrozenTrial, ...]
    values: Array  # (n,)
    objective: int | None
    sign: float

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The trials' numbers.  # (n,)"""
        return np.array([trial.number for trial in self.trials], dtype=np.int64)

    @property
    def losses(self) -> Array:
        """The values, lower is better.  # (n,)"""
        return self.sign * self.values


def target_values(study: Study, target: Target | None) -> TargetValues:
    """Read a study's complete trials.

    Args:
        study: The study.
        target: A function of a trial. One that gives an objective's value is known for that; of
            another one, lower is taken for better.

    Raises:
        ValueError: The study has several objectives, and no target says which.
    """
    if target is None and len(study.directions) > 1:
        raise ValueError(
            f"Study {study.study_name!r} has {len(study.directions)} objectives: say which to "
            "show, such as target=lambda trial: trial.values[0]."
        )
    read = target or (lambda trial: trial.values[0] if trial.values else np.nan)
    done = [t for t in study.get_trials(deepcopy=False) if t.state == TrialState.COMPLETE]
    values = np.array([read(trial) for trial in done], dtype=float)
    finite = np.isfinite(values)
    kept = tuple(t for t, is_kept in zip(done, finite, strict=True) if is_kept)
    objective = 0 if target is None else _objective(kept, values[finite])
    sign = 1.0 if objective is None else _sign(study.directions[objective])
    return TargetValues(kept, values[finite], objective, sign)


def _objective(trials: Sequence[FrozenTrial], values: Array) -> int | None:
    """Find the objective whose values these are, if one's."""
    columns = np.array([trial.values for trial in trials], dtype=float).reshape(len(trials), -1)
    if not len(trials):
        return None
    same = np.flatnonzero((columns == values[:, None]).all(axis=0))
    return int(same[0]) if len(same) else None


def _sign(direction: StudyDirection) -> float:
    return 1.0 if direction == StudyDirection.MINIMIZE else -1.0

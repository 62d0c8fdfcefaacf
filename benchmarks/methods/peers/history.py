"""Studies as plain lists: configurations with their losses, lower is better."""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState
from scipy.stats import norm
from scipy.stats import rankdata

from benchmarks.methods.methods import Unsupported
from benchmarks.methods.peers.parameters import Distributions


__all__ = ["History", "normal_scores", "read_priors", "read_trials", "require_priors"]


class History(NamedTuple):
    """The finished trials of a study that have a finite value."""

    configurations: list[dict[str, Any]]
    spaces: list[Distributions]  # of each configuration
    losses: NDArray[np.float64]  # (n,)

    def best(self, size: int) -> list[dict[str, Any]]:
        """Its best configurations, the best first."""
        return [self.configurations[i] for i in np.argsort(self.losses, kind="stable")[:size]]


def read_priors(studies: Sequence[optuna.Study]) -> list[History]:
    """The prior studies that have at least two usable trials.

    Raises:
        Unsupported: A prior study has several objectives.
    """
    for study in studies:
        if len(study.directions) > 1:
            raise Unsupported(
                f"Expected prior studies with one objective; {study.study_name!r} has "
                f"{len(study.directions)}. Leave this method out of this suite."
            )
    histories = [read_trials(s.get_trials(deepcopy=False), s.direction) for s in studies]
    return [history for history in histories if len(history.losses) > 1]


def require_priors(studies: Sequence[optuna.Study], method: str) -> list[History]:
    """As :func:`read_priors`, for a method that is nothing without any.

    Raises:
        Unsupported: There is no usable prior study, or one has several objectives.
    """
    histories = read_priors(studies)
    if not histories:
        raise Unsupported(
            f"Expected at least one prior study with two finished trials for {method}; got none. "
            "Leave this method out of this regime."
        )
    return histories


def read_trials(trials: Sequence[FrozenTrial], direction: StudyDirection) -> History:
    """Complete trials with a finite value; what failed or was pruned is left out."""
    sign = -1.0 if direction == StudyDirection.MAXIMIZE else 1.0
    used = [
        trial
        for trial in trials
        if trial.state == TrialState.COMPLETE
        and trial.value is not None
        and math.isfinite(trial.value)
    ]
    return History(
        configurations=[dict(trial.params) for trial in used],
        spaces=[trial.distributions for trial in used],
        losses=np.array([sign * trial.value for trial in used if trial.value is not None]),
    )


def normal_scores(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal quantiles of the mid-ranks, (n,): comparable between tasks, and never infinite."""
    scores: NDArray[np.float64] = norm.ppf((rankdata(losses) - 0.5) / max(len(losses), 1))
    return scores

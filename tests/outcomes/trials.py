"""Trials that a study could have had."""

from __future__ import annotations

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial
from optuna.trial import TrialState


def trial(
    number: int,
    value: float | None = None,
    curve: dict[int, float] | None = None,
    state: TrialState = TrialState.COMPLETE,
) -> FrozenTrial:
    made = optuna.trial.create_trial(
        state=state,
        value=value,
        params={"x": float(number)},
        distributions={"x": FloatDistribution(0, 100)},
        intermediate_values=curve or {},
    )
    made.number = number
    return made


def pruned(number: int, curve: dict[int, float]) -> FrozenTrial:
    return trial(number, curve=curve, state=TrialState.PRUNED)

"""The cold sampler on a function that a study may be, or on the study's own objective."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from optuna import TrialPruned
from optuna.study import StudyDirection
from optuna.trial import Trial
from optuna.trial import TrialState

from optuna_meta._optuna import quiet_study
from optuna_meta._typing import Array
from optuna_meta.outcomes.transforms import unwarp_objective
from optuna_meta.outcomes.transforms import warp_objective
from optuna_meta.replay.function_draw import draw_function
from optuna_meta.replay.space_questions import suggested_row
from optuna_meta.sampler.sampler import MetaSampler
from optuna_meta.sampler.study_model import StudyModel
from optuna_meta.surrogate.kernel import design
from optuna_meta.surrogate.mixture_gp import Inputs


__all__ = ["best_so_far", "replayed_objective", "run_cold"]


def replayed_objective(model: StudyModel, rng: np.random.Generator) -> Callable[[Trial], float]:
    """Draw a function that a study may be, as an objective in its unit, lower is better.

    The best trial has its value there exactly, and others have no noise: luck needs no repeating.
    """
    values, request, posterior = model.values(), model.request, model.posterior()
    space, y = request.space, warp_objective(values, posterior.tail)
    draw = draw_function(posterior.full, y, rng)

    def drawn(rows: Array) -> Array:
        return draw(Inputs(posterior.fitted.predict(rows, space), design(rows, space)))

    best = int(np.argmin(y))
    lift = y[best] - drawn(request.rows[[best]])[0]

    def objective(trial: Trial) -> float:
        row = suggested_row(trial, space, request.conditions)
        return float(unwarp_objective(values, drawn(row[None]) + lift, posterior.tail)[0])

    return objective


def run_cold(
    objective: Callable[[Trial], float],
    sampler: MetaSampler,
    goal: float,
    limit: int,
    direction: StudyDirection = StudyDirection.MINIMIZE,
) -> Array:
    """Run a study until it reaches a value, or for ``limit`` trials; return its values.

    Trials without a value have NaN.  # (at most limit,)
    """
    study = quiet_study(direction, sampler)
    sign = 1.0 if direction == StudyDirection.MINIMIZE else -1.0
    values: list[float] = []
    while len(values) < limit and not any(sign * value <= sign * goal for value in values):
        trial = study.ask()
        try:
            values.append(float(objective(trial)))
            study.tell(trial, values[-1])
        except TrialPruned:
            values.append(np.nan)
            study.tell(trial, state=TrialState.PRUNED)
    return np.array(values)


def best_so_far(values: Array, goal: float, limit: int) -> Array:
    """Return the lowest of values (n,) up to each of ``limit`` trials; once reached, the goal."""
    best = np.fmin.accumulate(np.append(values, np.full(limit - len(values), np.nan)))
    return np.where(best <= goal, goal, best)

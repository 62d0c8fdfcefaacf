"""What prior studies tell of a target that its own trials have not shown yet."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution

from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.sampler.history import History
from optuna_meta.space.conditions import Condition
from optuna_meta.space.conditions import learn_conditions
from optuna_meta.space.conditions import obeyed
from optuna_meta.space.conditions import parents_first
from optuna_meta.space.conditions import translated
from optuna_meta.space.search_space import Space
from optuna_meta.surrogate.fitted import FittedPrior


__all__ = ["inherited_conditions", "inherited_constraints", "inherited_parameters"]


def inherited_parameters(
    fitted: FittedPrior, rows: Array, known: Mapping[str, BaseDistribution]
) -> dict[str, BaseDistribution]:
    """Return parameters of the priors that the target may still ask for.

    Before any trial these are all; then only those whose condition no trial, a row (n, D) of the
    priors' space, has met yet.
    """
    cube = fitted.space
    if not len(rows):
        return {d.name: d.distribution() for d in cube.dimensions}
    expected: dict[str, BaseDistribution] = {}
    for condition in fitted.conditions:
        child, parent = cube.names[condition.child], cube.names[condition.parent]
        met = condition.holds(rows[:, condition.parent]).any()
        if child not in known and (parent in known or parent in expected) and not met:
            expected[child] = cube.dimensions[condition.child].distribution()
    return expected


def inherited_constraints(history: History, fitted: FittedPrior) -> tuple[str, ...]:
    """Return the constraints of the target: before any trial, those of the prior studies."""
    if any(t.state in FINISHED for t in history.trials):
        return tuple(sorted(history.constraint_keys))
    outcomes = {task.outcome for task in fitted.prior.tasks}
    return tuple(sorted({outcome.name for outcome in outcomes if outcome.is_constraint}))


def inherited_conditions(
    fitted: FittedPrior, space: Space, rows: Array, proven: NDArray[np.bool_]
) -> tuple[Condition, ...]:
    """Return the priors' conditions that no trial (n, D) contradicts, and the trials' own."""
    known = translated(fitted.conditions, fitted.space, space)
    kept = [condition for condition in known if obeyed(condition, rows)]
    settled = {condition.child for condition in kept}
    own = [c for c in learn_conditions([rows], space, proven) if c.child not in settled]
    return parents_first([*kept, *own])

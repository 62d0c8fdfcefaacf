"""The target study -> the question that its next trial asks, as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from typing import TYPE_CHECKING

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta.conditions import Condition
from optuna_meta.conditions import learn_conditions
from optuna_meta.conditions import parents_first
from optuna_meta.planner import Question
from optuna_meta.prior import Prior
from optuna_meta.space import Space
from optuna_meta.trials import FINISHED
from optuna_meta.trials import Observations
from optuna_meta.trials import observe


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["PLAN_KEY", "read_question"]

PLAN_KEY = "optuna_meta:plan"  # System attribute: what a running trial will be asked for.
_FIXED_KEY = "fixed_params"  # System attribute of Optuna: what an enqueued trial was given.


def read_question(
    study: Study,
    prior: Prior,
    asked: Mapping[str, BaseDistribution],
    decided: Mapping[str, Any],
    number: int,
) -> Question:
    """What a trial of a single-objective study asks of the planner.

    Args:
        study: The target.
        prior: The prior studies, which stand in for what the target has not shown yet.
        asked: Distributions that the trial is known to ask for; they overrule earlier trials'.
        decided: Values that the trial already has.
        number: The trial's number; running trials with others are pending.
    """
    trials = study.get_trials(deepcopy=False)
    observed = observe([t for t in trials if t.state in FINISHED], study.direction)
    running = [t for t in trials if t.state == TrialState.RUNNING and t.number != number]
    shown: dict[str, BaseDistribution] = {}
    for distributions in [*observed.distributions, *(t.distributions for t in running)]:
        shown |= distributions
    known = _expected(prior, observed, shown) | shown | dict(asked)
    space = Space.from_distributions(known)
    plans = [_plan_of(t) for t in running]
    rows = space.rows(observed.params)
    return Question(
        space,
        rows,
        observed.values,
        space.rows([plan for plan in plans if plan]),
        space.row(decided),
        _conditions(prior, space, rows),
        ahead=sum(
            1 for t, plan in zip(running, plans, strict=True) if not plan and t.number < number
        ),
    )


def _plan_of(trial: FrozenTrial) -> Mapping[str, Any]:
    """What a running trial has, or else will have."""
    enqueued = trial.system_attrs.get(_FIXED_KEY, {})
    planned = trial.system_attrs.get(PLAN_KEY, {})
    return {**planned, **enqueued, **trial.params}


def _expected(
    prior: Prior, observed: Observations, shown: Mapping[str, BaseDistribution]
) -> dict[str, BaseDistribution]:
    """Parameters of the priors that the target may still ask for.

    Before any trial these are all; then only those whose condition no trial has met yet.
    """
    cube = prior.space
    ranges = {d.name: d.distribution() for d in cube.dimensions}
    if not len(observed):
        return ranges
    rows = cube.rows(observed.params)
    expected = {}
    for condition in learn_conditions([task.rows for task in prior.tasks], cube):
        child, parent = cube.names[condition.child], cube.names[condition.parent]
        parent_known = parent in shown or parent in expected
        if (
            child not in shown
            and parent_known
            and not condition.holds(rows[:, condition.parent]).any()
        ):
            expected[child] = ranges[child]
    return expected


def _conditions(prior: Prior, space: Space, rows: np.ndarray[Any, Any]) -> tuple[Condition, ...]:
    """Conditions that all trials obey; where the priors contradict the target, its own."""
    own = learn_conditions([rows], space)
    studies = [space.translate(task.rows, prior.space) for task in prior.tasks]
    shared = learn_conditions([*studies, rows], space)
    settled = {condition.child for condition in shared}
    return parents_first([*shared, *(c for c in own if c.child not in settled)])

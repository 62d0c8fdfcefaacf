"""The target study -> the request that its next trial asks, as arrays."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import TYPE_CHECKING

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._optuna import metric_names
from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.outcomes.observations import key_of
from optuna_meta.outcomes.observations import observe
from optuna_meta.outcomes.outcome import constraint_keys
from optuna_meta.outcomes.outcome import objectives
from optuna_meta.outcomes.outcome import Outcome
from optuna_meta.sampler.study_state import Memory
from optuna_meta.space.conditions import Condition
from optuna_meta.space.conditions import learn_conditions
from optuna_meta.space.conditions import obeyed
from optuna_meta.space.conditions import parents_first
from optuna_meta.space.conditions import translated
from optuna_meta.space.search_space import Space
from optuna_meta.studies.prior import Prior
from optuna_meta.suggest.candidate_list import CandidateList
from optuna_meta.suggest.request import MOST_AHEAD
from optuna_meta.suggest.request import SuggestRequest


if TYPE_CHECKING:
    from optuna import Study


__all__ = [
    "Objectives",
    "any_running",
    "decided_params",
    "given_params",
    "PLAN_KEY",
    "read_question",
    "shown_names",
    "was_taken",
]

PLAN_KEY = "optuna_meta:plan"  # System attribute: what a running trial will be asked for.
_FIXED_KEY = "fixed_params"  # System attribute of Optuna: what an enqueued trial was given.


@dataclass(frozen=True)
class Objectives:
    """What a study optimises.

    Args:
        directions: One for each objective.
        outcomes: What each objective is.
    """

    directions: tuple[StudyDirection, ...]
    outcomes: tuple[Outcome, ...]

    @classmethod
    def of(cls, study: Study) -> Objectives:
        """The aims of a study."""
        directions = tuple(study.directions)
        return cls(directions, objectives(len(directions), metric_names(study)))


def read_question(
    trials: Sequence[FrozenTrial],
    aims: Objectives,
    prior: Prior,
    asked: Mapping[str, BaseDistribution],
    decided: Mapping[str, Any],
    number: int,
    given: CandidateList | None = None,
    taken: Collection[int] = (),
    certain: bool = False,
    memory: Memory | None = None,
) -> SuggestRequest:
    """What a trial asks of the suggester.

    Args:
        trials: The target's, all of them.
        aims: The target's objectives.
        prior: The prior studies, which stand in for what the target has not shown yet.
        asked: Distributions that the trial is known to ask for; they overrule earlier trials'.
        decided: Values that the trial already has.
        number: The trial's number; running trials with others are pending.
        given: The only configurations to choose from; any by default.
        taken: Those of them, by their index, that other trials have run or will run.
        certain: Whether the distributions are asked for in fact, not only expected to be: ranges
            may depend on other parameters.
        memory: What was read of the target before.
    """
    memory = memory or Memory()
    others = [t for t in trials if t.number != number]
    running = [t for t in others if t.state == TrialState.RUNNING]
    finished = [t for t in others if t.state in FINISHED]
    # A trial that failed half-way lacks parameters for no reason of the space's.
    told = [t for t in finished if t.values or t.intermediate_values]
    whole = [key_of(t) for t in told], [t.params for t in told]
    keys = _constraints(finished, prior)
    observed = observe(others, aims.directions, keys, failures=True)
    shown, changing = _shown(others)
    expected = _expected(prior, memory.rows(prior.space, *whole), {**shown, **asked})
    space = Space.from_distributions({**expected, **shown, **asked})
    candidates, choices = None, np.zeros(0, dtype=np.int64)
    if given is not None:
        lasting = {n: d for n, d in shown.items() if n not in changing} | dict(asked)
        space = given.space(lasting, expected | shown)
        choices = given.offered(lasting, decided, taken, certain)
        candidates = space.rows([given.configurations[i] for i in choices])
    return SuggestRequest(
        space,
        memory.rows(space, observed.keys, observed.params),
        observed.values,
        space.rows([plan for t in running if (plan := _plan_of(t))]),
        space.row(decided),
        _conditions(prior, space, memory.rows(space, *whole)),
        ahead=sum(_comes_before(t, number) for t in running),
        constraint_values=observed.constraint_values,
        measured=observed.measured,
        outcomes=(*aims.outcomes, *map(Outcome.constraint, keys)),
        candidates=candidates,
        choices=choices,
        tried=np.isin(choices, list(taken)),
    )


def _shown(trials: Iterable[FrozenTrial]) -> tuple[dict[str, BaseDistribution], set[str]]:
    """The latest distribution of each parameter, and the parameters that have had several."""
    shown: dict[str, BaseDistribution] = {}
    changing: set[str] = set()
    for trial in sorted(trials, key=lambda t: t.number):
        own = trial.distributions
        changing |= {n for n, d in own.items() if n in shown and shown[n] != d}
        shown |= own
    return shown, changing


def decided_params(
    trials: Sequence[FrozenTrial], trial: FrozenTrial, withheld: Iterable[str]
) -> dict[str, Any]:
    """Values that are not for the sampler to choose.

    Besides the trial's own ones these are parameters that a wrapper such as
    ``PartialFixedSampler`` has withheld: they stand where they stood last.
    """
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    last = complete[-1].params if complete else {}
    return {n: last[n] for n in withheld if n in last} | given_params(trial)


def given_params(trial: FrozenTrial) -> dict[str, Any]:
    """Values that the trial has, or was enqueued with."""
    return dict(trial.system_attrs.get(_FIXED_KEY, {})) | trial.params


def any_running(trials: Sequence[FrozenTrial], number: int) -> bool:
    """Whether a trial other than this one is under way."""
    return any(t.state == TrialState.RUNNING and t.number != number for t in trials)


def shown_names(trials: Sequence[FrozenTrial]) -> set[str]:
    """Parameters that any of the trials has had."""
    return {name for trial in trials for name in trial.distributions}


def was_taken(request: SuggestRequest, row: Array, later: SuggestRequest) -> bool:
    """Whether another worker has chosen ``row`` (D,) between two readings of one request."""
    if later.space != request.space:
        return False
    before = np.vstack([request.rows, request.pending])
    return _is_among(row, np.vstack([later.rows, later.pending])) and not _is_among(row, before)


def _is_among(row: Array, rows: Array) -> bool:
    return bool(np.isclose(rows, row, rtol=0.0, atol=1e-7, equal_nan=True).all(axis=1).any())


def _plan_of(trial: FrozenTrial) -> Mapping[str, Any]:
    """What a trial without a value has had, or will have."""
    return {**trial.system_attrs.get(PLAN_KEY, {}), **given_params(trial)}


def _comes_before(trial: FrozenTrial, number: int) -> bool:
    """Whether a slightly older trial's configuration is not known yet.

    One that has been without for long belongs to a worker that has died.
    """
    return number - MOST_AHEAD <= trial.number < number and not _plan_of(trial)


def _expected(
    prior: Prior, rows: Array, shown: Mapping[str, BaseDistribution]
) -> dict[str, BaseDistribution]:
    """Parameters of the priors that the target may still ask for.

    Before any trial these are all; then only those whose condition no trial, a row (n, D) of the
    priors' space, has met yet.
    """
    cube = prior.space
    ranges = {d.name: d.distribution() for d in cube.dimensions}
    if not len(rows):
        return ranges
    expected = {}
    for condition in prior.conditions:
        child, parent = cube.names[condition.child], cube.names[condition.parent]
        parent_known = parent in shown or parent in expected
        if (
            child not in shown
            and parent_known
            and not condition.holds(rows[:, condition.parent]).any()
        ):
            expected[child] = ranges[child]
    return expected


def _constraints(finished: Sequence[FrozenTrial], prior: Prior) -> tuple[str, ...]:
    """The constraints of the target: before any trial, those of the prior studies."""
    if finished:
        return constraint_keys(finished)
    known = {task.outcome.name for task in prior.tasks if task.outcome.is_constraint}
    return tuple(sorted(known))


def _conditions(prior: Prior, space: Space, rows: Array) -> tuple[Condition, ...]:
    """The priors' conditions that no trial (n, D) contradicts, and those of the trials alone."""
    known = translated(prior.conditions, prior.space, space)
    kept = [condition for condition in known if obeyed(condition, rows)]
    settled = {condition.child for condition in kept}
    own = [c for c in learn_conditions([rows], space) if c.child not in settled]
    return parents_first([*kept, *own])

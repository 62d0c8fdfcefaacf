"""The target study as one of its trials sees it, encoded as a request."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._optuna import enqueued_params
from optuna_meta._optuna import study_trials
from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.sampler.history import History
from optuna_meta.sampler.history import PLAN_KEY
from optuna_meta.sampler.study_state import StudyState
from optuna_meta.space.conditions import Condition
from optuna_meta.space.conditions import learn_conditions
from optuna_meta.space.conditions import obeyed
from optuna_meta.space.conditions import parents_first
from optuna_meta.space.conditions import translated
from optuna_meta.space.search_space import Space
from optuna_meta.suggest.candidate_list import CandidateList
from optuna_meta.suggest.request import SuggestRequest
from optuna_meta.surrogate.fitted import FittedPrior


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["TargetStudy", "given_params", "used_candidates", "was_taken", "withheld_params"]

# Later trials that end while one runs: of equal speed, as many as others run; of one that takes
# so many times longer nobody knows whether it lives.
_OVERTAKEN, _LEAST_OVERTAKEN = 5, 10


@dataclass(frozen=True)
class TargetStudy:
    """The target as one of its trials sees it.

    Args:
        directions: Of each objective.
        objectives: What each objective is.
        trials: All of its trials.
        number: The trial's number; running trials with others are pending.
        search_space: Distributions that the trial is known to ask for; they overrule earlier
            trials'.
        fixed_params: Values that the trial already has.
        is_exact: Whether the distributions are asked for in fact, not only expected to be: ranges
            may depend on other parameters.
        candidates: The only configurations to choose from; any by default.
        used: Those of them, by their index, that other trials have run or will run.
    """

    directions: tuple[StudyDirection, ...]
    objectives: tuple[Outcome, ...]
    trials: Sequence[FrozenTrial]
    number: int
    search_space: Mapping[str, BaseDistribution] = field(default_factory=dict)
    fixed_params: Mapping[str, Any] = field(default_factory=dict)
    is_exact: bool = False
    candidates: CandidateList | None = None
    used: Collection[int] = ()

    def encode(self, fitted: FittedPrior, state: StudyState) -> SuggestRequest:
        """Encode what the trial asks of the suggester.

        Args:
            fitted: The prior studies, which stand in for what the target has not shown yet.
            state: What was read of the target before.
        """
        others = [t for t in self.trials if t.number != self.number]
        with state.lock:
            return self._encoded(others, fitted, state.read(others))

    def _encoded(
        self, others: Sequence[FrozenTrial], fitted: FittedPrior, history: History
    ) -> SuggestRequest:
        running = _alive(others, history)
        keys = _constraints(history, fitted)
        reports, whole = history.reports(self.directions, keys), history.whole
        known, changing = history.ranges(t for t in others if not t.state.is_finished())
        in_cube = history.rows(fitted.space)[whole]
        expected = _expected(fitted, in_cube, {**known, **self.search_space})
        lasting = {n: d for n, d in known.items() if n not in changing} | dict(self.search_space)
        space, choices, candidates = self._space(expected, known, lasting)
        rows, proven = history.rows(space), np.isin(space.names, list(history.unasked))
        return SuggestRequest(
            space,
            rows[reports.places],
            reports.values,
            space.rows([plan for t in running if (plan := _plan_of(t))]),
            space.row(self.fixed_params),
            _conditions(fitted, space, rows[whole], proven),
            constraint_values=reports.constraint_values,
            measured=reports.measured,
            failed=rows[history.failed],
            whole=whole[reports.places],
            outcomes=(*self.objectives, *map(Outcome.constraint, keys)),
            candidates=candidates,
            choices=choices,
            tried=np.isin(choices, list(self.used)),
        )

    def _space(
        self,
        expected: Mapping[str, BaseDistribution],
        known: Mapping[str, BaseDistribution],
        lasting: Mapping[str, BaseDistribution],
    ) -> tuple[Space, NDArray[np.int64], Array | None]:
        """Return the next trial's space, and indices and rows of the candidates in it, if any."""
        if self.candidates is None:
            ranges = {**expected, **known, **self.search_space}
            return Space.from_distributions(ranges), np.zeros(0, dtype=np.int64), None
        space = self.candidates.space(lasting, {**expected, **known})
        choices = self.candidates.eligible(lasting, self.fixed_params, self.used, self.is_exact)
        return space, choices, space.rows([self.candidates.configurations[i] for i in choices])

    @property
    def is_alone(self) -> bool:
        """Whether no other trial is under way."""
        running = (t for t in self.trials if t.state == TrialState.RUNNING)
        return all(t.number == self.number for t in running)


def given_params(trial: FrozenTrial) -> dict[str, Any]:
    """Return the values that the trial has, or was enqueued with."""
    return enqueued_params(trial) | trial.params


def withheld_params(trials: Sequence[FrozenTrial], names: Iterable[str]) -> dict[str, Any]:
    """Return the values of parameters that are not for the sampler to choose.

    A wrapper such as ``PartialFixedSampler`` withholds them: they stand where they stood last.
    """
    complete = (t for t in reversed(trials) if t.state == TrialState.COMPLETE)
    last = next((t.params for t in complete), {})
    return {name: last[name] for name in names if name in last}


def was_taken(request: SuggestRequest, row: Array, later: SuggestRequest) -> bool:
    """Tell whether another worker has chosen ``row`` (D,) between two readings of one request."""
    if later.space != request.space:
        return False
    before = np.vstack([request.rows, request.pending])
    return _is_among(row, np.vstack([later.rows, later.pending])) and not _is_among(row, before)


def _is_among(row: Array, rows: Array) -> bool:
    return bool(np.isclose(rows, row, rtol=0.0, atol=1e-7, equal_nan=True).all(axis=1).any())


def used_candidates(study: Study, number: int, candidates: CandidateList | None) -> set[int]:
    """Find the candidates of other trials, also of those that HyperbandPruner hides."""
    if candidates is None:
        return set()
    others = [t for t in study_trials(study, tuple(TrialState)) if t.number != number]
    plans = [t.system_attrs.get(PLAN_KEY, {}) for t in others]
    return candidates.tried([*plans, *(given_params(t) for t in others)])


def _plan_of(trial: FrozenTrial) -> Mapping[str, Any]:
    """Tell what a trial without a value has had, or will have."""
    return {**trial.system_attrs.get(PLAN_KEY, {}), **given_params(trial)}


def _alive(trials: Sequence[FrozenTrial], history: History) -> list[FrozenTrial]:
    """Find the running trials, without those that so many later ones have overtaken.

    Their workers have died, or are so slow that their configurations may as well be tried again.
    """
    running = [t for t in trials if t.state == TrialState.RUNNING]
    most = max(_LEAST_OVERTAKEN, _OVERTAKEN * len(running))
    return [t for t in running if np.sum(history.numbers > t.number) < most]


def _expected(
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


def _constraints(history: History, fitted: FittedPrior) -> tuple[str, ...]:
    """Return the constraints of the target: before any trial, those of the prior studies."""
    if any(t.state in FINISHED for t in history.trials):
        return tuple(sorted(history.constraint_keys))
    outcomes = {task.outcome for task in fitted.prior.tasks}
    return tuple(sorted({outcome.name for outcome in outcomes if outcome.is_constraint}))


def _conditions(
    fitted: FittedPrior, space: Space, rows: Array, proven: NDArray[np.bool_]
) -> tuple[Condition, ...]:
    """Return the priors' conditions that no trial (n, D) contradicts, and the trials' own."""
    known = translated(fitted.conditions, fitted.space, space)
    kept = [condition for condition in known if obeyed(condition, rows)]
    settled = {condition.child for condition in kept}
    own = [c for c in learn_conditions([rows], space, proven) if c.child not in settled]
    return parents_first([*kept, *own])

"""The target study as one of its trials sees it, encoded as a request."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Any
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._locks import COMPUTING
from optuna_meta._optuna import all_trials
from optuna_meta._optuna import enqueued_params
from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.sampler.history import History
from optuna_meta.sampler.inherited import inherited_conditions
from optuna_meta.sampler.inherited import inherited_constraints
from optuna_meta.sampler.inherited import inherited_parameters
from optuna_meta.sampler.plan import Plan
from optuna_meta.sampler.plan import plan_of
from optuna_meta.sampler.study_state import StudyState
from optuna_meta.space.search_space import Space
from optuna_meta.suggest.candidate_list import CandidateList
from optuna_meta.suggest.request import SuggestRequest
from optuna_meta.surrogate.fitted import FittedPrior


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["TargetStudy", "given_params", "has_begun", "used_candidates", "withheld_params"]

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
        n_rivals: How many others are taken to choose once more, after clashes.
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
    n_rivals: int = 0

    def encode(self, fitted: FittedPrior, state: StudyState) -> SuggestRequest:
        """Encode what the trial asks of the suggester.

        Args:
            fitted: The prior studies, which stand in for what the target has not shown yet.
            state: What was read of the target before, and the plans of this process.
        """
        others = [t for t in self.trials if t.number != self.number]
        with COMPUTING:
            return self._encoded(others, fitted, state.read(others), state.plans.copied())

    def _encoded(
        self,
        others: Sequence[FrozenTrial],
        fitted: FittedPrior,
        history: History,
        plans: Mapping[int, Plan],
    ) -> SuggestRequest:
        running, used = _alive(others), self._used(plans)
        keys = inherited_constraints(history, fitted)
        reports, whole = history.reports(self.directions, keys), history.whole
        known, changing = history.ranges(t for t in others if not t.state.is_finished())
        in_cube = history.rows(fitted.space)[whole]
        expected = inherited_parameters(fitted, in_cube, {**known, **self.search_space})
        lasting = {n: d for n, d in known.items() if n not in changing} | dict(self.search_space)
        space, choices, candidates = self._space(expected, known, lasting, used)
        rows, proven = history.rows(space), np.isin(space.names, list(history.unasked))
        return SuggestRequest(
            space,
            rows[reports.places],
            reports.values,
            space.rows(self._pending(running, plans)),
            space.row(self.fixed_params),
            inherited_conditions(fitted, space, rows[whole], proven),
            constraint_values=reports.constraint_values,
            measured=reports.measured,
            deviations=reports.deviations,
            failed=rows[history.failed],
            whole=whole[reports.places],
            outcomes=(*self.objectives, *map(Outcome.constraint, keys)),
            candidates=candidates,
            choices=choices,
            tried=np.isin(choices, list(used)),
            starts=history.starts[reports.places],
            n_ahead=self._turn(running, plans),
        )

    def _space(
        self,
        expected: Mapping[str, BaseDistribution],
        known: Mapping[str, BaseDistribution],
        lasting: Mapping[str, BaseDistribution],
        used: Collection[int],
    ) -> tuple[Space, NDArray[np.int64], Array | None]:
        """Return the next trial's space, and indices and rows of the candidates in it, if any."""
        if self.candidates is None:
            ranges = {**expected, **known, **self.search_space}
            return Space.from_distributions(ranges), np.zeros(0, dtype=np.int64), None
        space = self.candidates.space(lasting, {**expected, **known})
        choices = self.candidates.eligible(lasting, self.fixed_params, used, self.is_exact)
        return space, choices, self.candidates.rows(space, choices)

    def _used(self, plans: Mapping[int, Plan]) -> set[int]:
        """Return which candidates other trials have run or will run, this process's included."""
        if self.candidates is None:
            return set()
        others = (plan.params for number, plan in plans.items() if number != self.number)
        return self.candidates.tried(others).union(self.used)

    def _pending(
        self, running: Sequence[FrozenTrial], plans: Mapping[int, Plan]
    ) -> list[Mapping[str, Any]]:
        """Return what running trials have had or will have, if anybody knows.

        Among them are those that other threads have planned since the trials were read.
        """
        foreseen = [_foreseen(t, plans.get(t.number)) for t in running]
        last = max([self.number, *(t.number for t in self.trials[-1:])])
        foreseen += [plan.params for number, plan in plans.items() if number > last]
        return [params for params in foreseen if params]

    def _turn(self, running: Sequence[FrozenTrial], plans: Mapping[int, Plan]) -> int:
        """Return which row this trial takes: of as many trials as choose now, each its own.

        By their numbers one takes the best, one the next, without a word between them. Were those
        without a plan left the best, these would leave it to others in turn, and nobody had it.
        """
        n_planning = sum(_is_planning(t, plans) for t in running)
        return self.number % (n_planning + self.n_rivals + 1)

    def may_clash(self, state: StudyState) -> bool:
        """Tell whether other workers may have planned since the trials were read, or anew."""
        own = state.plans.copied().keys()  # Of this process: they see this plan.
        waiting = any(t.state == TrialState.WAITING for t in self.trials)
        others = [t for t in self.trials if t.number != self.number]
        return waiting or any(t.number not in own and not has_begun(t) for t in _alive(others))

    def rivals(
        self, request: SuggestRequest, row: Array, later: Sequence[FrozenTrial]
    ) -> list[FrozenTrial]:
        """Find the trials of other workers that have got the same row (D,) in the meantime.

        Args:
            request: What these trials were encoded as.
            row: What was chosen.
            later: The study's trials, read after the choice was recorded.
        """
        if _are(row, np.vstack([request.rows, request.pending])).any():
            return []  # There was nothing else to choose.
        ended = {t.number for t in self.trials if t.state.is_finished()} | {self.number}
        states = (*FINISHED, TrialState.RUNNING)
        new = [t for t in later if t.state in states and t.number not in ended]
        rows = request.space.rows([_foreseen(t, None) for t in new])
        return [t for t, is_same in zip(new, _are(row, rows), strict=True) if is_same]

    def after(self, later: Sequence[FrozenTrial], n_rivals: int) -> TargetStudy:
        """Return the target as it is after a clash; the next one becomes half as likely."""
        return replace(self, trials=later, n_rivals=2 * self.n_rivals + n_rivals)


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


def has_begun(trial: FrozenTrial) -> bool:
    """Tell whether a trial has been served its plan, and so will not yield to another."""
    return bool(trial.params) or trial.state.is_finished()


def _are(row: Array, rows: Array) -> NDArray[np.bool_]:
    """Tell which rows (n, D) are ``row`` (D,), but for rounding.  # (n,)"""
    return np.asarray(np.isclose(rows, row, rtol=0.0, atol=1e-7, equal_nan=True).all(axis=1))


def used_candidates(
    study: Study, trials: Sequence[FrozenTrial], number: int, candidates: CandidateList | None
) -> set[int]:
    """Find the candidates of other trials, also of those that HyperbandPruner hides."""
    if candidates is None:
        return set()
    others = [t for t in all_trials(study, trials) if t.number != number]
    others = [t for t in others if t.state != TrialState.RUNNING] + _alive(others)
    plans = [plan.params for t in others if (plan := plan_of(t))]
    return candidates.tried([*plans, *(given_params(t) for t in others)])


def _is_planning(trial: FrozenTrial, plans: Mapping[int, Plan]) -> bool:
    return not _foreseen(trial, plans.get(trial.number))


def _foreseen(trial: FrozenTrial, plan: Plan | None) -> Mapping[str, Any]:
    """Return what a running trial has had or will have, by its record if there is no plan."""
    plan = plan or plan_of(trial) or Plan()
    return {**plan.params, **given_params(trial)}


def _alive(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Find the running trials, without those that so many later ones have overtaken.

    Their workers have died, or are so slow that their configurations may as well be tried again.
    """
    running = [t for t in trials if t.state == TrialState.RUNNING]
    if not running:
        return []
    ended = np.array([t.number for t in trials if t.state.is_finished()])
    most = max(_LEAST_OVERTAKEN, _OVERTAKEN * len(running))
    return [t for t in running if np.sum(ended > t.number) < most]

"""Plans a trial's whole configuration at once, and records it where other workers see it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from functools import partial
import logging
import time
from typing import Any
from typing import TYPE_CHECKING

from optuna.trial import FrozenTrial

from optuna_meta._locks import COMPUTING
from optuna_meta._optuna import has_trial
from optuna_meta._optuna import set_trial_user_attr
from optuna_meta.sampler.events import new_events
from optuna_meta.sampler.knowledge import Knowledge
from optuna_meta.sampler.plan import Plan
from optuna_meta.sampler.plan import PLAN_KEY
from optuna_meta.sampler.plan import plan_of
from optuna_meta.sampler.preflight import preflight
from optuna_meta.sampler.record import record_of
from optuna_meta.sampler.study_state import StudyState
from optuna_meta.sampler.target_study import given_params
from optuna_meta.sampler.target_study import has_begun
from optuna_meta.sampler.target_study import TargetStudy
from optuna_meta.sampler.target_study import used_candidates
from optuna_meta.sampler.target_study import withheld_params
from optuna_meta.suggest.candidate_list import NoCandidateError
from optuna_meta.suggest.request import Suggestion
from optuna_meta.suggest.request import SuggestRequest
from optuna_meta.suggest.suggester import Suggester


if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution


__all__ = ["Planner"]

_MOST_CLASHES = 5  # Times that a plan is made anew because another worker has taken the same.
_LOOKS = (0.02, 0.04, 0.08, 0.16, 0.32)  # Seconds before each look whether a rival has yielded.
_DESCRIBED_EVERY = 10  # Trials: meta-features and names are set once, mostly before the first.


@dataclass
class Planner:
    """Plans trials; a failure is told, and the trial goes on without a plan.

    Args:
        known: The prior studies and what was read of the target.
    """

    known: Knowledge

    def plan(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> Plan:
        """Make a trial's plan, unless it has one; an empty one where planning fails."""
        state, recorded = self.known.state(study), plan_of(trial)
        offer = state.offers.pop(trial.number, None)
        if recorded and recorded.params and recorded.agrees(given_params(trial)):
            # Its worker was killed, and another one tries it again.
            state.plans[trial.number] = recorded
            return recorded
        if trial.number % _DESCRIBED_EVERY == 0:
            state.described = None
        self.known.renew_priors(study, trial.number)
        try:
            trials = offer.trials if offer else study.get_trials(deepcopy=False)
            withheld = sorted(offer.names - search_space.keys()) if offer else []
            fixed = withheld_params(trials, withheld) | given_params(trial)
            target = self.known.target(study, trials, trial.number, search_space, fixed)
            return self._new_plan(study, trial, target)
        except NoCandidateError:
            raise
        except Exception as error:  # A prior study is never worth the user's trial.
            self._tell_failure(study, "Planning", error)
            return Plan()

    def kept_plan(self, study: Study, trial: FrozenTrial) -> Plan:
        """Return the plan that the storage has of a trial; an empty one where it has none."""
        try:
            trials = study.get_trials(deepcopy=False)  # Optuna's copy of the trial is older.
        except Exception as error:  # Whatever a storage raises.
            self._tell_failure(study, "Reading the trials", error)
            return Plan()
        shown = next((t for t in trials if t.number == trial.number), trial)
        return plan_of(shown) or Plan()

    def renewed(
        self,
        study: Study,
        trial: FrozenTrial,
        name: str,
        distribution: BaseDistribution,
        plan: Plan,
    ) -> Plan:
        """Plan the rest of a trial that is not what was foreseen."""
        known = self.known
        try:
            trials = study.get_trials(deepcopy=False)
            suggester = known.suggester(study, trials)
            names = known.state(study).names(trials).union(suggester.fitted.space.names)
            if known.candidates is not None:
                names = set(known.candidates.names)
            if name in plan.renewed or name not in names:
                return plan  # Nothing more is known of it.
            space, fixed = {**trial.distributions, name: distribution}, given_params(trial)
            target = known.target(study, trials, trial.number, space, fixed, is_exact=True)
            _, _, new = self._computed(study, suggester, target)
        except NoCandidateError:
            raise
        except Exception as error:
            self._tell_failure(study, "Planning", error)
            return plan
        kept = {} if known.candidates else plan.params
        params = {**kept, **new.params, **trial.params}
        renewed = Plan(params, plan.reason or new.reason, plan.renewed | {name})
        known.state(study).plans[trial.number] = renewed
        self.record(study, trial, renewed)
        return renewed

    def record(self, study: Study, trial: FrozenTrial, plan: Plan) -> bool:
        """Write a plan on its trial; tell whether that went well."""
        try:
            set_trial_user_attr(study, trial, PLAN_KEY, plan.record())
        except Exception as error:  # Whatever a storage raises.
            self._tell_failure(study, "Recording a plan", error)
            return False
        return True

    def _new_plan(self, study: Study, trial: FrozenTrial, target: TargetStudy) -> Plan:
        """Plan a trial, anew where another worker has taken the same meanwhile."""
        suggester = self.known.suggester(study, target.trials)
        for _ in range(_MOST_CLASHES):
            request, suggestion, plan = self._computed(study, suggester, target)
            later = self._recorded(study, trial, plan, target, suggestion)
            rivals = target.rivals(request, suggestion.row, later)
            if rivals and trial.number < min(t.number for t in rivals):
                # The first of them keeps it, unless another one had looked before.
                later, rivals = self._outlasted(study, target, request, suggestion, later)
            if not rivals:
                break
            used = used_candidates(study, later, trial.number, self.known.candidates)
            target = replace(target.after(later, len(rivals)), used=used)
        self._tell_of_priors(study, len(suggester.fitted), suggestion, plan)
        return plan

    def _computed(
        self, study: Study, suggester: Suggester, target: TargetStudy
    ) -> tuple[SuggestRequest, Suggestion, Plan]:
        """Suggest, and keep the plan where this process's other threads see it."""
        state, features = self.known.state(study), self.known.features_of(study)
        paid = self.known.paid(study, target.trials)
        with COMPUTING:
            request = self.known.request(study, suggester, target, paid)
            suggestion = suggester.suggest(request, self.known.draws.of_trial(target.number))
            reason = self._reason(suggester, target, suggestion, state, features)
            if (prices := self.known.prices_by(suggester)) and paid is not None:
                cost = prices.forecast(request, paid, suggestion.row)
                reason = {**reason, "cost": cost}
            plan = Plan(self._params(request, suggestion), reason)
            state.plans[target.number] = plan
        return request, suggestion, plan

    def _reason(
        self,
        suggester: Suggester,
        target: TargetStudy,
        suggestion: Suggestion,
        state: StudyState,
        features: Mapping[str, float] | None,
    ) -> dict[str, Any]:
        """Return what a trial's record says of where it comes from."""
        fitted = suggester.fitted
        names = sorted(state.names(target.trials).union(target.search_space))
        compared = partial(preflight, fitted, names, target.objectives, features)
        events = new_events(state.records, suggestion, fitted.study_names, compared)
        record = record_of(suggestion, fitted.study_names, target.directions)
        return record | ({"events": events} if events else {})

    def _params(self, request: SuggestRequest, suggestion: Suggestion) -> Mapping[str, Any]:
        """Return the suggested configuration; a candidate's as the user gave it."""
        candidates = self.known.candidates
        if candidates is None or suggestion.candidate < 0:
            return request.space.params(suggestion.row)
        return candidates.configurations[int(request.choices[suggestion.candidate])]

    def _recorded(
        self,
        study: Study,
        trial: FrozenTrial,
        plan: Plan,
        target: TargetStudy,
        suggestion: Suggestion,
    ) -> Sequence[FrozenTrial]:
        """Record a plan; return the trials then, if other workers may have the same meanwhile."""
        if not self.record(study, trial, plan) or suggestion.is_drawn:
            return ()
        try:
            last = max(t.number for t in target.trials)
            if target.may_clash(self.known.state(study)) or has_trial(study, last + 1):
                return study.get_trials(deepcopy=False)
        except Exception as error:  # Whatever a storage raises.
            self._tell_failure(study, "Reading the trials", error)
        return ()

    def _outlasted(
        self,
        study: Study,
        target: TargetStudy,
        request: SuggestRequest,
        suggestion: Suggestion,
        later: Sequence[FrozenTrial],
    ) -> tuple[Sequence[FrozenTrial], list[FrozenTrial]]:
        """Wait for later trials to yield; return the trials then, and those that did not.

        A rival that had looked before this trial's plan was recorded knows nothing of it and
        begins; one that has seen it plans anew.
        """
        rivals = target.rivals(request, suggestion.row, later)
        try:
            for wait in _LOOKS:
                time.sleep(wait)
                later = study.get_trials(deepcopy=False)
                rivals = target.rivals(request, suggestion.row, later)
                if not rivals or any(map(has_begun, rivals)):
                    break
        except Exception as error:  # Whatever a storage raises.
            self._tell_failure(study, "Reading the trials", error)
        return later, rivals

    def _tell_of_priors(
        self, study: Study, n_priors: int, suggestion: Suggestion, plan: Plan
    ) -> None:
        """Tell what has become of the prior studies before a trial."""
        tell = self.known.notices.tell
        if n_priors and not suggestion.weights.any():
            tell(
                f"No prior study has an objective of study {study.study_name!r}, which starts "
                "cold. Objectives are the same where their metric names are, else where their "
                "positions among equally many are."
            )
        for event in plan.reason.get("events", ()):
            if event.startswith(("dropped:", "back:", "reversed:", "alone:", "together:")):
                tell(f"Study {study.study_name!r}: {event}", logging.INFO)

    def _tell_failure(self, study: Study, what: str, error: Exception) -> None:
        self.known.notices.tell_failure(study, what, error)

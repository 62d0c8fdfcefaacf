"""``MetaSampler``: Optuna's sampler protocol; wires the steps, computes nothing."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import copy
from dataclasses import replace
import logging
import time
from typing import Any
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._bounded_map import BoundedMap
from optuna_meta._locks import COMPUTING
from optuna_meta._optuna import all_trials
from optuna_meta._optuna import has_trial
from optuna_meta._optuna import metric_names
from optuna_meta._optuna import quiet_study
from optuna_meta._optuna import set_trial_user_attr
from optuna_meta._optuna import study_key
from optuna_meta._optuna import study_user_attrs
from optuna_meta.features.record import clean_meta_features
from optuna_meta.features.record import META_FEATURES_KEY
from optuna_meta.features.record import read_meta_features
from optuna_meta.outcomes.observations import objectives
from optuna_meta.sampler.explanation import explain_trial
from optuna_meta.sampler.explanation import Explanation
from optuna_meta.sampler.explanation import previewed
from optuna_meta.sampler.plan import Offer
from optuna_meta.sampler.plan import Plan
from optuna_meta.sampler.plan import PLAN_KEY
from optuna_meta.sampler.plan import plan_of
from optuna_meta.sampler.plan import servable
from optuna_meta.sampler.preflight import preflight
from optuna_meta.sampler.prices import Prices
from optuna_meta.sampler.reason import reason_for
from optuna_meta.sampler.record import COLD
from optuna_meta.sampler.refreshed import Refresh
from optuna_meta.sampler.reporter import publish
from optuna_meta.sampler.study_model import StudyModel
from optuna_meta.sampler.study_state import StudyState
from optuna_meta.sampler.target_study import given_params
from optuna_meta.sampler.target_study import has_begun
from optuna_meta.sampler.target_study import TargetStudy
from optuna_meta.sampler.target_study import used_candidates
from optuna_meta.sampler.target_study import withheld_params
from optuna_meta.space.dimension import NOTHING
from optuna_meta.space.dimension import plain
from optuna_meta.studies.outage import cause_of
from optuna_meta.studies.prior import Prior
from optuna_meta.suggest.candidate_list import NoCandidateError
from optuna_meta.suggest.candidate_list import read_candidates
from optuna_meta.suggest.request import LEAST_TRUST
from optuna_meta.suggest.request import Suggestion
from optuna_meta.suggest.request import SuggestRequest
from optuna_meta.suggest.suggester import Suggester
from optuna_meta.surrogate.fitted import as_fitted
from optuna_meta.surrogate.fitted import FittedPrior


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["MetaSampler"]

_logger = optuna.logging.get_logger("optuna.meta")  # Under "optuna": its handler and verbosity.
_MOST_CLASHES = 5  # Times that a plan is made anew because another worker has taken the same.
_LOOKS = (0.02, 0.04, 0.08, 0.16, 0.32)  # Seconds before each look whether a rival has yielded.
_MOST_STUDIES = 8  # Or brackets of one, of which a sampler keeps what it read.
_DESCRIBED_EVERY = 10  # Trials: meta-features and names are set once, mostly before the first.
_MOST_POOLS = 8  # Of candidates; one for each set of parameters that are already fixed.


class MetaSampler(BaseSampler):
    """Sampler that starts a study from what prior studies learned.

    Each prior study is a Gaussian process; their mean and covariance are the new study's prior,
    which every finished trial of it corrects. A mixture with a cold arm, which knows nothing of
    the prior studies, is weighed by the evidence: it leaves priors behind that mislead, and is
    all there is without any. Prior studies may differ in ranges, scales, choices and parameters;
    what they share by name and value is used. A categorical whose choices are all numbers is an
    ordered number, of which its own choices are served: other lists and ranges share its scale.

    Each objective and each constraint of the study (``trial.set_constraint``) is learned from the
    prior studies that have it too: objectives are the same where their metric names are, else
    where their positions are; constraints by their keys. With several objectives the sampler
    improves the hypervolume.

    Example:
        .. code-block:: python

            prior = Prior.from_storage("sqlite:///prior.db")
            study = optuna.create_study(sampler=MetaSampler(prior_studies=prior, seed=0))
            study.optimize(objective, n_trials=30)

    Args:
        prior_studies: Studies, a :class:`Prior` or, to fit only once, a :class:`FittedPrior`.
            Without any, the study starts cold.
        meta_features: Named numbers of the new study's data set; by default those recorded on it
            with :func:`record_meta_features`, if any.
        seed: Seed of all random draws.
        candidates: The only configurations that may be suggested, each once before any comes
            again: ``[{"lr": 0.1, "kernel": "rbf"}, {"lr": 0.1, "kernel": "linear"}]``. NaN says
            that a candidate lacks the parameter, as an empty cell of
            ``frame.to_dict("records")``, and so does None but where it is one of the choices.
            Parameters that they do not name are drawn by ``independent_sampler``.
        independent_sampler: Draws parameters that nothing is known of yet; random by default.
        cost_aware: Whether improvement is divided by a power of what a trial will cost.
        budget: What all trials may cost, in seconds or in units of ``cost``: the nearer its end,
            the less costs count.
        cost: User attribute in which trials report their cost; the seconds they ran by default.
        device: Where prior studies are fitted, as torch names it; the CPU by default.
        refresh: Called with the fitted prior studies, returns them as they are now:
            ``functools.partial(FittedPrior.refresh, storage=url)`` reads what is new in a
            storage. Where it fails, those that are known serve on, with a warning.
        refresh_every: Trials of the study from one such call to the next.
        report_every: After how many trials a report is published for optuna-dashboard, again and
            again, as :func:`optuna_meta.reporting.publish_report` does it (but for the saving,
            which takes seconds); of the trials that have ended then, which the one that is just
            ending is not; never by default. Where it fails, a warning says so.

    Raises:
        ValueError: An argument is not what is wanted here.
    """

    def __init__(
        self,
        *,
        prior_studies: FittedPrior | Prior | Sequence[optuna.Study | Prior] | None = None,
        meta_features: Mapping[str, float] | None = None,
        seed: int | None = None,
        candidates: Sequence[Mapping[str, Any]] | None = None,
        independent_sampler: BaseSampler | None = None,
        cost_aware: bool = False,
        budget: float | None = None,
        cost: str | None = None,
        device: str | None = None,
        refresh: Callable[[FittedPrior], FittedPrior] | None = None,
        refresh_every: int = 20,
        report_every: int | None = None,
    ) -> None:
        if report_every is not None and report_every < 1:
            raise ValueError(f"report_every must be at least 1, or None, got {report_every}.")
        self._report_every = report_every
        self._features = None if meta_features is None else clean_meta_features(meta_features)
        self._fitted = as_fitted(prior_studies, device)
        if budget is not None and not budget > 0.0:
            raise ValueError(f"budget must be positive, got {budget!r}.")
        if not cost_aware and budget is not None:
            raise ValueError("budget= is for cost_aware=True, which was not given.")
        self._prices = Prices(self._fitted.prior, budget, cost) if cost_aware else None
        self._refresh = Refresh(refresh, refresh_every)
        self._rng = np.random.default_rng(seed)
        self._candidates = None if candidates is None else read_candidates(candidates)
        self._independent = independent_sampler or RandomSampler(seed=seed)
        self._states: BoundedMap[tuple[int, int, str, int], StudyState] = BoundedMap(_MOST_STUDIES)
        self._suggesters: BoundedMap[str, Suggester] = BoundedMap(_MOST_STUDIES)
        self._told: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        # Storages have other identities in another process; plans are on their trials.
        return {**self.__dict__, "_states": BoundedMap(_MOST_STUDIES)}

    def reseed_rng(self) -> None:
        """Draw differently from now on, also in the independent sampler."""
        self._rng = np.random.default_rng()
        self._independent.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass on to the independent sampler."""
        self._independent.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Forget the trial's plan and pass on to the independent sampler."""
        plan = self._state(study).plans.pop(trial.number, Plan())
        named = {name for name, value in plan.params.items() if value is not None}
        unasked = sorted(named - trial.params.keys())
        if self._candidates is not None and unasked and state == TrialState.COMPLETE:
            self._tell_once(
                f"Study {study.study_name!r} did not ask for {', '.join(map(repr, unasked))}, "
                "which candidates= names: check the spelling."
            )
        if trial.params:
            try:
                self._tell_of_space(study, trial, plan)
            except Exception as error:  # Whatever a storage raises.
                self._tell_failure(study, "Comparing the parameters", error)
        self._independent.after_trial(study, trial, state, values)
        if self._report_every and (trial.number + 1) % self._report_every == 0:
            try:
                publish(study, self)
            except Exception as error:  # A report is never worth the user's trial.
                self._tell_failure(study, "Publishing a report", error)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the study's own common parameters: never a prior study's, which may differ."""
        state = self._state(study)
        try:
            trials = study.get_trials(deepcopy=False)
        except Exception as error:  # Whatever a storage raises.
            self._tell_failure(study, "Reading the trials", error)
            return {}
        with COMPUTING:
            space = state.common_space(trials)
        state.offers[trial.number] = Offer(frozenset(space), trials)
        return space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Plan the whole configuration and serve what is in ``search_space``."""
        plan = self._plan(study, trial, search_space)
        served = {n: servable(d, plan.params.get(n, NOTHING)) for n, d in search_space.items()}
        return {name: value for name, value in served.items() if value is not NOTHING}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Serve the plan's value; where the plan did not foresee what is asked, renew it."""
        plan = self._state(study).plans.get(trial.number)
        if plan is None:  # Made before the sampler was pickled, or nowhere.
            plan = self._kept_plan(study, trial)
        if not plan.holds(param_name, param_distribution, trial.params):
            plan = self._renewed(study, trial, param_name, param_distribution, plan)
        value = servable(param_distribution, plan.params.get(param_name, NOTHING))
        if value is not NOTHING:
            # What is served is what was foreseen, also where it is the nearest of a grid.
            served = replace(plan, params={**plan.params, param_name: value})
            self._state(study).plans[trial.number] = served
            return value
        # Optuna's own gives a numpy scalar for some ranges.
        return plain(
            self._independent.sample_independent(study, trial, param_name, param_distribution)
        )

    def _kept_plan(self, study: Study, trial: FrozenTrial) -> Plan:
        """Return the plan that the storage has of a trial; an empty one where it has none."""
        try:
            trials = study.get_trials(deepcopy=False)  # Optuna's copy of the trial is older.
        except Exception as error:  # Whatever a storage raises.
            self._tell_failure(study, "Reading the trials", error)
            return Plan()
        shown = next((t for t in trials if t.number == trial.number), trial)
        return plan_of(shown) or Plan()

    def explain(self, study: Study, trial: int | None = None) -> Explanation:
        """Explain why a trial is what it is; change neither study nor sampler.

        Printed, it has a line for each prior study: its share (what it helped: its part of the
        advantage that the model predicts, negative where it is used in reverse), its agreement
        (the rank correlation of what it expects with what the target's trials came to) and its
        prior weight (before any trial of the target, from the meta-features and from what the
        prior studies say of each other).

        Args:
            study: The target.
            trial: Number of a past trial, of which is told what was recorded when it was chosen,
                as :func:`optuna_meta.explain_trial` does without the sampler; by default the next
                one is explained as if it were asked for now.
        """
        if trial is not None:
            return explain_trial(study, trial)
        return self._previewed(study, 1)[0]

    def preview(
        self, study: Study | Mapping[str, BaseDistribution], n: int = 5
    ) -> tuple[Explanation, ...]:
        """Tell what would be tried next, were n trials asked for at once; spend none of them.

        Args:
            study: The target, or the search space of one that is still to be made, which minimises
                one objective.
            n: How many configurations.
        """
        if isinstance(study, optuna.Study):
            return self._previewed(study, n)
        return self._previewed(quiet_study(StudyDirection.MINIMIZE, self), n, study)

    def _previewed(
        self, study: Study, n: int, space: Mapping[str, BaseDistribution] | None = None
    ) -> tuple[Explanation, ...]:
        trials, state = study.get_trials(deepcopy=False), self._state(study)
        state.described = None
        waiting = next((t for t in trials if t.state == TrialState.WAITING), None)
        number, params = (waiting.number, given_params(waiting)) if waiting else (len(trials), {})
        asked = state.common_space(trials) if space is None else space
        target = self._target(study, trials, number, asked, params, is_exact=space is not None)
        suggester = self._suggester(study, trials)
        with COMPUTING:
            rng = self._generator(target, state, copy.deepcopy(self._rng))
            request = target.encode(suggester.fitted, state)
            if self._prices is not None:
                request = self._prices.priced(request, all_trials(study, trials))
            return previewed(suggester, request, rng, study.directions, n)

    def model_of(self, study: Study) -> StudyModel:
        """Return what the sampler makes of a study now, as figures and reports read it."""
        trials, state = study.get_trials(deepcopy=False), self._state(study)
        state.described = None
        target = self._target(study, trials, len(trials), state.common_space(trials), {})
        suggester = self._suggester(study, trials)
        with COMPUTING:
            request = target.encode(suggester.fitted, state)
        listed = None if self._candidates is None else self._candidates.configurations
        return StudyModel(suggester.copy(), request, listed)

    def _generator(
        self, target: TargetStudy, state: StudyState, own: np.random.Generator
    ) -> np.random.Generator:
        """Return what to draw from: of several workers each its own, though their seed be one."""
        if target.is_alone(state):
            return own
        return np.random.default_rng([target.number, int(own.integers(2**32))])

    def _state(self, study: Study) -> StudyState:
        return self._states.made(study_key(study), StudyState)

    def _suggester(self, study: Study, trials: Sequence[FrozenTrial]) -> Suggester:
        """The suggester from all prior studies but the study itself; equal ones are one."""
        own, features = (
            self._state(study).own_names(self._fitted, study, trials),
            self._features_of(study),
        )

        def make() -> Suggester:
            others = self._fitted.without(own) if own else self._fitted
            return Suggester(others, features, BoundedMap(_MOST_POOLS))

        return self._suggesters.made(repr((own, features)), make)

    def _described(self, study: Study) -> tuple[Mapping[str, Any], Sequence[str] | None]:
        """Return a study's attributes and metric names, which are read now and then."""
        state = self._state(study)
        described = state.described
        if described is None:
            described = state.described = study_user_attrs(study), metric_names(study)
        return described

    def _features_of(self, study: Study) -> Mapping[str, float] | None:
        """Return the target's meta-features, as they were passed or are recorded."""
        if self._features is not None:
            return self._features
        attrs = self._described(study)[0]
        if META_FEATURES_KEY not in attrs:
            return None
        try:
            return read_meta_features(attrs)
        except ValueError as error:
            name = study.study_name
            self._tell_once(f"The meta-features of study {name!r} are not used: {error}")
            return None

    def _target(
        self,
        study: Study,
        trials: Sequence[FrozenTrial],
        number: int,
        search_space: Mapping[str, BaseDistribution],
        fixed_params: Mapping[str, Any],
        is_exact: bool = False,
    ) -> TargetStudy:
        directions, candidates = tuple(study.directions), self._candidates
        outcomes = objectives(len(directions), self._described(study)[1])
        used = used_candidates(study, trials, number, candidates)
        return TargetStudy(
            directions,
            outcomes,
            trials,
            number,
            search_space,
            fixed_params,
            is_exact,
            candidates,
            used,
        )

    def _plan(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> Plan:
        """Make the trial's plan, unless it has one; an empty one where planning fails."""
        state, recorded = self._state(study), plan_of(trial)
        offer = state.offers.pop(trial.number, None)
        if recorded and recorded.params and recorded.agrees(given_params(trial)):
            # Its worker was killed, and another one tries it again.
            state.plans[trial.number] = recorded
            return recorded
        if trial.number % _DESCRIBED_EVERY == 0:
            state.described = None
        if self._refresh.is_due(trial.number):
            self._renew_priors(study)
        try:
            trials = offer.trials if offer else study.get_trials(deepcopy=False)
            withheld = sorted(offer.names - search_space.keys()) if offer else []
            fixed = withheld_params(trials, withheld) | given_params(trial)
            target = self._target(study, trials, trial.number, search_space, fixed)
            return self._new_plan(study, trial, target)
        except NoCandidateError:
            raise
        except Exception as error:  # A prior study is never worth the user's trial.
            self._tell_failure(study, "Planning", error)
            return Plan()

    def _renew_priors(self, study: Study) -> None:
        try:
            found = self._refresh.renewed(self._fitted)
        except Exception as error:  # A prior study is never worth the user's trial.
            self._tell_failure(study, "Refreshing the prior studies", error)
            return
        if found is not self._fitted:
            self._fitted, self._suggesters = found, BoundedMap(_MOST_STUDIES)
            if self._prices is not None:
                self._prices = replace(self._prices, prior=found.prior)

    def _new_plan(self, study: Study, trial: FrozenTrial, target: TargetStudy) -> Plan:
        """Plan a trial, anew where another worker has taken the same meanwhile."""
        suggester = self._suggester(study, target.trials)
        for _ in range(_MOST_CLASHES):
            request, suggestion, plan = self._computed(study, suggester, target)
            later = self._recorded(study, trial, plan, target, suggestion)
            rivals = target.rivals(request, suggestion.row, later)
            if rivals and trial.number < min(t.number for t in rivals):
                # The first of them keeps it, unless another one had looked before.
                later, rivals = self._outlasted(study, target, request, suggestion, later)
            if not rivals:
                break
            used = used_candidates(study, later, trial.number, self._candidates)
            target = replace(target.after(later, len(rivals)), used=used)
        self._tell_of_priors(study, suggester.fitted, suggestion, plan)
        return plan

    def _computed(
        self, study: Study, suggester: Suggester, target: TargetStudy
    ) -> tuple[SuggestRequest, Suggestion, Plan]:
        """Suggest, and keep the plan where this process's other threads see it."""
        state, features = self._state(study), self._features_of(study)
        with COMPUTING:
            request = target.encode(suggester.fitted, state)
            rng = self._generator(target, state, self._rng)
            if self._prices is not None:
                request = self._prices.priced(request, all_trials(study, target.trials))
            suggestion = suggester.suggest(request, rng)
            names = state.names(target.trials).union(target.search_space)
            reason = reason_for(
                suggestion, suggester.fitted, target, names, state.records, features
            )
            if self._prices is not None:
                paid = all_trials(study, target.trials)
                cost = self._prices.forecast(request, paid, suggestion.row)
                reason = {**reason, "cost": cost}
            plan = Plan(self._params(request, suggestion), reason)
            state.plans[target.number] = plan
        return request, suggestion, plan

    def _recorded(
        self,
        study: Study,
        trial: FrozenTrial,
        plan: Plan,
        target: TargetStudy,
        suggestion: Suggestion,
    ) -> Sequence[FrozenTrial]:
        """Record a plan; return the trials then, if other workers may have the same meanwhile."""
        try:
            set_trial_user_attr(study, trial, PLAN_KEY, plan.record())
            if suggestion.is_drawn:
                return ()
            last = max(t.number for t in target.trials)
            if target.may_clash(self._state(study)) or has_trial(study, last + 1):
                return study.get_trials(deepcopy=False)
            return ()
        except Exception as error:  # Whatever a storage raises.
            self._tell_failure(study, "Recording a plan", error)
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

    def _renewed(
        self,
        study: Study,
        trial: FrozenTrial,
        name: str,
        distribution: BaseDistribution,
        plan: Plan,
    ) -> Plan:
        """Plan the rest of a trial that is not what was foreseen."""
        try:
            trials = study.get_trials(deepcopy=False)
            suggester = self._suggester(study, trials)
            known = self._state(study).names(trials).union(suggester.fitted.space.names)
            if self._candidates is not None:
                known = set(self._candidates.names)
            if name in plan.renewed or name not in known:
                return plan  # Nothing more is known of it.
            space, fixed = {**trial.distributions, name: distribution}, given_params(trial)
            target = self._target(study, trials, trial.number, space, fixed, is_exact=True)
            _, _, new = self._computed(study, suggester, target)
        except NoCandidateError:
            raise
        except Exception as error:
            self._tell_failure(study, "Planning", error)
            return plan
        kept = {} if self._candidates else plan.params
        params = {**kept, **new.params, **trial.params}
        renewed = Plan(params, plan.reason or new.reason, plan.renewed | {name})
        self._state(study).plans[trial.number] = renewed
        try:
            set_trial_user_attr(study, trial, PLAN_KEY, renewed.record())
        except Exception as error:
            self._tell_failure(study, "Recording a plan", error)
        return renewed

    def _params(self, request: SuggestRequest, suggestion: Suggestion) -> Mapping[str, Any]:
        """Return the suggested configuration; a candidate's as the user gave it."""
        if self._candidates is None or suggestion.candidate < 0:
            return request.space.params(suggestion.row)
        chosen = int(request.choices[suggestion.candidate])
        return self._candidates.configurations[chosen]

    def _tell_of_priors(
        self, study: Study, fitted: FittedPrior, suggestion: Suggestion, plan: Plan
    ) -> None:
        if len(fitted) and not suggestion.weights.any():
            self._tell_once(
                f"No prior study has an objective of study {study.study_name!r}, which starts "
                "cold. Objectives are the same where their metric names are, else where their "
                "positions among equally many are."
            )
        elif len(fitted) and suggestion.trust < LEAST_TRUST:
            self._tell_once(
                f"The trials of study {study.study_name!r} say more than the prior studies, "
                "without which it goes on.",
                logging.INFO,
            )

        for event in plan.reason.get("events", ()):
            if event.startswith(("dropped:", "back:", "reversed:", "together:")):
                self._tell_once(f"Study {study.study_name!r}: {event}", logging.INFO)

    def _tell_of_space(self, study: Study, trial: FrozenTrial, plan: Plan) -> None:
        """Tell once what a study has in common with the prior studies, as its trial shows."""
        state = self._state(study)
        if not len(self._fitted):
            return
        if not state.is_compared:
            state.is_compared = True
            outcomes = objectives(len(study.directions), self._described(study)[1])
            features = self._features_of(study)
            fitted = self._suggester(study, ()).fitted
            found = preflight(fitted, sorted(trial.params), outcomes, features)
            self._tell_once(f"Study {study.study_name!r}: {found}.", logging.INFO)
            for objection in found.objections(study.study_name):
                self._tell_once(objection)
        was_foreseen = not plan.params.keys().isdisjoint(trial.params)
        if plan.reason and not was_foreseen and plan.reason["source"] != COLD["source"]:
            events = [*plan.reason.get("events", ()), "cold: no parameter is shared"]
            record = Plan(plan.params, {**COLD, "events": events}).record()
            try:
                set_trial_user_attr(study, trial, PLAN_KEY, record)
            except Exception as error:
                self._tell_failure(study, "Recording a plan", error)

    def _tell_failure(self, study: Study, what: str, error: Exception) -> None:
        message = f"{what} failed in study {study.study_name!r}"
        self._tell_once(message, detail=f": {cause_of(error)}. The trial goes on without it.")

    def _tell_once(self, message: str, level: int = logging.WARNING, detail: str = "") -> None:
        if message not in self._told:
            self._told.add(message)
            _logger.log(level, message + detail)

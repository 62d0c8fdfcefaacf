"""``MetaSampler``: Optuna's sampler protocol; wires the steps, computes nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from collections.abc import Sequence
import copy
from dataclasses import dataclass
from dataclasses import replace
from typing import Any
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import GPSampler
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler
from optuna.search_space import intersection_search_space
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._optuna import contains
from optuna_meta._optuna import set_trial_system_attr
from optuna_meta._optuna import set_trial_user_attr
from optuna_meta._optuna import study_user_attrs
from optuna_meta.features.record import clean_meta_features
from optuna_meta.features.record import read_meta_features
from optuna_meta.influence import influences
from optuna_meta.planner import new_planner
from optuna_meta.planner import Planner
from optuna_meta.planner import Question
from optuna_meta.planner import Suggestion
from optuna_meta.prior import mark_of
from optuna_meta.prior import Prior
from optuna_meta.question import PLAN_KEY
from optuna_meta.question import read_question
from optuna_meta.report import Explanation
from optuna_meta.report import source_of
from optuna_meta.space import nearest
from optuna_meta.space import NOTHING
from optuna_meta.surrogate.fitted import fit_prior
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.trials import FINISHED


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["MetaSampler"]

_logger = optuna.logging.get_logger("optuna.meta")  # Under "optuna": its handler and verbosity.
_MOST_PLANS = 1000  # Plans of trials that never end would pile up.
_MOST_PLANNERS = 4
_LEAST_TRUST = 0.1  # Below it the priors have lost, and a sampler that never knew them goes on.


class MetaSampler(BaseSampler):
    """Sampler that starts a study from what prior studies learned.

    Each prior study is a Gaussian process; their mean and covariance are the new study's prior,
    which every finished trial of it corrects. A mixture with a cold arm, weighed by the evidence,
    leaves priors behind that mislead: then ``cold_sampler`` takes over. Prior studies may differ
    in ranges, scales, choices and parameters; what they share by name and value is used.

    Studies with several objectives or with constraints are passed to a host sampler without
    transfer (``cold_sampler``, by default ``TPESampler`` for several objectives and ``GPSampler``
    for constraints).

    Example:
        .. code-block:: python

            prior = Prior.from_storage("sqlite:///prior.db")
            study = optuna.create_study(sampler=MetaSampler(prior_studies=prior, seed=0))
            study.optimize(objective, n_trials=30)

    Args:
        prior_studies: Studies, a :class:`Prior` or, to fit only once, a :class:`FittedPrior`.
            Without any, the sampler is ``cold_sampler``.
        meta_features: Named numbers of the new study's data set; by default those recorded on it
            with :func:`record_meta_features`, if any.
        seed: Seed of all random draws.
        independent_sampler: Draws parameters that nothing is known of yet; random by default.
        cold_sampler: Takes over where there is nothing to transfer; ``GPSampler`` by default.
        device: Where prior studies are fitted, as torch names it; the CPU by default.
    """

    def __init__(
        self,
        *,
        prior_studies: FittedPrior | Prior | Sequence[optuna.Study] | None = None,
        meta_features: Mapping[str, float] | None = None,
        seed: int | None = None,
        independent_sampler: BaseSampler | None = None,
        cold_sampler: BaseSampler | None = None,
        device: str | None = None,
    ) -> None:
        self._fitted = _fitted(prior_studies, device)
        self._meta_features = None if meta_features is None else clean_meta_features(meta_features)
        self._rng = np.random.default_rng(seed)
        self._independent = independent_sampler or RandomSampler(seed=seed)
        self._cold = cold_sampler or GPSampler(seed=seed, warn_independent_sampling=False)
        self._several = cold_sampler or TPESampler(seed=seed)
        self._plans: OrderedDict[tuple[str, int], _Plan] = OrderedDict()
        self._planners: OrderedDict[str, Planner] = OrderedDict()
        self._told: set[str] = set()

    def reseed_rng(self) -> None:
        """Draw differently from now on, also in the samplers that this one falls back to."""
        self._rng = np.random.default_rng()
        for sampler in {id(s): s for s in (self._independent, self._cold, self._several)}.values():
            sampler.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass on to the host sampler."""
        self._host(study).before_trial(study, trial)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Forget the trial's plan and pass on to the host sampler."""
        self._plans.pop((study.study_name, trial.number), None)
        self._host(study).after_trial(study, trial, state, values)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The study's own common parameters: never a prior study's, which may differ."""
        if len(study.directions) > 1:
            return self._several.infer_relative_search_space(study, trial)
        return _own_space(study)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Plan the whole configuration and serve what is in ``search_space``."""
        if (planner := self._planner(study)) is None:
            return self._host(study).sample_relative(study, trial, search_space)
        decided = _decided(study, trial, search_space)
        plan = self._make_plan(study, trial, planner, search_space, decided)
        if plan.cold:
            return self._cold.sample_relative(study, trial, search_space)
        served = {n: _fitting(d, plan.params.get(n, NOTHING)) for n, d in search_space.items()}
        return {name: value for name, value in served.items() if value is not NOTHING}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Serve the plan's value; where the plan did not foresee this range, plan the rest anew."""
        plan = self._plans.get((study.study_name, trial.number))
        if plan is not None and not plan.cold:
            value = self._planned(study, trial, param_name, param_distribution, plan)
            if value is not NOTHING:
                return value
        transfers = plan is not None and not plan.cold
        sampler = self._independent if transfers else self._host(study)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def explain(self, study: Study) -> Explanation:
        """Why the next suggestion will be what it is; changes neither study nor sampler.

        Args:
            study: The target, whose next trial is explained as if it were asked for now.
        """
        planner = self._planner(study)
        if planner is None:
            reason = "Nothing to transfer: " + self._no_transfer(study) + "."
            return Explanation(source_of(0, cold=True), 0.0, {}, (), reason)
        number = len(study.get_trials(deepcopy=False))
        asked = _own_space(study)
        question = read_question(study, planner.fitted.prior, asked, {}, number)
        suggestion = planner.copy().suggest(question, copy.deepcopy(self._rng))
        cold = suggestion.trust < _LEAST_TRUST
        return Explanation(
            source_of(len(question.rows), cold),
            suggestion.trust,
            {} if cold else question.space.params(suggestion.row),
            influences(planner, question, suggestion, self._rng),
            _reason(suggestion, len(question.rows), cold),
        )

    def _host(self, study: Study) -> BaseSampler:
        return self._cold if len(study.directions) == 1 else self._several

    def _no_transfer(self, study: Study) -> str:
        """Why there is nothing to transfer; empty where there is."""
        if len(self._fitted) == 0:
            return "there is no prior study"
        if len(study.directions) > 1:
            return "the study has several objectives"
        if any(t.constraints for t in study.get_trials(deepcopy=False, states=FINISHED)):
            return "the study has constraints"
        if all(task.mark and task.mark == _mark(study) for task in self._fitted.prior.tasks):
            return "the only prior study is the study itself"
        return ""

    def _planner(self, study: Study) -> Planner | None:
        if reason := self._no_transfer(study):
            self._tell_once(f"MetaSampler goes on without transfer: {reason}.")
            return None
        mark = _mark(study)
        own = [t.name for t in self._fitted.prior.tasks if t.mark and t.mark == mark]
        features = self._features(study)
        key = repr((own, features))
        if key not in self._planners:
            fitted = self._fitted.without(own) if own else self._fitted
            self._planners[key] = new_planner(fitted, features)
            if len(self._planners) > _MOST_PLANNERS:
                self._planners.popitem(last=False)
        return self._planners[key]

    def _features(self, study: Study) -> Mapping[str, float] | None:
        if self._meta_features is not None:
            return self._meta_features
        try:
            return read_meta_features(study_user_attrs(study))
        except ValueError as error:
            self._tell_once(f"The study's meta-features are not used: {error}")
            return None

    def _make_plan(
        self,
        study: Study,
        trial: FrozenTrial,
        planner: Planner,
        asked: Mapping[str, BaseDistribution],
        decided: Mapping[str, Any],
    ) -> _Plan:
        prior = planner.fitted.prior
        question = read_question(study, prior, asked, decided, trial.number)
        suggestion = planner.suggest(question, self._rng)
        cold = suggestion.trust < _LEAST_TRUST
        plan = _Plan(question.space.params(suggestion.row), cold)
        self._plans[(study.study_name, trial.number)] = plan
        if len(self._plans) > _MOST_PLANS:
            self._plans.popitem(last=False)
        if cold:
            self._tell_once(
                f"The prior studies do not agree with study {study.study_name!r}: "
                f"{type(self._cold).__name__} takes over."
            )
        else:
            set_trial_system_attr(study, trial, PLAN_KEY, dict(plan.params))
        _record(study, trial, question, suggestion, prior)
        return plan

    def _planned(
        self,
        study: Study,
        trial: FrozenTrial,
        name: str,
        distribution: BaseDistribution,
        plan: _Plan,
    ) -> Any:
        """The plan's value for one parameter, ``NOTHING`` where no plan has one."""
        value = plan.params.get(name, NOTHING)
        if value is not NOTHING and contains(distribution, value):
            return _fitting(distribution, value)
        planner = self._planner(study)
        if planner is None or name in plan.tried:
            return _fitting(distribution, value)
        asked = {**trial.distributions, name: distribution}
        decided = {n: v for n, v in trial.params.items() if n in asked}
        question = read_question(study, planner.fitted.prior, asked, decided, trial.number)
        if name not in (*planner.fitted.space.names, *_names(study)):
            return NOTHING  # Neither the priors nor earlier trials know it.
        suggestion = planner.suggest(question, self._rng)
        params = {**plan.params, **question.space.params(suggestion.row)}
        self._plans[(study.study_name, trial.number)] = replace(
            plan, params=params, tried=plan.tried | {name}
        )
        return _fitting(distribution, params.get(name, NOTHING))

    def _tell_once(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            _logger.info(message)


@dataclass(frozen=True)
class _Plan:
    params: Mapping[str, Any]
    cold: bool
    tried: frozenset[str] = frozenset()  # Parameters for which the rest was planned anew.


def _fitted(
    priors: FittedPrior | Prior | Sequence[optuna.Study] | None, device: str | None
) -> FittedPrior:
    if isinstance(priors, FittedPrior):
        return priors
    if isinstance(priors, Prior):
        return fit_prior(priors, device)
    if isinstance(priors, str | bytes) or not all(
        isinstance(s, optuna.Study) for s in priors or ()
    ):
        raise ValueError(
            "prior_studies must be studies, a Prior or a FittedPrior, "
            f"got {priors!r}; read a storage with Prior.from_storage(url)."
        )
    return fit_prior(Prior.from_studies(priors or ()), device)


def _own_space(study: Study) -> dict[str, BaseDistribution]:
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    space = intersection_search_space(trials)
    return {name: d for name, d in space.items() if not d.single()}


def _decided(
    study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
) -> dict[str, Any]:
    """Values that are not for the sampler to choose.

    Besides the trial's own ones these are parameters that a wrapper such as
    ``PartialFixedSampler`` has taken out of the search space: they stand where they stood last.
    """
    fixed = dict(trial.system_attrs.get("fixed_params", {})) | dict(trial.params)
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    withheld = [n for n in _own_space(study) if n not in search_space and n not in fixed]
    return {n: complete[-1].params[n] for n in withheld} | fixed


def _mark(study: Study) -> str:
    return mark_of(study.get_trials(deepcopy=False, states=FINISHED))


def _names(study: Study) -> set[str]:
    return {n for t in study.get_trials(deepcopy=False, states=FINISHED) for n in t.distributions}


def _fitting(distribution: BaseDistribution, value: Any) -> Any:
    """The distribution's value nearest to ``value``, or ``NOTHING``."""
    if value is NOTHING:
        return NOTHING
    found = nearest(distribution, value)
    return found if found is not NOTHING and contains(distribution, found) else NOTHING


def _record(
    study: Study, trial: FrozenTrial, question: Question, suggestion: Suggestion, prior: Prior
) -> None:
    """Leave the short explanation on the trial, for the dashboard."""
    cold = suggestion.trust < _LEAST_TRUST
    source = source_of(len(question.rows), cold)
    set_trial_user_attr(study, trial, "optuna_meta:source", source)
    set_trial_user_attr(study, trial, "optuna_meta:trust", round(suggestion.trust, 3))
    if not cold:
        leading = prior.names[int(np.argmax(suggestion.contributions))]
        set_trial_user_attr(study, trial, "optuna_meta:leaned_on", leading)


def _reason(suggestion: Suggestion, n_trials: int, cold: bool) -> str:
    if cold:
        return f"The {n_trials} trials so far contradict the prior studies: they have no say."
    if n_trials == 0:
        return "No trial yet: the configuration that the prior studies together expect to be best."
    return f"Expected improvement under the prior studies, corrected by {n_trials} own trials."

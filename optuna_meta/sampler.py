"""``MetaSampler``: Optuna's sampler protocol; wires the steps, computes nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
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
from optuna_meta.conditions import learn_conditions
from optuna_meta.planner import Planner
from optuna_meta.planner import Question
from optuna_meta.prior import mark_of
from optuna_meta.prior import Prior
from optuna_meta.space import nearest
from optuna_meta.space import NOTHING
from optuna_meta.space import Space
from optuna_meta.surrogate.fitted import fit_prior
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.trust import initial_trust
from optuna_meta.trials import FINISHED
from optuna_meta.trials import observe


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["MetaSampler"]

_logger = optuna.logging.get_logger("optuna.meta")
_MOST_PLANS = 1000
_PLAN_ATTR = "optuna_meta:plan"


@dataclass(frozen=True)
class _Plan:
    params: Mapping[str, Any]
    cold: bool


class MetaSampler(BaseSampler):
    """Sampler that starts a study from what prior studies learned."""

    def __init__(
        self,
        *,
        prior_studies: FittedPrior | Prior | Sequence[optuna.Study] | None = None,
        meta_features: Mapping[str, float] | None = None,
        seed: int | None = None,
        independent_sampler: BaseSampler | None = None,
        cold_sampler: BaseSampler | None = None,
    ) -> None:
        self._fitted = _fitted(prior_studies)
        self._meta_features = meta_features
        self._rng = np.random.default_rng(seed)
        self._independent = independent_sampler or RandomSampler(seed=seed)
        self._cold = cold_sampler or GPSampler(seed=seed)
        self._cold_multi = cold_sampler or TPESampler(seed=seed)
        self._plans: OrderedDict[tuple[str, int], _Plan] = OrderedDict()
        self._planners: dict[tuple[str, ...], Planner] = {}

    def reseed_rng(self) -> None:
        self._rng = np.random.default_rng()
        for sampler in (self._independent, self._cold, self._cold_multi):
            sampler.reseed_rng()

    def _host(self, study: Study) -> BaseSampler:
        return self._cold if len(study.directions) == 1 else self._cold_multi

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._host(study).before_trial(study, trial)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        self._plans.pop((study.study_name, trial.number), None)
        self._host(study).after_trial(study, trial, state, values)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        if len(study.directions) > 1:
            return self._cold_multi.infer_relative_search_space(study, trial)
        return _own_space(study)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        planner = self._planner(study)
        if planner is None:
            return self._host(study).sample_relative(study, trial, search_space)
        plan = self._make_plan(study, trial, planner, search_space)
        self._plans[(study.study_name, trial.number)] = plan
        if len(self._plans) > _MOST_PLANS:
            self._plans.popitem(last=False)
        if plan.cold:
            return self._cold.sample_relative(study, trial, search_space)
        values = {n: _fitting(d, plan.params.get(n, NOTHING)) for n, d in search_space.items()}
        return {n: v for n, v in values.items() if v is not NOTHING}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        plan = self._plans.get((study.study_name, trial.number))
        if plan is None:
            sampler = self._independent if len(self._fitted) else self._host(study)
        elif plan.cold:
            sampler = self._cold
        else:
            value = _fitting(param_distribution, plan.params.get(param_name, NOTHING))
            if value is not NOTHING:
                return value
            sampler = self._independent
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _planner(self, study: Study) -> Planner | None:
        if len(study.directions) > 1 or len(self._fitted) == 0:
            return None
        trials = study.get_trials(deepcopy=False, states=FINISHED)
        own = [t.name for t in self._fitted.prior.tasks if t.mark and t.mark == mark_of(trials)]
        key = tuple(own)
        if key not in self._planners:
            fitted = self._fitted.without(own) if own else self._fitted
            self._planners[key] = Planner(fitted, np.full(len(fitted), 1 / len(fitted)), initial_trust(fitted))
        return self._planners[key]

    def _make_plan(
        self,
        study: Study,
        trial: FrozenTrial,
        planner: Planner,
        search_space: Mapping[str, BaseDistribution],
    ) -> _Plan:
        trials = study.get_trials(deepcopy=False)
        observed = observe([t for t in trials if t.state in FINISHED], study.direction)
        running = [
            t for t in trials if t.state == TrialState.RUNNING and t.number != trial.number
        ]
        known: dict[str, BaseDistribution] = {}
        for distributions in [*observed.distributions, *(t.distributions for t in running)]:
            known |= distributions
        known |= search_space
        if not len(observed):
            known = {d.name: d.distribution() for d in planner.fitted.space.dimensions} | known
        space = Space.from_distributions(known)
        pending = [t.params or t.system_attrs.get(_PLAN_ATTR, {}) for t in running]
        rows = space.rows(observed.params)
        cube = planner.fitted.space
        studies = [space.translate(t.rows, cube) for t in planner.fitted.prior.tasks]
        question = Question(
            space,
            rows,
            observed.values,
            space.rows([p for p in pending if p]),
            space.row(trial.params),
            learn_conditions([*studies, rows], space),
        )
        suggestion = planner.suggest(question, self._rng)
        params = space.params(suggestion.row)
        leaned = planner.fitted.names[int(np.argmax(suggestion.contributions))]
        set_trial_system_attr(study, trial, _PLAN_ATTR, params)
        set_trial_user_attr(study, trial, "optuna_meta:trust", round(suggestion.trust, 4))
        set_trial_user_attr(study, trial, "optuna_meta:leaned_on", leaned)
        return _Plan(params, cold=suggestion.trust < 0.1)


def _fitted(priors: FittedPrior | Prior | Sequence[optuna.Study] | None) -> FittedPrior:
    if isinstance(priors, FittedPrior):
        return priors
    if isinstance(priors, Prior):
        return fit_prior(priors)
    return fit_prior(Prior.from_studies(priors or ()))


def _own_space(study: Study) -> dict[str, BaseDistribution]:
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    space = intersection_search_space(trials)
    return {name: d for name, d in space.items() if not d.single()}


def _fitting(distribution: BaseDistribution, value: Any) -> Any:
    if value is NOTHING:
        return NOTHING
    found = nearest(distribution, value)
    return found if found is not NOTHING and contains(distribution, found) else NOTHING

"""``MetaSampler``: Optuna's sampler protocol; wires the steps, computes nothing."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
import logging
import threading
from typing import Any
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._optuna import set_trial_system_attr
from optuna_meta._optuna import set_trial_user_attr
from optuna_meta._optuna import study_key
from optuna_meta._optuna import study_trials
from optuna_meta.features.record import clean_meta_features
from optuna_meta.sampler.explanation import explained
from optuna_meta.sampler.explanation import Explanation
from optuna_meta.sampler.explanation import facts
from optuna_meta.sampler.explanation import LEAST_TRUST
from optuna_meta.sampler.prior_choice import fitted_prior
from optuna_meta.sampler.prior_choice import PriorChoice
from optuna_meta.sampler.study_state import fitting
from optuna_meta.sampler.study_state import Memory
from optuna_meta.sampler.study_state import Plan
from optuna_meta.sampler.study_state import Plans
from optuna_meta.sampler.target_study import any_running
from optuna_meta.sampler.target_study import decided_params
from optuna_meta.sampler.target_study import given_params
from optuna_meta.sampler.target_study import Objectives
from optuna_meta.sampler.target_study import PLAN_KEY
from optuna_meta.sampler.target_study import read_question
from optuna_meta.sampler.target_study import shown_names
from optuna_meta.sampler.target_study import was_taken
from optuna_meta.space.dimension import NOTHING
from optuna_meta.studies.prior import Prior
from optuna_meta.suggest.candidate_list import NoCandidateError
from optuna_meta.suggest.candidate_list import read_candidates
from optuna_meta.suggest.request import Suggestion
from optuna_meta.suggest.request import SuggestRequest
from optuna_meta.suggest.suggester import Suggester
from optuna_meta.surrogate.fitted import FittedPrior


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["MetaSampler", "study_weights"]

_logger = optuna.logging.get_logger("optuna.meta")  # Under "optuna": its handler and verbosity.
_MOST_CLASHES = 5
_MOST_MEMORIES = 4
# One trial of a process is planned after the other, so that each sees the plans before it. (Not
# the sampler's own lock: samplers are pickled.)
_ONE_BY_ONE = threading.RLock()


class MetaSampler(BaseSampler):
    """Sampler that starts a study from what prior studies learned.

    Each prior study is a Gaussian process; their mean and covariance are the new study's prior,
    which every finished trial of it corrects. A mixture with a cold arm, which knows nothing of
    the prior studies, is weighed by the evidence: it leaves priors behind that mislead, and is
    all there is without any. Prior studies may differ in ranges, scales, choices and parameters;
    what they share by name and value is used.

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
            again: ``[{"lr": 0.1, "kernel": "rbf"}, {"lr": 0.1, "kernel": "linear"}]``. Parameters
            that they do not name are drawn by ``independent_sampler``.
        independent_sampler: Draws parameters that nothing is known of yet; random by default.
        device: Where prior studies are fitted, as torch names it; the CPU by default.

    Raises:
        ValueError: An argument is not what is wanted here.
    """

    def __init__(
        self,
        *,
        prior_studies: FittedPrior | Prior | Sequence[optuna.Study] | None = None,
        meta_features: Mapping[str, float] | None = None,
        seed: int | None = None,
        candidates: Sequence[Mapping[str, Any]] | None = None,
        independent_sampler: BaseSampler | None = None,
        device: str | None = None,
    ) -> None:
        features = None if meta_features is None else clean_meta_features(meta_features)
        self._transfer = PriorChoice(fitted_prior(prior_studies, device), features)
        self._rng = np.random.default_rng(seed)
        self._given = None if candidates is None else read_candidates(candidates)
        self._independent = independent_sampler or RandomSampler(seed=seed)
        self._plans = Plans()
        self._memories: dict[tuple[int, int, str], Memory] = {}
        self._told: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        # Storages have other identities in another process.
        return {**self.__dict__, "_memories": {}}

    def reseed_rng(self) -> None:
        """Draw differently from now on, also in the independent sampler."""
        self._rng = np.random.default_rng()
        self._independent.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass on to the independent sampler."""
        self._independent.before_trial(study, trial)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Forget the trial's plan and pass on to the independent sampler."""
        plan = self._plans.get(study.study_name, trial.number) or Plan()
        unasked = sorted(plan.params.keys() - trial.params.keys())
        if self._given is not None and unasked and state == TrialState.COMPLETE:
            self._tell_once(
                f"Study {study.study_name!r} did not ask for {', '.join(map(repr, unasked))}, "
                "which candidates= names: check the spelling."
            )
        self._plans.drop(study.study_name, trial.number)
        self._independent.after_trial(study, trial, state, values)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The study's own common parameters: never a prior study's, which may differ."""
        space = self._memory(study).common_space(study.get_trials(deepcopy=False))
        self._plans.put(study.study_name, trial.number, Plan(offered=frozenset(space)))
        return space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Plan the whole configuration and serve what is in ``search_space``."""
        plan = self._plan(study, trial, search_space)
        served = {n: fitting(d, plan.params.get(n, NOTHING)) for n, d in search_space.items()}
        return {name: value for name, value in served.items() if value is not NOTHING}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Serve the plan's value; where the plan did not foresee what is asked, renew it."""
        plan = self._plans.get(study.study_name, trial.number) or Plan()
        if not plan.holds(param_name, param_distribution, trial.params):
            plan = self._renewed(study, trial, param_name, param_distribution, plan)
        value = fitting(param_distribution, plan.params.get(param_name, NOTHING))
        if value is not NOTHING:
            return value
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def explain(self, study: Study) -> Explanation:
        """Why the next suggestion will be what it is; changes neither study nor sampler.

        Printed, it has a line for each prior study: its influence (the share of how far the
        suggestion would move if this study alone were left out), its coefficient (its signed
        weight in the model's mean: negative where the target rewards what it punishes) and its
        prior weight (before any trial of the target, from the meta-features).

        Args:
            study: The target, whose next trial is explained as if it were asked for now.
        """
        trials = study.get_trials(deepcopy=False)
        suggester = self._planner(study, trials)
        waiting = [t for t in trials if t.state == TrialState.WAITING]
        number = waiting[0].number if waiting else len(trials)
        decided = given_params(waiting[0]) if waiting else {}
        asked = self._memory(study).common_space(trials)
        request = self._question(study, suggester, trials, asked, decided, number)
        return explained(suggester, request, self._rng)

    def _planner(self, study: Study, trials: Sequence[FrozenTrial]) -> Suggester:
        try:
            return self._transfer.suggester(study, trials)
        except ValueError as error:
            name = study.study_name
            self._tell_once(f"The meta-features of study {name!r} are not used: {error}")
            return self._transfer.suggester_of(study, trials, None)

    def _question(
        self,
        study: Study,
        suggester: Suggester,
        trials: Sequence[FrozenTrial],
        asked: Mapping[str, BaseDistribution],
        decided: Mapping[str, Any],
        number: int,
        certain: bool = False,
    ) -> SuggestRequest:
        aims, prior, memory = Objectives.of(study), suggester.fitted.prior, self._memory(study)
        given, taken = self._given, self._taken(study, number)
        return read_question(
            trials, aims, prior, asked, decided, number, given, taken, certain, memory
        )

    def _taken(self, study: Study, number: int) -> set[int]:
        """The candidates of other trials, also of those that HyperbandPruner's wrapper hides."""
        if self._given is None:
            return set()
        others = [t for t in study_trials(study, tuple(TrialState)) if t.number != number]
        plans = [t.system_attrs.get(PLAN_KEY, {}) for t in others]
        return self._given.tried([*plans, *(given_params(t) for t in others)])

    def _memory(self, study: Study) -> Memory:
        key = study_key(study)
        if key not in self._memories:
            while len(self._memories) >= _MOST_MEMORIES:
                self._memories.pop(next(iter(self._memories)))
            self._memories[key] = Memory()
        return self._memories[key]

    def _plan(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> Plan:
        """The trial's new plan; an empty one where planning fails."""
        offered = self._plans.get(study.study_name, trial.number) or Plan()
        self._plans.drop(study.study_name, trial.number)
        withheld = sorted(offered.offered - search_space.keys())
        try:
            with _ONE_BY_ONE:
                trials = study.get_trials(deepcopy=False)
                suggester = self._planner(study, trials)
                decided = decided_params(trials, trial, withheld)

                def read(trials: Sequence[FrozenTrial]) -> SuggestRequest:
                    return self._question(
                        study, suggester, trials, search_space, decided, trial.number
                    )

                return self._new_plan(study, trial, suggester, read, trials)
        except NoCandidateError:
            raise
        except Exception as error:  # A prior study is never worth the user's trial.
            self._tell_failure(study, "Planning", error)
            return Plan()

    def _new_plan(
        self,
        study: Study,
        trial: FrozenTrial,
        suggester: Suggester,
        read: Callable[[Sequence[FrozenTrial]], SuggestRequest],
        trials: Sequence[FrozenTrial],
    ) -> Plan:
        request = read(trials)
        for _ in range(_MOST_CLASHES):
            suggestion = suggester.suggest(request, self._rng)
            plan = Plan(self._params(request, suggestion))
            attrs = facts(suggester.fitted.prior, len(request.rows), suggestion)
            self._keep(study, trial, plan, attrs)
            after = study.get_trials(deepcopy=False)
            alone = not any_running([*trials, *after], trial.number)
            if alone and len(after) == len(trials):
                break
            later = read(after)
            if not was_taken(request, suggestion.row, later):
                break
            request, trials = later, after
        if len(suggester.fitted) and not suggestion.weights.any():
            self._tell_once(
                f"No prior study has an objective of study {study.study_name!r}, which starts "
                "cold. Objectives are the same where their metric names are, else where their "
                "positions among equally many are."
            )
        elif len(suggester.fitted) and suggestion.trust < LEAST_TRUST:
            self._tell_once(
                f"The prior studies contradict study {study.study_name!r}, which goes on as if it "
                "had none.",
                logging.INFO,
            )
        return plan

    def _renewed(
        self,
        study: Study,
        trial: FrozenTrial,
        name: str,
        distribution: BaseDistribution,
        plan: Plan,
    ) -> Plan:
        """The plan for the rest of a trial that is not what was foreseen."""
        with _ONE_BY_ONE:
            try:
                trials = study.get_trials(deepcopy=False)
                suggester = self._planner(study, trials)
                if name in plan.renewed:
                    return plan
                known = shown_names(trials).union(suggester.fitted.space.names)
                if name not in (self._given.names if self._given else known):
                    return plan  # Nothing is known of it.
                asked = {**trial.distributions, name: distribution}
                given = given_params(trial)
                request = self._question(
                    study, suggester, trials, asked, given, trial.number, True
                )
                suggestion = suggester.suggest(request, self._rng)
            except NoCandidateError:
                raise
            except Exception as error:
                self._tell_failure(study, "Planning", error)
                return plan
            kept = {} if self._given else plan.params
            params = {**kept, **self._params(request, suggestion), **trial.params}
            renewed = replace(plan, params=params, renewed=plan.renewed | {name})
            self._keep(study, trial, renewed, {})
        return renewed

    def _params(self, request: SuggestRequest, suggestion: Suggestion) -> Mapping[str, Any]:
        """The suggested configuration; a candidate's as the user gave it."""
        if self._given is None or suggestion.candidate < 0:
            return request.space.params(suggestion.row)
        chosen: Mapping[str, Any] = self._given.configurations[
            int(request.choices[suggestion.candidate])
        ]
        return chosen

    def _keep(
        self, study: Study, trial: FrozenTrial, plan: Plan, attrs: Mapping[str, Any]
    ) -> None:
        """Keep a plan here and, for other workers and the dashboard, on the trial."""
        self._plans.put(study.study_name, trial.number, plan)
        try:
            set_trial_system_attr(study, trial, PLAN_KEY, dict(plan.params))
            for key, value in attrs.items():
                set_trial_user_attr(study, trial, key, value)
        except Exception as error:  # Whatever a storage raises.
            self._tell_failure(study, "Recording a plan", error)

    def _tell_failure(self, study: Study, what: str, error: Exception) -> None:
        message = f"{what} failed in study {study.study_name!r}"
        self._tell_once(message, detail=f": {error!r}. The trial goes on without it.")

    def _tell_once(self, message: str, level: int = logging.WARNING, detail: str = "") -> None:
        if message not in self._told:
            self._told.add(message)
            _logger.log(level, message + detail)


def study_weights(sampler: MetaSampler, study: Study) -> dict[str, float]:
    """Returns the weight of each prior study as the sampler has it now, by name; their sum is 1.

    Before the first trial it is that of the meta-features. Every trial moves it towards the
    studies whose values agree with the study's own, as far as the sampler trusts the prior
    studies at all; one that the new study contradicts gets nothing for that.

    Example:
        .. code-block:: python

            near = Nearest(study_weights(sampler, study))
            rank_checkpoints(candidates, target, strategy=Guarded((by_logme, near, by_score)))

    Args:
        sampler: Has the prior studies.
        study: The new study; it and the sampler stay as they are.

    Returns:
        What :class:`optuna_meta.weights.Nearest` takes; empty without prior studies. Of prior
        studies with one name, which checkpoints cannot tell apart, the first has the name itself.
    """
    told = sampler.explain(study)
    agreeing = {p.study: max(p.coefficient, 0.0) for p in told.priors}
    total = sum(agreeing.values())
    trust = told.trust if total > 0.0 else 0.0
    weights = {
        p.study: trust * agreeing[p.study] / (total or 1.0) + (1.0 - trust) * p.prior_weight
        for p in told.priors
    }
    whole = sum(weights.values()) or 1.0  # Less than 1 where an objective has no prior study.
    return {name: weight / whole for name, weight in weights.items()}

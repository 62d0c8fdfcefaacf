"""``MetaSampler``: Optuna's sampler protocol; wires the steps, computes nothing."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from typing import TYPE_CHECKING

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._locks import COMPUTING
from optuna_meta._optuna import quiet_study
from optuna_meta.features.record import clean_meta_features
from optuna_meta.sampler.draws import Draws
from optuna_meta.sampler.explanation import Explanation
from optuna_meta.sampler.explanation import previewed
from optuna_meta.sampler.knowledge import Knowledge
from optuna_meta.sampler.past_trial import explain_trial
from optuna_meta.sampler.plan import Offer
from optuna_meta.sampler.plan import Plan
from optuna_meta.sampler.plan import servable
from optuna_meta.sampler.planner import Planner
from optuna_meta.sampler.prices import Prices
from optuna_meta.sampler.record import COLD
from optuna_meta.sampler.refreshed import Refresh
from optuna_meta.sampler.reporter import publish
from optuna_meta.sampler.study_model import StudyModel
from optuna_meta.sampler.target_study import given_params
from optuna_meta.sampler.telling import tell_of_space
from optuna_meta.space.dimension import NOTHING
from optuna_meta.space.dimension import plain
from optuna_meta.studies.prior import Prior
from optuna_meta.suggest.candidate_list import read_candidates
from optuna_meta.surrogate.fitted import as_fitted
from optuna_meta.surrogate.fitted import fit_prior
from optuna_meta.surrogate.fitted import FittedPrior


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["MetaSampler"]


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
        features = None if meta_features is None else clean_meta_features(meta_features)
        fitted = as_fitted(prior_studies, device)
        if budget is not None and not budget > 0.0:
            raise ValueError(f"budget must be positive, got {budget!r}.")
        if not cost_aware and budget is not None:
            raise ValueError("budget= is for cost_aware=True, which was not given.")
        renewal = Refresh(refresh, refresh_every)
        self._known = Knowledge(
            fitted,
            Draws(seed),
            None if refresh is None else renewal,
            features,
            None if candidates is None else read_candidates(candidates),
            Prices(fitted.prior, budget, cost) if cost_aware else None,
            None if isinstance(prior_studies, FittedPrior) else partial(fit_prior, device=device),
        )
        self._planner = Planner(self._known)
        self._independent = independent_sampler
        self._report_every = report_every

    def reseed_rng(self) -> None:
        """Draw differently from now on, also in the independent sampler."""
        self._known.draws.reseed()
        if self._independent is not None:
            self._independent.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass on to the independent sampler."""
        if self._independent is not None:
            self._independent.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Forget the trial's plan and pass on to the independent sampler."""
        known = self._known
        plan = known.state(study).plans.pop(trial.number, Plan())
        named = {name for name, value in plan.params.items() if value is not None}
        unasked = sorted(named - trial.params.keys())
        if known.candidates is not None and unasked and state == TrialState.COMPLETE:
            known.notices.tell(
                f"Study {study.study_name!r} did not ask for {', '.join(map(repr, unasked))}, "
                "which candidates= names: check the spelling."
            )
        if trial.params and len(known.fitted):
            self._compare(study, trial, plan)
        if self._independent is not None:
            self._independent.after_trial(study, trial, state, values)
        if self._report_every and (trial.number + 1) % self._report_every == 0:
            try:
                publish(study, self)
            except Exception as error:  # A report is never worth the user's trial.
                known.notices.tell_failure(study, "Publishing a report", error)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the study's own common parameters: never a prior study's, which may differ."""
        state = self._known.state(study)
        try:
            trials = study.get_trials(deepcopy=False)
        except Exception as error:  # Whatever a storage raises.
            self._known.notices.tell_failure(study, "Reading the trials", error)
            return {}
        with COMPUTING:
            space = state.common_space(trials)
        state.offers[trial.number] = Offer(frozenset(space), trials)
        return space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Plan the whole configuration and serve what is in ``search_space``."""
        plan = self._planner.plan(study, trial, search_space)
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
        plan = self._known.state(study).plans.get(trial.number)
        if plan is None:  # Made before the sampler was pickled, or nowhere.
            plan = self._planner.kept_plan(study, trial)
        if not plan.holds(param_name, param_distribution, trial.params):
            plan = self._planner.renewed(study, trial, param_name, param_distribution, plan)
        value = servable(param_distribution, plan.params.get(param_name, NOTHING))
        if value is not NOTHING:
            # What is served is what was foreseen, also where it is the nearest of a grid.
            served = replace(plan, params={**plan.params, param_name: value})
            self._known.state(study).plans[trial.number] = served
            return value
        other = self._independent or self._known.draws.of_parameter(trial.number, param_name)
        # Optuna's own gives a numpy scalar for some ranges.
        return plain(other.sample_independent(study, trial, param_name, param_distribution))

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

    def model_of(self, study: Study) -> StudyModel:
        """Return what the sampler makes of a study now, as figures and reports read it."""
        known, trials = self._known, study.get_trials(deepcopy=False)
        state = known.state(study)
        state.described = None
        target = known.target(study, trials, len(trials), state.common_space(trials), {})
        suggester = known.suggester(study, trials)
        with COMPUTING:
            request, starts = target.encode(suggester.fitted, state), state.start_names
        listed = None if known.candidates is None else known.candidates.configurations
        return StudyModel(suggester.copy(), request, listed, starts)

    def _previewed(
        self, study: Study, n: int, space: Mapping[str, BaseDistribution] | None = None
    ) -> tuple[Explanation, ...]:
        known, trials = self._known, study.get_trials(deepcopy=False)
        state = known.state(study)
        state.described = None
        waiting = next((t for t in trials if t.state == TrialState.WAITING), None)
        number, params = (waiting.number, given_params(waiting)) if waiting else (len(trials), {})
        asked = state.common_space(trials) if space is None else space
        target = known.target(study, trials, number, asked, params, is_exact=space is not None)
        suggester, paid = known.suggester(study, trials), known.paid(study, trials)
        with COMPUTING:
            request = known.request(study, suggester, target, paid)
            rngs = [known.draws.of_trial(number + i) for i in range(n)]
            return previewed(suggester, request, rngs, study.directions, state.records)

    def _compare(self, study: Study, trial: FrozenTrial, plan: Plan) -> None:
        """Tell what is shared with the prior studies; record it where that is nothing."""
        try:
            tell_of_space(self._known, study, trial)
        except Exception as error:  # Whatever a storage raises.
            self._known.notices.tell_failure(study, "Comparing the parameters", error)
        was_foreseen = not plan.params.keys().isdisjoint(trial.params)
        if plan.reason and not was_foreseen and plan.reason.get("source") != COLD["source"]:
            events = [*plan.reason.get("events", ()), "cold: no parameter is shared"]
            self._planner.record(study, trial, Plan(plan.params, {**COLD, "events": events}))

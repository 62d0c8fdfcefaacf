"""What a sampler knows: the prior studies, and what it read of those that it is asked about."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Any
from typing import TYPE_CHECKING

from optuna_meta._bounded_map import BoundedMap
from optuna_meta._locks import COMPUTING
from optuna_meta._optuna import all_trials
from optuna_meta._optuna import metric_names
from optuna_meta._optuna import study_key
from optuna_meta._optuna import study_user_attrs
from optuna_meta.features.record import META_FEATURES_KEY
from optuna_meta.features.record import read_meta_features
from optuna_meta.outcomes.observations import objectives
from optuna_meta.sampler.draws import Draws
from optuna_meta.sampler.notices import Notices
from optuna_meta.sampler.prices import Prices
from optuna_meta.sampler.refreshed import Refresh
from optuna_meta.sampler.study_state import StudyState
from optuna_meta.sampler.target_study import TargetStudy
from optuna_meta.sampler.target_study import used_candidates
from optuna_meta.suggest.candidate_list import CandidateList
from optuna_meta.suggest.pool import Pool
from optuna_meta.suggest.request import SuggestRequest
from optuna_meta.suggest.suggester import Suggester
from optuna_meta.surrogate.fitted import FittedPrior


if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


__all__ = ["Knowledge"]

_MOST_STUDIES = 8  # Or brackets of one, of which a sampler keeps what it read.
_MOST_POOLS = 8  # Of candidates; one for each set of parameters that are already fixed.


@dataclass
class Knowledge:
    """The prior studies, and what is kept of the studies that a sampler is asked about.

    Args:
        fitted: The prior studies.
        draws: What all random numbers come from.
        refresh: How and when they are read anew; never if ``None``.
        features: The target's meta-features; those that are recorded on it if ``None``.
        candidates: The only configurations that may be suggested; any if ``None``.
        prices: What trials cost; ``None`` where that does not count.
        fit: Fits prior studies among which the target was, without it; ``None`` where they are not
            this sampler's to fit, so that those that were fitted beside it serve as they are.
        notices: Where what goes wrong is told.
    """

    fitted: FittedPrior
    draws: Draws = field(default_factory=Draws)
    refresh: Refresh | None = None
    features: Mapping[str, float] | None = None
    candidates: CandidateList | None = None
    prices: Prices | None = None
    fit: Callable[..., FittedPrior] | None = None
    notices: Notices = field(default_factory=Notices)
    _states: BoundedMap[tuple[int, int, str, int], StudyState] = field(init=False)
    _suggesters: BoundedMap[str, Suggester] = field(init=False)
    _others: BoundedMap[tuple[str, ...], FittedPrior] = field(init=False)

    def __post_init__(self) -> None:
        self._states = BoundedMap(_MOST_STUDIES)
        self._suggesters = BoundedMap(_MOST_STUDIES)
        self._others = BoundedMap(_MOST_STUDIES)

    def __getstate__(self) -> dict[str, Any]:
        # Storages have other identities in another process; plans are on their trials.
        return {**self.__dict__, "_states": BoundedMap(_MOST_STUDIES)}

    def state(self, study: Study) -> StudyState:
        """Return what is kept of a study."""
        return self._states.made(study_key(study), StudyState)

    def suggester(self, study: Study, trials: Sequence[FrozenTrial]) -> Suggester:
        """Return the suggester from all prior studies but the study itself; equal ones are one."""
        own = self.state(study).own_names(self.fitted, study, trials)
        features = self.features_of(study)

        def make() -> Suggester:
            others = self._without(own, study) if own else self.fitted
            pools: BoundedMap[str, Pool] = BoundedMap(_MOST_POOLS)
            return Suggester(others, features, pools, self.draws.pool_seed)

        with COMPUTING:  # Other threads wait for a fit rather than make it, too.
            return self._suggesters.made(repr((own, features)), make)

    def _without(self, names: Sequence[str], study: Study) -> FittedPrior:
        """Return the prior studies as if those of these names, which are the target, were none."""
        if self.fit is not None:
            try:
                others = self.fitted.prior.without(names)
                # After a refresh only what is new is fitted.
                found = self.fit(others, update=self._others.get(tuple(names)))
                self._others[tuple(names)] = found
                return found
            except Exception as error:  # Such as of a device that this worker does not have.
                self.notices.tell_failure(study, "Fitting the other prior studies anew", error)
        return self.fitted.without(names)

    def described(self, study: Study) -> tuple[Mapping[str, Any], Sequence[str] | None]:
        """Return a study's attributes and metric names, which are read now and then."""
        state = self.state(study)
        described = state.described
        if described is None:
            described = state.described = study_user_attrs(study), metric_names(study)
        return described

    def features_of(self, study: Study) -> Mapping[str, float] | None:
        """Return the target's meta-features, as they were passed or are recorded."""
        if self.features is not None:
            return self.features
        attrs = self.described(study)[0]
        if META_FEATURES_KEY not in attrs:
            return None
        try:
            return read_meta_features(attrs)
        except ValueError as error:
            name = study.study_name
            self.notices.tell(f"The meta-features of study {name!r} are not used: {error}")
            return None

    def target(
        self,
        study: Study,
        trials: Sequence[FrozenTrial],
        number: int,
        search_space: Mapping[str, BaseDistribution],
        fixed_params: Mapping[str, Any],
        is_exact: bool = False,
    ) -> TargetStudy:
        """Return a study as one of its trials sees it, by what ``TargetStudy`` says of each."""
        directions, candidates = tuple(study.directions), self.candidates
        return TargetStudy(
            directions,
            objectives(len(directions), self.described(study)[1]),
            trials,
            number,
            search_space,
            fixed_params,
            is_exact,
            candidates,
            used_candidates(study, trials, number, candidates),
        )

    def request(
        self,
        study: Study,
        suggester: Suggester,
        target: TargetStudy,
        paid: Sequence[FrozenTrial] | None,
    ) -> SuggestRequest:
        """Encode what a trial asks of the suggester, and the price by the trials paid so far."""
        request = target.encode(suggester.fitted, self.state(study))
        prices = self.prices_by(suggester)
        return request if prices is None or paid is None else prices.priced(request, paid)

    def paid(self, study: Study, trials: Sequence[FrozenTrial]) -> Sequence[FrozenTrial] | None:
        """Return the trials that have cost something; ``None`` where costs don't count."""
        return None if self.prices is None else all_trials(study, trials)

    def prices_by(self, suggester: Suggester) -> Prices | None:
        """Return what trials cost by a suggester's prior studies: the study itself is none."""
        return self.prices and replace(self.prices, prior=suggester.fitted.prior)

    def renew_priors(self, study: Study, number: int) -> None:
        """Read the prior studies anew where a trial is due to; else those known serve on."""
        if self.refresh is None or not self.refresh.is_due(number):
            return
        try:
            found = self.refresh.renewed(self.fitted)
        except Exception as error:  # A prior study is never worth the user's trial.
            self.notices.tell_failure(study, "Refreshing the prior studies", error)
            return
        if found is not self.fitted:
            self.fitted, self._suggesters = found, BoundedMap(_MOST_STUDIES)

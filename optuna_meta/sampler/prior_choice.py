"""Which prior studies serve a target: all but itself, weighed by its meta-features."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial

from optuna_meta._optuna import study_key
from optuna_meta._optuna import study_trials
from optuna_meta._optuna import study_user_attrs
from optuna_meta.features.record import read_meta_features
from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.studies.prior import Prior
from optuna_meta.studies.storage import fingerprint_of
from optuna_meta.suggest.suggester import Suggester
from optuna_meta.surrogate.fitted import fit_prior
from optuna_meta.surrogate.fitted import FittedPrior


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["fitted_prior", "PriorChoice"]

_MOST_PLANNERS = 4


class PriorChoice:
    """The planners of the studies that one sampler serves.

    Args:
        fitted: The prior studies.
        meta_features: The target's; ``None`` where they are to be read from the study.
    """

    def __init__(
        self, fitted: FittedPrior, meta_features: Mapping[str, float] | None = None
    ) -> None:
        self.fitted = fitted
        self._meta_features = meta_features
        self._planners: OrderedDict[str, Suggester] = OrderedDict()
        self._own: dict[tuple[Hashable, ...], tuple[str, ...]] = {}

    def __getstate__(self) -> dict[str, Any]:
        # Storages have other identities in another process.
        return {**self.__dict__, "_own": {}}

    def suggester(self, study: Study, trials: Sequence[FrozenTrial]) -> Suggester:
        """The suggester of a study with these trials.

        Raises:
            ValueError: The meta-features on the study are malformed.
        """
        features = self._meta_features
        if features is None:
            features = read_meta_features(study_user_attrs(study))
        return self.suggester_of(study, trials, features)

    def suggester_of(
        self, study: Study, trials: Sequence[FrozenTrial], features: Mapping[str, float] | None
    ) -> Suggester:
        """The suggester of a study with these trials and meta-features."""
        own = self._own_names(study, trials)
        key = repr((own, features))
        if key not in self._planners:
            fitted = self.fitted.without(own) if own else self.fitted
            self._planners[key] = Suggester(fitted, features)
            if len(self._planners) > _MOST_PLANNERS:
                self._planners.popitem(last=False)
        return self._planners[key]

    def _own_names(self, study: Study, trials: Sequence[FrozenTrial]) -> tuple[str, ...]:
        """Names under which the study itself is among the priors.

        Read once there are trials: one that marks a prior study had ended before that was read.
        """
        first = next((t for t in trials if t.state in FINISHED), None)
        if first is None:
            return ()
        key = (
            *study_key(study),
            fingerprint_of([first]),
        )  # A study made anew has the old one's key.
        if key not in self._own:
            tasks = [task for task in self.fitted.prior.tasks if task.fingerprint]
            # HyperbandPruner's wrapper shows some of the trials, perhaps not the marked one.
            marks = {fingerprint_of([trial]) for trial in study_trials(study, FINISHED)}
            self._own[key] = tuple(task.name for task in tasks if task.fingerprint in marks)
        return self._own[key]


def fitted_prior(
    priors: FittedPrior | Prior | Sequence[optuna.Study] | None, device: str | None
) -> FittedPrior:
    """The trained surrogate of whatever a user passes as prior studies."""
    if isinstance(priors, FittedPrior):
        return priors
    if isinstance(priors, Prior):
        return fit_prior(priors, device)
    several = isinstance(priors, Sequence) and not isinstance(priors, str | bytes)
    if priors is not None and not (several and all(isinstance(s, optuna.Study) for s in priors)):
        kinds = [type(s).__name__ for s in priors] if several else type(priors).__name__
        raise ValueError(
            "prior_studies must be a sequence of studies, a Prior or a FittedPrior, "
            f"got {kinds}; read a storage with Prior.from_storage(url)."
        )
    return fit_prior(Prior.from_studies(priors or ()), device)

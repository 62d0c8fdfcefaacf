"""A sampler that does not see pruned trials: what using them is worth is measured against it."""

from __future__ import annotations

from collections.abc import Container
from collections.abc import Sequence
from typing import Any
from typing import cast

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial
from optuna.trial import TrialState


__all__ = ["BlindToPruned", "without_pruned"]


class BlindToPruned(BaseSampler):
    """Hides pruned trials from a sampler.

    Args:
        sampler:
            The sampler that does the work.
    """

    def __init__(self, sampler: BaseSampler) -> None:
        self._sampler = sampler

    def reseed_rng(self) -> None:
        """Pass on."""
        self._sampler.reseed_rng()

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Pass on."""
        self._sampler.before_trial(_view(study), trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Pass on."""
        self._sampler.after_trial(_view(study), trial, state, values)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Pass on."""
        return self._sampler.infer_relative_search_space(_view(study), trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Pass on."""
        return self._sampler.sample_relative(_view(study), trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Pass on."""
        return self._sampler.sample_independent(
            _view(study), trial, param_name, param_distribution
        )


def without_pruned(study: optuna.Study) -> optuna.Study:
    """A study of the same name with the trials that were not pruned."""
    result = optuna.create_study(study_name=study.study_name, directions=study.directions)
    result.add_trials([trial for trial in study.trials if trial.state != TrialState.PRUNED])
    return result


class _Unpruned:
    """All of a study but its pruned trials."""

    def __init__(self, study: optuna.Study) -> None:
        self._study = study

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    @property
    def trials(self) -> list[FrozenTrial]:
        return self.get_trials()

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        trials = self._study.get_trials(deepcopy=deepcopy, states=states)
        return [trial for trial in trials if trial.state != TrialState.PRUNED]


def _view(study: optuna.Study) -> optuna.Study:
    return cast(optuna.Study, _Unpruned(study))

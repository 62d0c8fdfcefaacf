"""A sampler that does not see pruned trials: what using them is worth is measured against it."""

from __future__ import annotations

from typing import Any
from typing import cast

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial
from optuna.trial import TrialState


class BlindToPruned(BaseSampler):
    """Hides pruned trials from a sampler."""

    def __init__(self, sampler: BaseSampler) -> None:
        self._sampler = sampler

    def before_trial(self, study: optuna.Study, *args: Any, **kwargs: Any) -> None:
        """Pass on."""
        self._sampler.before_trial(_view(study), *args, **kwargs)

    def after_trial(self, study: optuna.Study, *args: Any, **kwargs: Any) -> None:
        """Pass on."""
        self._sampler.after_trial(_view(study), *args, **kwargs)

    def infer_relative_search_space(self, study: optuna.Study, *args: Any, **kwargs: Any) -> Any:
        """Pass on."""
        return self._sampler.infer_relative_search_space(_view(study), *args, **kwargs)

    def sample_relative(self, study: optuna.Study, *args: Any, **kwargs: Any) -> Any:
        """Pass on."""
        return self._sampler.sample_relative(_view(study), *args, **kwargs)

    def sample_independent(self, study: optuna.Study, *args: Any, **kwargs: Any) -> Any:
        """Pass on."""
        return self._sampler.sample_independent(_view(study), *args, **kwargs)


def without_pruned(study: optuna.Study) -> optuna.Study:
    """Return a study of the same name with the trials that were not pruned."""
    result = optuna.create_study(study_name=study.study_name, directions=study.directions)
    result.add_trials(_view(study).trials)
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

    def get_trials(self, *args: Any, **kwargs: Any) -> list[FrozenTrial]:
        trials = self._study.get_trials(*args, **kwargs)
        return [trial for trial in trials if trial.state != TrialState.PRUNED]


def _view(study: optuna.Study) -> optuna.Study:
    return cast(optuna.Study, _Unpruned(study))

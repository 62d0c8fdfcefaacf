"""Optuna's CMA-ES, warm-started from prior trials (Nomura et al., 2021, arXiv:2012.06932).

The method knows one source task. Here it is the trials of all prior studies, each with the normal
score of its rank in its own study, so that the best tenth is the best tenth of every study.

Optuna's restrictions hold: numbers only, the same parameters everywhere, at least ten prior
trials; the first trial is random, as the target's parameters are unknown before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import CmaEsSampler
from optuna.samplers import RandomSampler
from optuna.trial import create_trial
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from benchmarks.methods.methods import Unsupported
from benchmarks.methods.peers.planned import History
from benchmarks.methods.peers.planned import normal_scores
from benchmarks.methods.peers.planned import read_priors
from benchmarks.methods.peers.planned import require
from benchmarks.methods.peers.space import fit
from benchmarks.methods.peers.space import merge


_LEAST = 10  # prior trials: the best tenth must be one at least
_LEAVE = "Leave this method out of this suite."


def build(studies: Sequence[optuna.Study], seed: int) -> BaseSampler:
    """Return the sampler; without prior studies it is Optuna's plain CMA-ES.

    Raises:
        Unsupported: The prior studies are not of numbers only, or have too few trials.
    """
    require("cmaes")
    priors = read_priors(studies)
    spaces = [space for prior in priors for space in prior.spaces]
    is_category = {n: isinstance(d, CategoricalDistribution) for s in spaces for n, d in s.items()}
    if any(is_category.values()):
        names = ", ".join(sorted(name for name in is_category if is_category[name]))
        raise Unsupported(f"Expected numbers only for CMA-ES; {names} are categories. {_LEAVE}")
    if len({frozenset(space) for space in spaces}) > 1:
        raise Unsupported(
            "Expected the same parameters in all prior trials for CMA-ES; some are conditional. "
            + _LEAVE
        )
    if priors and len(spaces) < _LEAST:
        raise Unsupported(
            f"Expected at least {_LEAST} prior trials for CMA-ES, got {len(spaces)}. Make more."
        )
    return WarmStartedCma(priors, seed)


class WarmStartedCma(BaseSampler):
    """Makes Optuna's sampler once the target's ranges and direction are known."""

    def __init__(self, priors: Sequence[History], seed: int) -> None:
        self._priors = priors
        self._seed = seed % 2**32
        self._first = RandomSampler(seed=self._seed)
        self._sampler: BaseSampler = self._first

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Any:
        """Return what Optuna's sampler infers; nothing before the first finished trial."""
        if self._sampler is self._first:
            trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if trials:
                space = merge(trial.distributions for trial in trials)
                wide = {name: d for name, d in space.items() if not d.single()}
                self._sampler = self._made(study, wide)
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Any) -> Any:
        """Return what Optuna's sampler suggests."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        """Return a random value."""
        return self._first.sample_independent(study, trial, param_name, param_distribution)

    def _made(self, study: optuna.Study, space: dict[str, BaseDistribution]) -> BaseSampler:
        unlike = set(space) ^ set(self._priors[0].spaces[0]) if self._priors else ()
        if unlike:
            raise Unsupported(
                "Expected the target to have the prior studies' parameters for CMA-ES; "
                f"{', '.join(sorted(unlike))} are on one side only. {_LEAVE}"
            )
        sign = -1.0 if study.direction == optuna.study.StudyDirection.MAXIMIZE else 1.0
        source = [
            create_trial(params=fit(params, space), distributions=space, value=sign * score)
            for prior in self._priors
            for params, score in zip(
                prior.configurations, normal_scores(prior.losses).tolist(), strict=True
            )
        ]
        return CmaEsSampler(
            seed=self._seed, warn_independent_sampling=False, source_trials=source or None
        )

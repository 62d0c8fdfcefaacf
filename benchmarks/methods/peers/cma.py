"""Optuna's CMA-ES, warm-started from prior trials (Nomura et al., 2021, arXiv:2012.06932).

Its one source task are all prior trials, by normal scores of ranks; numbers only.
"""

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import CmaEsSampler
from optuna.trial import create_trial
from optuna.trial import FrozenTrial

from benchmarks.methods.methods import Unsupported
from benchmarks.methods.peers import planned
from benchmarks.methods.peers.domain import fit
from benchmarks.methods.peers.domain import merge


_LEAST = 10  # prior trials: the best tenth must be one at least
_LEAVE = "Leave this method out of this suite."


def build(studies: Sequence[optuna.Study], seed: int) -> BaseSampler:
    planned.require("cmaes")
    priors = planned.read_priors(studies)
    spaces = [space for prior in priors for space in prior.spaces]
    every = {(n, isinstance(d, CategoricalDistribution)) for s in spaces for n, d in s.items()}
    if names := ", ".join(sorted(name for name, is_category in every if is_category)):
        raise Unsupported(f"Expected numbers only for CMA-ES; {names} are categories. {_LEAVE}")
    if len({frozenset(space) for space in spaces}) > 1:
        text = "Expected the same parameters in all prior trials for CMA-ES; some are conditional."
        raise Unsupported(f"{text} {_LEAVE}")
    if priors and len(spaces) < _LEAST:
        got = f"got {len(spaces)}. Make more."
        raise Unsupported(f"Expected at least {_LEAST} prior trials for CMA-ES, {got}")
    return WarmStartedCma(priors, seed)


class WarmStartedCma(BaseSampler):
    """Makes Optuna's sampler once the target's ranges and direction are known."""

    def __init__(self, priors: Sequence[planned.History], seed: int) -> None:
        self._priors = priors
        self._seed = seed % 2**32
        self._first = optuna.samplers.RandomSampler(seed=self._seed)
        self._sampler: BaseSampler = self._first

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Any:
        """Return what Optuna's sampler infers; nothing before the first finished trial."""
        trials = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        if trials and self._sampler is self._first:
            space = merge(trial.distributions for trial in trials)
            self._sampler = self._made(study, {n: d for n, d in space.items() if not d.single()})
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Any) -> Any:
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        return self._first.sample_independent(study, trial, param_name, param_distribution)

    def _made(self, study: optuna.Study, space: dict[str, BaseDistribution]) -> BaseSampler:
        unlike = set(space) ^ set(self._priors[0].spaces[0]) if self._priors else ()
        if unlike:
            names = f"{', '.join(sorted(unlike))} are on one side only"
            raise Unsupported(
                f"Expected the prior studies' parameters for CMA-ES; {names}. {_LEAVE}"
            )
        sign = -1.0 if study.direction == optuna.study.StudyDirection.MAXIMIZE else 1.0
        source = []
        for configurations, _, losses in self._priors:
            values = (sign * planned.normal_scores(losses)).tolist()
            known = zip([fit(params, space) for params in configurations], values, strict=True)
            source += [create_trial(params=p, distributions=space, value=v) for p, v in known]
        options: dict[str, Any] = {"warn_independent_sampling": False}
        return CmaEsSampler(seed=self._seed, source_trials=source or None, **options)

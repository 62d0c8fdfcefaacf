"""An Optuna sampler that asks a planner for whole configurations and serves them one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from typing import NamedTuple
from typing import Protocol

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from benchmarks.methods.methods import Unsupported
from benchmarks.methods.peers.history import History
from benchmarks.methods.peers.history import read_trials
from benchmarks.methods.peers.parameters import Distributions
from benchmarks.methods.peers.parameters import fitted
from benchmarks.methods.peers.parameters import merge
from benchmarks.methods.peers.space import Space
from benchmarks.tasks.task import Params


__all__ = ["PlannedSampler", "Suggester", "Target"]


class Target(NamedTuple):
    """The new study when a configuration is asked for."""

    space: Space  # the target's parameters where it has shown them, else the prior studies'
    shown: Distributions  # what the target itself has shown
    history: History
    taken: list[dict[str, Any]]  # configurations of all other trials, also failed and running

    def is_taken(self, params: Params) -> bool:
        """Whether a trial has these values of all parameters that the target has shown."""
        wanted = self._key(params)
        return any(self._key(other) == wanted for other in self.taken)

    def fresh(self, candidates: Sequence[Params]) -> list[int]:
        """Indices of the candidates that no trial has, or of all if each is taken."""
        taken = {self._key(other) for other in self.taken}
        fresh = [i for i, c in enumerate(candidates) if self._key(c) not in taken]
        return fresh or list(range(len(candidates)))

    def _key(self, params: Params) -> tuple[tuple[str, str], ...]:
        return tuple((n, repr(params[n])) for n in sorted(self.shown) if n in params)


class Suggester(Protocol):
    """What a peer does: choose a configuration."""

    def suggest(self, target: Target, rng: np.random.Generator) -> Params:
        """The configuration to try next."""
        ...


class PlannedSampler(BaseSampler):
    """Optuna's sampler protocol around a planner.

    Optuna tells a sampler what a study's parameters are only when they are asked for. So the
    space of the first trial is that of the prior studies; values that the target does not allow
    are moved to the nearest ones. A parameter that the plan lacks is drawn at random.

    Args:
        planner:
            Chooses the configurations.
        priors:
            The prior studies.
        seed:
            Seed of all random draws.
    """

    def __init__(self, planner: Suggester, priors: Sequence[History], seed: int) -> None:
        self._planner = planner
        self._prior_space = merge(space for prior in priors for space in prior.spaces)
        self._prior_params = [params for prior in priors for params in prior.configurations]
        self._rng = np.random.default_rng(seed)
        self._random = RandomSampler(seed=seed % 2**32)
        self._plans: dict[tuple[str, int], Params] = {}

    def reseed_rng(self) -> None:
        """Draw differently from now on."""
        self._rng = np.random.default_rng()
        self._random.reseed_rng()

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing: a space that differs from what is asked would fail the objective."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The plan's value, moved into the range that is asked for."""
        key = (study.study_name, trial.number)
        if key not in self._plans:
            target = self._target(study, trial)
            known = bool(target.space.distributions)
            self._plans[key] = self._planner.suggest(target, self._rng) if known else {}
        plan = self._plans[key]
        if param_name in plan and (value := fitted(plan[param_name], param_distribution)):
            return value[0]
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Forget the trial's plan."""
        self._plans.pop((study.study_name, trial.number), None)

    def _target(self, study: optuna.Study, trial: FrozenTrial) -> Target:
        if len(study.directions) > 1:
            raise Unsupported(
                f"Expected a study with one objective, got {len(study.directions)}. Leave this "
                "method out of this suite."
            )
        trials = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]
        shown = merge(t.distributions for t in trials)
        taken = [t.params for t in trials if t.params]
        space = Space({**self._prior_space, **shown}, [*self._prior_params, *taken])
        return Target(space, shown, read_trials(trials, study.direction), taken)

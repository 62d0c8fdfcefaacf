"""What the peers share: prior studies as lists, and a sampler around what plans configurations."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import importlib
import importlib.util
import io
import logging
import math
from typing import Any
from typing import NamedTuple
from typing import Protocol
import warnings

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial
from optuna.trial import TrialState
from scipy.stats import norm
from scipy.stats import rankdata

from benchmarks.methods.methods import Unsupported
from benchmarks.methods.peers.space import Distributions
from benchmarks.methods.peers.space import fitted
from benchmarks.methods.peers.space import merge
from benchmarks.methods.peers.space import Space
from benchmarks.tasks.task import Array
from benchmarks.tasks.task import Params


_N_RANDOM, _N_NEAR = 1000, 300  # candidates; as many as take milliseconds
_N_BEST = 3  # of each prior study, and of the target to look for neighbours of
# Caps for the peers whose cost grows with the cube of all trials, prior ones included.
MAX_SOURCES = 4  # prior studies: the first ones, which is no choice by merit
MAX_TRIALS = 25  # of each of them, evenly spaced by rank, the best one among them
MAX_FIT_STEPS = 75  # of the likelihood's maximisation, which else takes half a minute


class History(NamedTuple):
    """The finished trials of a study that have a finite value; lower losses are better."""

    configurations: list[dict[str, Any]]
    spaces: list[Distributions]  # of each configuration
    losses: Array  # (n,)

    def best(self, size: int) -> list[dict[str, Any]]:
        """Return its best configurations, the best first."""
        return [self.configurations[i] for i in np.argsort(self.losses, kind="stable")[:size]]


def read_priors(studies: Sequence[optuna.Study], method: str | None = None) -> list[History]:
    """Return the prior studies that have at least two usable trials.

    A method that is named is nothing without any.

    Raises:
        Unsupported: A prior study has several objectives, or there is none for the method.
    """
    histories = [_read_study(study, study.get_trials(deepcopy=False)) for study in studies]
    histories = [history for history in histories if len(history.losses) > 1]
    if method and not histories:
        raise Unsupported(
            f"Expected at least one prior study with two finished trials for {method}; got none. "
            "Leave this method out of this regime."
        )
    return histories


def _read_study(study: optuna.Study, trials: Sequence[FrozenTrial]) -> History:
    """Return complete trials with a finite value; what failed or was pruned is left out."""
    if len(study.directions) > 1:
        raise Unsupported(
            f"Expected studies with one objective; {study.study_name!r} has "
            f"{len(study.directions)}. Leave this method out of this suite."
        )
    sign = -1.0 if study.direction == optuna.study.StudyDirection.MAXIMIZE else 1.0
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    used = [(t, t.value) for t in complete if t.value is not None and math.isfinite(t.value)]
    return History(
        configurations=[dict(trial.params) for trial, _ in used],
        spaces=[trial.distributions for trial, _ in used],
        losses=np.array([sign * value for _, value in used]),
    )


def normal_scores(losses: Array) -> Array:
    """Return normal quantiles of the mid-ranks, (n,): comparable, and never infinite."""
    scores: Array = norm.ppf((rankdata(losses) - 0.5) / max(len(losses), 1))
    return scores


def capped(priors: Sequence[History]) -> list[History]:
    """Return the part of the prior studies that costly peers use."""
    return [_thinned(prior) for prior in priors[:MAX_SOURCES]]


def _thinned(prior: History) -> History:
    order = np.argsort(prior.losses, kind="stable")
    places = np.linspace(0, len(order) - 1, min(MAX_TRIALS, len(order))).round().astype(int)
    kept = np.sort(order[places])
    configurations, spaces = ([field[i] for i in kept] for field in prior[:2])
    return History(configurations, spaces, prior.losses[kept])


class Target(NamedTuple):
    """The new study when a configuration is asked for."""

    space: Space  # the target's parameters where it has shown them, else the prior studies'
    shown: Distributions  # what the target itself has shown
    history: History
    taken: list[dict[str, Any]]  # configurations of all other trials, also failed and running

    def is_taken(self, candidates: Sequence[Params]) -> list[bool]:
        """Return whether a trial has a candidate's values of all that the target has shown."""
        taken = {self._key(other) for other in self.taken}
        return [self._key(candidate) in taken for candidate in candidates]

    def candidates(
        self, priors: Sequence[History], rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        """Draw random ones, the best ones of each prior study and neighbours, none tried."""
        known = self.space.adopted(params for prior in priors for params in prior.best(_N_BEST))
        bases = self.history.best(_N_BEST) or known
        near = self.space.neighbours(bases, _N_NEAR, rng) if bases else []
        pool = [*self.space.random(_N_RANDOM, rng), *known, *near]
        fresh = [c for c, taken in zip(pool, self.is_taken(pool), strict=True) if not taken]
        return fresh or pool

    def _key(self, params: Params) -> tuple[tuple[str, str], ...]:
        return tuple((n, repr(params[n])) for n in sorted(self.shown) if n in params)


class Planner(Protocol):
    """What a peer does: choose a configuration."""

    def suggest(self, target: Target, rng: np.random.Generator) -> Params:
        """Return the configuration to try next."""
        ...


class PlannedSampler(BaseSampler):
    """Optuna's sampler protocol around a planner.

    Optuna tells a sampler what a study's parameters are only when they are asked for. So the
    space of the first trial is that of the prior studies; values that the target does not allow
    are moved to the nearest ones. A parameter that the plan lacks is drawn at random.
    """

    def __init__(self, planner: Planner, priors: Sequence[History], seed: int) -> None:
        self._planner = planner
        self._prior_space = merge(space for prior in priors for space in prior.spaces)
        self._prior_params = [params for prior in priors for params in prior.configurations]
        self._rng = np.random.default_rng(seed)
        self._random = RandomSampler(seed=seed % 2**32)
        self._plans: dict[tuple[str, int], Params] = {}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Any:
        """Return nothing: a space that differs from what is asked would fail the objective."""
        return {}

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Any) -> Any:
        """Return nothing."""
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        """Return the plan's value, moved into the range that is asked for."""
        key = (study.study_name, trial.number)
        if key not in self._plans:
            target = self.target(study, trial)
            known = bool(target.space.distributions)
            self._plans[key] = self._planner.suggest(target, self._rng) if known else {}
        plan = self._plans[key]
        if param_name in plan and (value := fitted(plan[param_name], param_distribution)):
            return value[0]
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: optuna.Study, trial: FrozenTrial, *args: Any) -> None:
        """Forget the trial's plan."""
        self._plans.pop((study.study_name, trial.number), None)

    def target(self, study: optuna.Study, trial: FrozenTrial) -> Target:
        """Return what is known of the new study but the trial."""
        trials = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]
        shown = merge(t.distributions for t in trials)
        taken = [t.params for t in trials if t.params]
        space = Space({**self._prior_space, **shown}, [*self._prior_params, *taken])
        return Target(space, shown, _read_study(study, trials), taken)


def require(module: str) -> Any:
    """Import a module of an optional package, such as ``"syne_tune.config_space"``.

    Raises:
        Unsupported: The package is not installed.
    """
    package = module.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        raise Unsupported(
            f"Expected the package {package!r}, which is not installed. "
            "Install the extra 'peers': pip install -c constraints.txt '.[benchmarks,peers]'."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of their use of other packages, when they are imported
        return importlib.import_module(module)


@contextlib.contextmanager
def quiet_and_seeded(seed: int) -> Iterator[None]:
    """Let nothing be printed, warned or logged, and seed global generators, then put them back."""
    import torch

    state, disabled = np.random.get_state(), logging.root.manager.disable
    np.random.seed(seed % 2**32)
    logging.disable(logging.ERROR)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            torch.random.fork_rng(devices=[]),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            torch.manual_seed(seed)
            yield
    finally:
        logging.disable(disabled)
        np.random.set_state(state)

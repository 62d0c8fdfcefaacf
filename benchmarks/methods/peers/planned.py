"""What the peers share: prior studies as lists, and a sampler around what plans configurations."""

from collections.abc import Callable
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
import warnings

import numpy as np
import optuna
from optuna.trial import FrozenTrial
from scipy.stats import norm
from scipy.stats import rankdata

from benchmarks.methods.methods import Unsupported
from benchmarks.methods.peers import domain
from benchmarks.tasks.base import Array
from benchmarks.tasks.base import Params


_N_RANDOM, _N_NEAR = 1000, 300  # candidates; as many as take milliseconds
_N_BEST = 3  # of each prior study, and of the target to look for neighbours of
# Caps for the peers whose cost grows with the cube of all trials, prior ones included.
MAX_SOURCES = 4  # prior studies: the first ones, which is no choice by merit
MAX_TRIALS = 25  # of each of them, evenly spaced by rank, the best one among them
MAX_FIT_STEPS = 75  # of the likelihood's maximisation, which else takes half a minute


class History(NamedTuple):
    """The finished trials of a study that have a finite value; lower losses are better."""

    configurations: list[dict[str, Any]]
    spaces: list[domain.Distributions]  # of each configuration
    losses: Array  # (n,)

    def best(self, size: int) -> list[dict[str, Any]]:
        return [self.configurations[i] for i in np.argsort(self.losses, kind="stable")[:size]]


def read_priors(studies: Sequence[optuna.Study], method: str | None = None) -> list[History]:
    """Return prior studies with two usable trials at least; a method that is named needs one."""
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
        text = f"{study.study_name!r} has {len(study.directions)}"
        raise Unsupported(f"Expected one objective; {text}. Leave this method out of this suite.")
    sign = -1.0 if study.direction == optuna.study.StudyDirection.MAXIMIZE else 1.0
    complete = [t for t in trials if t.state == optuna.trial.TrialState.COMPLETE]
    used = [(t, t.value) for t in complete if t.value is not None and math.isfinite(t.value)]
    losses = np.array([sign * value for _, value in used])
    return History([dict(t.params) for t, _ in used], [t.distributions for t, _ in used], losses)


def normal_scores(losses: Array) -> Array:
    """Return normal quantiles of the mid-ranks, (n,): comparable, and never infinite."""
    return np.asarray(norm.ppf((rankdata(losses) - 0.5) / max(len(losses), 1)))


def capped(priors: Sequence[History]) -> list[History]:
    thinned = []
    for configurations, spaces, losses in priors[:MAX_SOURCES]:
        order = np.argsort(losses, kind="stable")
        places = np.linspace(0, len(order) - 1, min(MAX_TRIALS, len(order))).round().astype(int)
        kept = np.sort(order[places])
        picked = [configurations[i] for i in kept], [spaces[i] for i in kept]
        thinned.append(History(*picked, losses[kept]))
    return thinned


class Target(NamedTuple):
    space: domain.Space  # the target's parameters where it has shown them, else the prior studies'
    shown: domain.Distributions  # what the target itself has shown
    history: History
    taken: list[dict[str, Any]]  # configurations of all other trials, also failed and running

    def is_taken(self, candidates: Sequence[Params]) -> list[bool]:
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


Plan = Callable[[Target, np.random.Generator], Params]  # to the configuration to try next


class PlannedSampler(optuna.samplers.BaseSampler):
    """A sampler around a planner. Before the first trial its space is the prior studies'."""

    def __init__(self, plan: Plan, priors: Sequence[History], seed: int) -> None:
        self._plan = plan
        self._prior_space = domain.merge(space for prior in priors for space in prior.spaces)
        self._prior_params = [params for prior in priors for params in prior.configurations]
        self._rng = np.random.default_rng(seed)
        self._random = optuna.samplers.RandomSampler(seed=seed % 2**32)
        self._plans: dict[tuple[str, int], Params] = {}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Any:
        """Return nothing: a space that differs from what is asked would fail the objective."""
        return {}

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Any) -> Any:
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        """Return the plan's value, moved into the range that is asked for."""
        key = (study.study_name, trial.number)
        if key not in self._plans:
            target = self._target(study, trial)
            known = bool(target.space.distributions)
            self._plans[key] = self._plan(target, self._rng) if known else {}
        plan = self._plans[key]
        if param_name in plan and (value := domain.fitted(plan[param_name], param_distribution)):
            return value[0]
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: optuna.Study, trial: FrozenTrial, *args: Any) -> None:
        self._plans.pop((study.study_name, trial.number), None)

    def _target(self, study: optuna.Study, trial: FrozenTrial) -> Target:
        trials = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]
        shown = domain.merge(t.distributions for t in trials)
        taken = [t.params for t in trials if t.params]
        space = domain.Space({**self._prior_space, **shown}, [*self._prior_params, *taken])
        return Target(space, shown, _read_study(study, trials), taken)


def require(module: str) -> Any:
    package = module.partition(".")[0]
    spec = importlib.util.find_spec(package)
    # A folder without code, as optunahub/ is one here, has no origin.
    if spec is None or spec.origin is None:
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
        silence, forked = contextlib.redirect_stdout(io.StringIO()), torch.random.fork_rng([])
        with silence, forked, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(seed)
            yield
    finally:
        logging.disable(disabled)
        np.random.set_state(state)

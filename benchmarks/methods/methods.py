"""The methods compared: each makes a sampler, and configurations to try first, from priors."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import importlib
from typing import Any
from typing import NamedTuple

import optuna
from optuna.samplers import BaseSampler
from optuna.samplers import GPSampler
from optuna.samplers import NSGAIISampler
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler

from benchmarks.methods.portfolio import best_configurations
from benchmarks.methods.portfolio import greedy_portfolio
from benchmarks.methods.unpruned import BlindToPruned
from benchmarks.methods.unpruned import without_pruned
from benchmarks.tasks.task import OBJECTIVES_SUITES
from benchmarks.tasks.task import PRUNED_SUITE


PriorSet = Sequence[optuna.Study]
_N_FIRST = 5  # configurations tried before a method that knows nothing of priors takes over
_POPULATION = 10  # Optuna's 50 would make the first 50 trials random search


class Unsupported(ValueError):
    """What a method raises for a search space or priors that it cannot serve."""


class Built(NamedTuple):
    """A method ready for one study."""

    sampler: BaseSampler
    enqueue: Sequence[dict[str, Any]] = ()  # configurations to try first, in order


class Limits(NamedTuple):
    """Where a method runs; ``None`` is everywhere."""

    regimes: tuple[str, ...] | None = None
    suites: tuple[str, ...] | None = None
    tasks: int | None = None  # the first so many target tasks of each family
    seeds: int | None = None  # the first so many replicates

    def allow(self, suite: str, regime: str, task_index: int, seed: int) -> bool:
        """Return whether a run is within the limits."""
        return (
            (self.regimes is None or regime in self.regimes)
            and (self.suites is None or suite in self.suites)
            and (self.tasks is None or task_index < self.tasks)
            and (self.seeds is None or seed < self.seeds)
        )


BASE_ONLY = Limits(regimes=("base",))
COSTLY = Limits(regimes=("base",), tasks=3, seeds=2)


class Method(NamedTuple):
    """A method; ``uses_priors`` tells whether its runs differ between regimes."""

    build: Callable[[PriorSet, int], Built]
    uses_priors: bool = True
    limits: Limits = Limits()

    @property
    def is_partial(self) -> bool:
        """Whether it runs on fewer tasks or replicates than others, so that it has own tables."""
        return self.limits.tasks is not None or self.limits.seeds is not None


def _gp(seed: int, **options: Any) -> BaseSampler:
    return GPSampler(seed=seed, warn_independent_sampling=False, **options)


def _nsgaii(priors: PriorSet, seed: int) -> Built:
    return Built(NSGAIISampler(seed=seed, population_size=_POPULATION))


def _enqueue_best_then_tpe(priors: PriorSet, seed: int) -> Built:
    _require_one_objective(priors)
    return Built(TPESampler(seed=seed), best_configurations(priors, _N_FIRST))


def _portfolio_then_gp(priors: PriorSet, seed: int) -> Built:
    _require_one_objective(priors)
    first = greedy_portfolio(priors, _N_FIRST, seed)
    # No random trials between the portfolio and the model.
    return Built(_gp(seed, n_startup_trials=len(first)) if first else _gp(seed), first)


def _meta(priors: PriorSet, seed: int) -> Built:
    from optuna_meta import fit_prior
    from optuna_meta import MetaSampler
    from optuna_meta import Prior

    fitted = fit_prior(Prior.from_studies(list(priors))) if priors else None
    return Built(MetaSampler(prior_studies=fitted, seed=seed))


def _meta_drops_pruned(priors: PriorSet, seed: int) -> Built:
    complete = [without_pruned(study) for study in priors]
    return Built(BlindToPruned(_meta(complete, seed).sampler))


def _require_one_objective(priors: PriorSet) -> None:
    if any(len(study.directions) > 1 for study in priors):
        raise Unsupported("It needs prior studies with one objective.")


def _peer(module: str, build: str = "build") -> Callable[[PriorSet, int], Built]:
    """Return a method of ``benchmarks.methods.peers``, imported when it is used."""

    def built(priors: PriorSet, seed: int) -> Built:
        peer = importlib.import_module(f"benchmarks.methods.peers.{module}")
        return Built(getattr(peer, build)(priors, seed))

    return built


METHODS: Mapping[str, Method] = {
    "random": Method(lambda priors, seed: Built(RandomSampler(seed=seed)), uses_priors=False),
    "tpe": Method(lambda priors, seed: Built(TPESampler(seed=seed)), uses_priors=False),
    "gp": Method(lambda priors, seed: Built(_gp(seed)), uses_priors=False),
    "enqueue-best-then-tpe": Method(_enqueue_best_then_tpe),
    "portfolio-then-gp": Method(_portfolio_then_gp),
    "meta": Method(_meta),
    "nsgaii": Method(_nsgaii, uses_priors=False, limits=Limits(suites=OBJECTIVES_SUITES)),
    "meta-drops-pruned": Method(_meta_drops_pruned, limits=Limits(suites=(PRUNED_SUITE,))),
    "rgpe": Method(_peer("rgpe")),
    "pooled-copula-gp": Method(_peer("copula")),
    "cma-es-warm-start": Method(_peer("cma")),
    "syne-quantile": Method(_peer("syne", "quantile")),
    "syne-zero-shot": Method(_peer("syne", "zero_shot")),
    "syne-bounding-box": Method(_peer("syne", "bounding_box")),
    "syne-bounding-box-gp": Method(_peer("syne", "bounding_box_gp"), limits=BASE_ONLY),
    "botorch-multitask": Method(_peer("multitask"), limits=COSTLY),
    "meta-learn-tpe": Method(_peer("hub"), limits=BASE_ONLY),
    "ax-botl": Method(_peer("botl"), limits=COSTLY),
}

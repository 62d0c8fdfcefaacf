"""The methods compared: each makes a sampler, and configurations to try first, from priors."""

from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import importlib
import json
from typing import Any
from typing import cast
from typing import NamedTuple

import numpy as np
import optuna
from optuna.samplers import NSGAIISampler
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler
from scipy.stats import rankdata

from benchmarks.tasks import base


_N_TREES = 50  # half of scikit-learn's: there is a forest a study


def best_configurations(studies: Sequence[optuna.Study], size: int) -> list[dict[str, Any]]:
    """Return the best ones: those of several studies first, then what stands out in its own."""
    keys = [json.dumps(study.best_params, sort_keys=True) for study in studies]
    losses = [_losses(study) for study in studies]
    prominence = [float((y.mean() - y.min()) / (y.std() or 1.0)) for y in losses]
    counts = Counter(keys)
    pairs = zip(keys, prominence, strict=True)
    ranked = sorted(pairs, key=lambda pair: (counts[pair[0]], pair[1]), reverse=True)
    return [json.loads(key) for key in dict.fromkeys(key for key, _ in ranked)][:size]


def greedy_portfolio(
    studies: Sequence[optuna.Study], size: int, seed: int
) -> list[dict[str, Any]]:
    """Return those that, one by one, leave the lowest mean over studies of the best rank."""
    if not studies:
        return []
    trials = [trial for study in studies for trial in study.trials]
    ranks = _rank_matrix(studies, _rows(trials), seed)
    chosen: list[int] = []
    reached = np.ones(len(studies))
    for _ in range(min(size, len(trials))):
        scores = np.minimum(ranks, reached).mean(axis=1)
        scores[chosen] = np.inf
        chosen.append(int(np.argmin(scores)))
        reached = np.minimum(reached, ranks[chosen[-1]])
    return [dict(trials[i].params) for i in chosen]


def _rank_matrix(studies: Sequence[optuna.Study], rows: base.Array, seed: int) -> base.Array:
    """Return ranks in [0, 1], (candidates, studies), 0 the best."""
    from sklearn.ensemble import RandomForestRegressor  # which takes time to import

    ranks = np.empty((len(rows), len(studies)))
    start = 0
    for j, study in enumerate(studies):
        own = slice(start, start + len(study.trials))
        y = _losses(study)
        y = (rankdata(y) - 0.5) / len(y)
        forest = RandomForestRegressor(_N_TREES, random_state=seed % 2**32).fit(rows[own], y)
        ranks[:, j] = forest.predict(rows)
        ranks[own, j] = y
        start = own.stop
    return ranks


def _rows(trials: Sequence[optuna.trial.FrozenTrial]) -> base.Array:
    """Return features, (n, width): numbers as they are, categories one-hot, -1 if inactive."""
    names = sorted({name for trial in trials for name in _features(trial)})
    return np.array([[_features(trial).get(name, -1.0) for name in names] for trial in trials])


def _features(trial: optuna.trial.FrozenTrial) -> dict[str, float]:
    features: dict[str, float] = {}
    for name, distribution in trial.distributions.items():
        value = trial.params[name]
        if isinstance(distribution, optuna.distributions.CategoricalDistribution):
            features |= {f"{name}={c}": float(c == value) for c in distribution.choices}
        else:
            features[name] = float(value)
    return features


def _losses(study: optuna.Study) -> base.Array:
    values = np.array([trial.value for trial in study.trials], dtype=float)
    return values if study.direction == optuna.study.StudyDirection.MINIMIZE else -values


class BlindToPruned(optuna.samplers.BaseSampler):
    def __init__(self, sampler: optuna.samplers.BaseSampler) -> None:
        self._sampler = sampler

    def before_trial(self, study: optuna.Study, *args: Any, **kwargs: Any) -> None:
        self._sampler.before_trial(_view(study), *args, **kwargs)

    def after_trial(self, study: optuna.Study, *args: Any, **kwargs: Any) -> None:
        self._sampler.after_trial(_view(study), *args, **kwargs)

    def infer_relative_search_space(self, study: optuna.Study, *args: Any, **kwargs: Any) -> Any:
        return self._sampler.infer_relative_search_space(_view(study), *args, **kwargs)

    def sample_relative(self, study: optuna.Study, *args: Any, **kwargs: Any) -> Any:
        return self._sampler.sample_relative(_view(study), *args, **kwargs)

    def sample_independent(self, study: optuna.Study, *args: Any, **kwargs: Any) -> Any:
        return self._sampler.sample_independent(_view(study), *args, **kwargs)


class _Unpruned:
    def __init__(self, study: optuna.Study) -> None:
        self._study = study

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    @property
    def trials(self) -> list[optuna.trial.FrozenTrial]:
        return self.get_trials()

    def get_trials(self, *args: Any, **kwargs: Any) -> list[optuna.trial.FrozenTrial]:
        trials = self._study.get_trials(*args, **kwargs)
        return [trial for trial in trials if trial.state != optuna.trial.TrialState.PRUNED]


def _view(study: optuna.Study) -> optuna.Study:
    return cast(optuna.Study, _Unpruned(study))


PriorSet = Sequence[optuna.Study]
_N_FIRST = 5  # configurations tried before a method that knows nothing of priors takes over
_POPULATION = 10  # Optuna's 50 would make the first 50 trials random search


class Unsupported(ValueError):
    """What a method raises for a search space or priors that it cannot serve."""


class Built(NamedTuple):
    sampler: optuna.samplers.BaseSampler
    enqueue: Sequence[dict[str, Any]] = ()  # configurations to try first, in order


class Limits(NamedTuple):
    """Where a method runs; everywhere by default."""

    regimes: tuple[str, ...] | None = None
    suites: tuple[str, ...] | None = None
    tasks: float = float("inf")  # the first so many target tasks of each family
    seeds: float = float("inf")  # the first so many replicates

    def allow(self, suite: str, regime: str, task_index: int, seed: int) -> bool:
        return (
            (self.regimes is None or regime in self.regimes)
            and (self.suites is None or suite in self.suites)
            and task_index < self.tasks
            and seed < self.seeds
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
        return min(self.limits.tasks, self.limits.seeds) < float("inf")


def _gp(seed: int, **options: Any) -> optuna.samplers.BaseSampler:
    return optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False, **options)


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


def _portfolio_then_meta(priors: PriorSet, seed: int) -> Built:
    _require_one_objective(priors)
    return Built(_meta(priors, seed).sampler, greedy_portfolio(priors, _N_FIRST, seed))


def _meta_drops_pruned(priors: PriorSet, seed: int) -> Built:
    complete = []
    for study in priors:
        directions = study.directions
        complete.append(optuna.create_study(study_name=study.study_name, directions=directions))
        complete[-1].add_trials(_view(study).trials)
    return Built(BlindToPruned(_meta(complete, seed).sampler))


def _require_one_objective(priors: PriorSet) -> None:
    if any(len(study.directions) > 1 for study in priors):
        raise Unsupported("It needs prior studies with one objective.")


def _peer(module: str, build: str = "build") -> Callable[[PriorSet, int], Built]:
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
    "portfolio-then-meta": Method(_portfolio_then_meta),
    "nsgaii": Method(
        lambda priors, seed: Built(NSGAIISampler(seed=seed, population_size=_POPULATION)),
        uses_priors=False,
        limits=Limits(suites=base.OBJECTIVES_SUITES),
    ),
    "meta-drops-pruned": Method(_meta_drops_pruned, limits=Limits(suites=(base.PRUNED_SUITE,))),
    "rgpe": Method(_peer("rgpe")),
    "pooled-copula-gp": Method(_peer("copula")),
    "cma-es-warm-start": Method(_peer("cma")),
    "syne-quantile": Method(_peer("syne", "quantile")),
    "syne-zero-shot": Method(_peer("syne", "zero_shot")),
    "syne-bounding-box": Method(_peer("syne", "bounding_box")),
    "botorch-multitask": Method(_peer("multitask"), limits=COSTLY),
    "meta-learn-tpe": Method(_peer("hub"), limits=BASE_ONLY),
    "ax-botl": Method(_peer("botl"), limits=COSTLY),
}

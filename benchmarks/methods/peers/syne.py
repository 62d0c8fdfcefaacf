"""Transfer methods of Syne Tune 0.16 (PyPI ``syne-tune``), as that package has them.

It knows no conditional parameters, so every configuration has all of them: what was inactive in a
prior trial has the middle of its range, or its first choice. Where the target turns out to have
other ranges than the prior studies, a method is made again for these.

What is passed over of that release, each found by running it:

- ``ZeroShotTransfer`` wants every configuration evaluated on every task. Its own option for other
  cases, ``use_surrogates``, fails (``'ZeroShotTransfer' object has no attribute
  'random_state'``), so a forest for each task fills the table in. Its ``suggest`` is the random
  search of the class above it; its method is ``get_config``.
- Some of its random numbers are drawn from numpy's global generator, which is seeded here for the
  time of a call.
- The hundred thousand candidates of ``QuantileBasedSurrogateSearcher`` are drawn in blocks, from
  the same distributions; one by one they take seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor

from benchmarks.methods.peers.planned import History
from benchmarks.methods.peers.planned import PlannedSampler
from benchmarks.methods.peers.planned import quiet_and_seeded
from benchmarks.methods.peers.planned import read_priors
from benchmarks.methods.peers.planned import require
from benchmarks.methods.peers.planned import Target
from benchmarks.methods.peers.space import choice_keys
from benchmarks.methods.peers.space import Distributions
from benchmarks.methods.peers.space import Encoder
from benchmarks.methods.peers.space import FlatSpace
from benchmarks.methods.peers.space import merge
from benchmarks.tasks.task import Params


_METRIC = "loss"
_TRANSFER = "syne_tune.optimizer.schedulers.transfer_learning"
_BLOCK = 10_000  # candidates drawn at once
Next = Callable[[Target], Params]  # a configuration of a flat space
Make = Callable[[FlatSpace, Sequence[History], int], Next]


def quantile(studies: Sequence[optuna.Study], seed: int) -> PlannedSampler:
    """Return copula Thompson sampling (Salinas, Shen and Perrone, 2020), ``CTS`` there."""
    return _sampler(studies, seed, _quantile, "Syne Tune's QuantileBasedSurrogateSearcher")


def zero_shot(studies: Sequence[optuna.Study], seed: int) -> PlannedSampler:
    """Return what tries those with the best mean rank over tasks (Wistuba et al., 2015)."""
    return _sampler(studies, seed, _zero_shot, "Syne Tune's ZeroShotTransfer")


def bounding_box(studies: Sequence[optuna.Study], seed: int) -> PlannedSampler:
    """Return random search in the box of the prior studies' best trials (Perrone et al., 2019)."""
    return _sampler(studies, seed, _box("RandomSearch"), "Syne Tune's BoundingBox")


def bounding_box_gp(studies: Sequence[optuna.Study], seed: int) -> PlannedSampler:
    """Return Syne Tune's BoTorch search in that box."""
    require("botorch")
    return _sampler(studies, seed, _box("BOTorch"), "Syne Tune's BoundingBox")


class _Planner:
    def __init__(self, priors: Sequence[History], make: Make, seed: int) -> None:
        self._priors = priors
        self._make = make
        self._seed = seed % 2**31
        self._prepare(merge(space for prior in priors for space in prior.spaces))

    def suggest(self, target: Target, rng: np.random.Generator) -> Params:
        if self._space.distributions != target.space.distributions:
            self._prepare(target.space.distributions)
        with quiet_and_seeded(int(rng.integers(2**31))):
            return self._space.params(self._next(target))

    def _prepare(self, distributions: Distributions) -> None:
        self._space = FlatSpace(distributions)
        with quiet_and_seeded(self._seed):
            self._next = self._make(self._space, self._priors, self._seed)


def _sampler(
    studies: Sequence[optuna.Study], seed: int, make: Make, method: str
) -> PlannedSampler:
    require("syne_tune")
    require("huggingface_hub")  # which Syne Tune imports without requiring it
    priors = read_priors(studies, method)
    return PlannedSampler(_Planner(priors, make, seed), priors, seed)


def _quantile(space: FlatSpace, priors: Sequence[History], seed: int) -> Next:
    module = require(f"{_TRANSFER}.quantile_based.quantile_based_searcher")

    class Searcher(module.QuantileBasedSurrogateSearcher):  # type: ignore[misc, name-defined]
        _blocks: Iterator[dict[str, Any]] | None = None

        def _sample_random_config(self) -> dict[str, Any]:
            if self._blocks is None:
                self._blocks = _drawn(self.config_space, self.random_state)
            return next(self._blocks)

    searcher = Searcher(_domains(space), _evaluations(space, priors), random_seed=seed)
    return lambda target: dict(searcher.suggest())


def _drawn(domains: dict[str, Any], random_state: Any) -> Iterator[dict[str, Any]]:
    while True:
        columns = [d.sample(size=_BLOCK, random_state=random_state) for d in domains.values()]
        for values in zip(*columns, strict=True):
            yield dict(zip(domains, values, strict=True))


def _zero_shot(space: FlatSpace, priors: Sequence[History], seed: int) -> Next:
    module = require(f"{_TRANSFER}.zero_shot")
    scheduler = module.ZeroShotTransfer(
        _domains(space),
        _METRIC,
        _evaluations(space, _completed(space, priors, seed)),
        sort_transfer_learning_evaluations=False,
        random_seed=seed,
    )
    rng = np.random.default_rng(seed)

    def following(target: Target) -> Params:
        config = scheduler.get_config()
        while config is not None and target.is_taken([space.params(config)])[0]:
            config = scheduler.get_config()
        if config is None:  # it has suggested all there is
            return space.flat(target.space.random(1, rng)[0])
        return dict(config)

    return following


def _completed(space: FlatSpace, priors: Sequence[History], seed: int) -> list[History]:
    """Return all prior configurations on every task: as they were, or by a forest."""
    configurations = [params for prior in priors for params in prior.configurations]
    spaces = [shown for prior in priors for shown in prior.spaces]
    encoder = Encoder(space.distributions)
    X = encoder.one_hot(encoder.rows(configurations))
    completed: list[History] = []
    start = 0
    for prior in priors:
        own = slice(start, start + len(prior.losses))
        forest = ExtraTreesRegressor(random_state=seed, min_samples_leaf=2)
        losses = np.asarray(forest.fit(X[own], prior.losses).predict(X))
        losses[own] = prior.losses
        completed.append(History(configurations, spaces, losses))
        start = own.stop
    return completed


def _box(kind: str) -> Make:
    """Return a maker of a box with one of Syne Tune's ``RandomSearch`` and ``BOTorch`` inside."""

    def make(space: FlatSpace, priors: Sequence[History], seed: int) -> Next:
        baselines = require("syne_tune.optimizer.baselines")

        def scheduler(domains: dict[str, Any], metric: str, minimize: bool, seed: int) -> Any:
            options = {"do_minimize": minimize, "random_seed": seed}
            if kind == "BOTorch":
                return baselines.BOTorch(domains, metric, **options)
            return baselines.RandomSearch(domains, [metric], **options)

        box = require(f"{_TRANSFER}.bounding_box").BoundingBox(
            *(scheduler, _domains(space), _METRIC, _evaluations(space, priors)), random_seed=seed
        )

        def following(target: Target) -> Params:
            if kind == "BOTorch":
                _tell(box.scheduler, space, target)
            return dict(box.suggest().config)

        return following

    return make


def _tell(scheduler: Any, space: FlatSpace, target: Target) -> None:
    """Tell everything seen inside the box anew: trials may be failed or enqueued."""
    searcher, domains = scheduler.searcher, scheduler.config_space
    configs = [space.flat(params) for params in target.history.configurations]
    pairs = [
        (config, loss)
        for config, loss in zip(configs, target.history.losses.tolist(), strict=True)
        if all(domains[name].is_valid(value) for name, value in config.items())
    ]
    searcher.trial_configs = {i: config for i, (config, _) in enumerate(pairs)}
    searcher.trial_observations = {i: loss for i, (_, loss) in enumerate(pairs)}
    searcher.pending_trials = set()


def _evaluations(space: FlatSpace, priors: Sequence[History]) -> dict[str, Any]:
    module = require(f"{_TRANSFER}.transfer_learning_task_evaluation")
    domains = _domains(space)
    return {
        str(i): module.TransferLearningTaskEvaluations(
            configuration_space=domains,
            hyperparameters=pd.DataFrame([space.flat(p) for p in prior.configurations]),
            objectives_names=[_METRIC],
            objectives_evaluations=prior.losses.reshape(-1, 1, 1, 1),
        )
        for i, prior in enumerate(priors)
    }


def _domains(space: FlatSpace) -> dict[str, Any]:
    module = require("syne_tune.config_space")
    return {name: _domain(module, d) for name, d in space.distributions.items()}


def _domain(module: Any, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return module.choice(list(choice_keys(distribution)))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    integer = isinstance(distribution, IntDistribution)
    kinds = {True: (module.randint, module.lograndint), False: (module.uniform, module.loguniform)}
    return kinds[integer][distribution.log](distribution.low, distribution.high)

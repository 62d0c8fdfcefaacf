"""Transfer methods of Syne Tune 0.16 (PyPI ``syne-tune``), as that package has them.

It knows no conditional parameters: what was inactive has the middle of its range, or its first
choice. Passed over of that release: ``ZeroShotTransfer`` wants every configuration evaluated on
every task and its ``use_surrogates`` fails, so a forest for each task fills the table in, and its
method is ``get_config`` (``suggest`` is random search); numpy's global generator is seeded for the
time of a call; ``QuantileBasedSurrogateSearcher``'s candidates are drawn in blocks, for speed.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor

from benchmarks.methods.peers import domain
from benchmarks.methods.peers import planned
from benchmarks.tasks.base import Params


_METRIC = "loss"
_TRANSFER = "syne_tune.optimizer.schedulers.transfer_learning"
_BLOCK = 10_000  # candidates drawn at once
Next = Callable[[planned.Target], Params]  # a configuration of a flat space
Make = Callable[[domain.FlatSpace, Sequence[planned.History], int], Next]


def quantile(studies: Sequence[optuna.Study], seed: int) -> planned.PlannedSampler:
    """Return copula Thompson sampling (Salinas, Shen and Perrone, 2020), ``CTS`` there."""
    return _sampler(studies, seed, _quantile, "Syne Tune's QuantileBasedSurrogateSearcher")


def zero_shot(studies: Sequence[optuna.Study], seed: int) -> planned.PlannedSampler:
    """Return what tries those with the best mean rank over tasks (Wistuba et al., 2015)."""
    return _sampler(studies, seed, _zero_shot, "Syne Tune's ZeroShotTransfer")


def bounding_box(studies: Sequence[optuna.Study], seed: int) -> planned.PlannedSampler:
    """Return random search in the box of the prior studies' best trials (Perrone et al., 2019)."""
    return _sampler(studies, seed, _box, "Syne Tune's BoundingBox")


def _sampler(
    studies: Sequence[optuna.Study], seed: int, make: Make, method: str
) -> planned.PlannedSampler:
    planned.require("syne_tune")
    planned.require("huggingface_hub")  # which Syne Tune imports without requiring it
    priors = planned.read_priors(studies, method)

    def made(distributions: domain.Distributions) -> tuple[domain.FlatSpace, Next]:
        space = domain.FlatSpace(distributions)
        with planned.quiet_and_seeded(seed % 2**31):
            return space, make(space, priors, seed % 2**31)

    last = [made(domain.merge(space for prior in priors for space in prior.spaces))]

    def suggest(target: planned.Target, rng: np.random.Generator) -> Params:
        if last[0][0].distributions != target.space.distributions:
            last[0] = made(target.space.distributions)
        space, following = last[0]
        with planned.quiet_and_seeded(int(rng.integers(2**31))):
            return space.params(following(target))

    return planned.PlannedSampler(suggest, priors, seed)


def _quantile(space: domain.FlatSpace, priors: Sequence[planned.History], seed: int) -> Next:
    module = planned.require(f"{_TRANSFER}.quantile_based.quantile_based_searcher")

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


def _zero_shot(space: domain.FlatSpace, priors: Sequence[planned.History], seed: int) -> Next:
    scheduler_class = planned.require(f"{_TRANSFER}.zero_shot").ZeroShotTransfer
    table = _evaluations(space, _completed(space, priors, seed))
    options = {"sort_transfer_learning_evaluations": False, "random_seed": seed}
    scheduler = scheduler_class(_domains(space), _METRIC, table, **options)
    rng = np.random.default_rng(seed)

    def following(target: planned.Target) -> Params:
        while (config := scheduler.get_config()) is not None:
            if not target.is_taken([space.params(config)])[0]:
                return dict(config)
        return space.flat(target.space.random(1, rng)[0])  # it has suggested all there is

    return following


def _completed(
    space: domain.FlatSpace, priors: Sequence[planned.History], seed: int
) -> list[planned.History]:
    """Return all prior configurations on every task: as they were, or by a forest."""
    configurations = [params for prior in priors for params in prior.configurations]
    spaces = [shown for prior in priors for shown in prior.spaces]
    encoder = domain.Encoder(space.distributions)
    X = encoder.one_hot(encoder.rows(configurations))
    completed: list[planned.History] = []
    ends = np.cumsum([0, *(len(prior.losses) for prior in priors)])
    for prior, own in zip(priors, map(slice, ends, ends[1:]), strict=False):
        forest = ExtraTreesRegressor(random_state=seed, min_samples_leaf=2)
        losses = np.asarray(forest.fit(X[own], prior.losses).predict(X))
        losses[own] = prior.losses
        completed.append(planned.History(configurations, spaces, losses))
    return completed


def _box(space: domain.FlatSpace, priors: Sequence[planned.History], seed: int) -> Next:
    """Return Syne Tune's box with its ``RandomSearch`` inside."""
    random_search = planned.require("syne_tune.optimizer.baselines").RandomSearch

    def scheduler(domains: dict[str, Any], metric: str, minimize: bool, seed: int) -> Any:
        return random_search(domains, [metric], do_minimize=minimize, random_seed=seed)

    box_class = planned.require(f"{_TRANSFER}.bounding_box").BoundingBox
    data = (_domains(space), _METRIC, _evaluations(space, priors))
    box = box_class(scheduler, *data, random_seed=seed)
    return lambda target: dict(box.suggest().config)


def _evaluations(space: domain.FlatSpace, priors: Sequence[planned.History]) -> dict[str, Any]:
    module = planned.require(f"{_TRANSFER}.transfer_learning_task_evaluation")
    domains, evaluations = _domains(space), {}
    for i, (configurations, _, losses) in enumerate(priors):
        frame = pd.DataFrame([space.flat(params) for params in configurations])
        data = (domains, frame, [_METRIC], losses.reshape(-1, 1, 1, 1))
        evaluations[str(i)] = module.TransferLearningTaskEvaluations(*data)
    return evaluations


def _domains(space: domain.FlatSpace) -> dict[str, Any]:
    module = planned.require("syne_tune.config_space")
    domains = {}
    for name, d in space.distributions.items():
        if isinstance(d, CategoricalDistribution):
            domains[name] = module.choice(list(domain.choice_keys(d)))
        else:
            assert isinstance(d, FloatDistribution | IntDistribution)
            kind = "randint" if isinstance(d, IntDistribution) else "uniform"
            domains[name] = getattr(module, f"log{kind}" if d.log else kind)(d.low, d.high)
    return domains

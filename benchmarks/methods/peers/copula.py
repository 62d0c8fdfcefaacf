"""A pooled copula GP prior (Salinas, Shen and Perrone, A Quantile-based Approach for
Hyperparameter Transfer Learning, 2020: their "GCP + prior").

The values of each prior study become normal scores; one forest over all prior trials predicts
them, and its trees' spread on held-out trials is the deviation (they train a network for both).
The target's normal scores, less that mean, are a GP in units of that deviation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
import optuna
from sklearn.ensemble import ExtraTreesRegressor

from benchmarks.methods.peers.gp import expected_improvement
from benchmarks.methods.peers.gp import fit_gp
from benchmarks.methods.peers.history import History
from benchmarks.methods.peers.history import normal_scores
from benchmarks.methods.peers.history import read_priors
from benchmarks.methods.peers.parameters import merge
from benchmarks.methods.peers.planned import PlannedSampler
from benchmarks.methods.peers.planned import Target
from benchmarks.methods.peers.pool import candidates
from benchmarks.methods.peers.space import Encoder
from benchmarks.tasks.task import Params


__all__ = ["PooledPrior", "build"]

_N_TREES = 100
_LEAF = 3
Array = NDArray[np.float64]


def build(studies: Sequence[optuna.Study], seed: int) -> PlannedSampler:
    """The sampler; without prior studies it is a plain GP."""
    priors = read_priors(studies)
    return PlannedSampler(_Planner(priors, seed), priors, seed)


class PooledPrior:
    """Mean and deviation of normal scores, learned from all prior trials together.

    Args:
        priors:
            The prior studies; without any, the mean is 0 and the deviation 1.
        seed:
            Seed of the forest.
    """

    def __init__(self, priors: Sequence[History], seed: int) -> None:
        self.encoder = Encoder(merge(space for prior in priors for space in prior.spaces))
        self._forest = None
        self._deviation = 1.0
        if not priors:
            return
        rows = [self.encoder.rows(prior.configurations) for prior in priors]
        scores = np.concatenate([normal_scores(prior.losses) for prior in priors])
        self._forest = ExtraTreesRegressor(
            *(_N_TREES,), min_samples_leaf=_LEAF, bootstrap=True, oob_score=True,
            random_state=seed % 2**32,
        )  # fmt: skip
        self._forest.fit(self.encoder.one_hot(np.concatenate(rows)), scores)
        residuals = scores - self._forest.oob_prediction_
        self._deviation = max(float(np.sqrt(np.nanmean(residuals**2))), 1e-3)

    def predict(self, configurations: Sequence[Params]) -> tuple[Array, float]:
        """Mean (n,) and deviation of the normal scores of n configurations."""
        if self._forest is None:
            return np.zeros(len(configurations)), self._deviation
        if not configurations:
            return np.zeros(0), self._deviation
        rows = self.encoder.one_hot(self.encoder.rows(configurations))
        return np.asarray(self._forest.predict(rows)), self._deviation


class _Planner:
    def __init__(self, priors: Sequence[History], seed: int) -> None:
        self._priors = priors
        self._prior = PooledPrior(priors, seed)

    def suggest(self, target: Target, rng: np.random.Generator) -> Params:
        pool = candidates(target, self._priors, rng)
        history = target.history
        encoder = Encoder({**target.space.distributions, **self._prior.encoder.distributions})
        seen, deviation = self._prior.predict(history.configurations)
        residuals = (normal_scores(history.losses) - seen) / deviation
        gp = fit_gp(encoder.rows(history.configurations), residuals, encoder.categorical)
        mean, std = gp.predict(encoder.rows(pool))
        mean = self._prior.predict(pool)[0] + deviation * mean
        best = normal_scores(history.losses).min() if len(history.losses) else mean.min()
        return pool[int(np.argmax(expected_improvement(mean, deviation * std, best)))]

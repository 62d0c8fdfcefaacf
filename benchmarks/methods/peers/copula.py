"""A pooled copula GP prior (Salinas, Shen and Perrone, A Quantile-based Approach for
Hyperparameter Transfer Learning, 2020: their "GCP + prior").

The values of each prior study become normal scores; one forest over all prior trials predicts
them, and its trees' spread on held-out trials is the deviation (they train a network for both).
The target's normal scores, less that mean, are a GP in units of that deviation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import optuna
from sklearn.ensemble import ExtraTreesRegressor

from benchmarks.methods.peers.gp import expected_improvement
from benchmarks.methods.peers.gp import fit_gp
from benchmarks.methods.peers.planned import History
from benchmarks.methods.peers.planned import normal_scores
from benchmarks.methods.peers.planned import PlannedSampler
from benchmarks.methods.peers.planned import read_priors
from benchmarks.methods.peers.planned import Target
from benchmarks.methods.peers.space import Encoder
from benchmarks.methods.peers.space import merge
from benchmarks.tasks.task import Array
from benchmarks.tasks.task import Params


_N_TREES, _LEAF = 100, 3  # scikit-learn's number; of few trials, some smoothing
_LEAST_DEVIATION = 1e-3


def build(studies: Sequence[optuna.Study], seed: int) -> PlannedSampler:
    """Return the sampler; without prior studies it is a plain GP."""
    priors = read_priors(studies)
    return PlannedSampler(_Planner(priors, seed), priors, seed)


class PooledPrior:
    """Mean and deviation of normal scores, learned from all prior trials together.

    Without any, the mean is 0 and the deviation 1.
    """

    def __init__(self, priors: Sequence[History], seed: int) -> None:
        self.encoder = Encoder(merge(space for prior in priors for space in prior.spaces))
        self.deviation = 1.0
        self._forest = None
        if priors:
            rows = [self.encoder.rows(prior.configurations) for prior in priors]
            scores = np.concatenate([normal_scores(prior.losses) for prior in priors])
            options = {"min_samples_leaf": _LEAF, "bootstrap": True, "oob_score": True}
            forest = ExtraTreesRegressor(_N_TREES, random_state=seed % 2**32, **options)
            self._forest = forest.fit(self.encoder.one_hot(np.concatenate(rows)), scores)
            error = np.sqrt(np.nanmean((scores - forest.oob_prediction_) ** 2))
            self.deviation = max(float(error), _LEAST_DEVIATION)

    def predict(self, configurations: Sequence[Params]) -> Array:
        """Return the mean (n,) of the normal scores of n configurations."""
        if self._forest is None or not configurations:
            return np.zeros(len(configurations))
        rows = self.encoder.one_hot(self.encoder.rows(configurations))
        return np.asarray(self._forest.predict(rows))


class _Planner:
    def __init__(self, priors: Sequence[History], seed: int) -> None:
        self._priors = priors
        self._prior = PooledPrior(priors, seed)

    def suggest(self, target: Target, rng: np.random.Generator) -> Params:
        pool, deviation = target.candidates(self._priors, rng), self._prior.deviation
        seen, scores = target.history.configurations, normal_scores(target.history.losses)
        encoder = Encoder({**target.space.distributions, **self._prior.encoder.distributions})
        residuals = (scores - self._prior.predict(seen)) / deviation
        gp = fit_gp(encoder.rows(seen), residuals, encoder.categorical)
        mean, std = gp.predict(encoder.rows(pool))
        mean = self._prior.predict(pool) + deviation * mean
        best = scores.min() if len(scores) else mean.min()
        return pool[int(np.argmax(expected_improvement(mean, deviation * std, best)))]

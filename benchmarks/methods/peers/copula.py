"""A pooled copula GP prior (Salinas, Shen and Perrone, 2020: their "GCP + prior").

One forest over all prior trials predicts their normal scores, and its error on held-out trials is
the deviation (they train a network for both). The target's residuals are a GP in units of it.
"""

from collections.abc import Sequence

import numpy as np
import optuna
from sklearn.ensemble import ExtraTreesRegressor

from benchmarks.methods.peers import planned
from benchmarks.methods.peers.domain import Encoder
from benchmarks.methods.peers.domain import merge
from benchmarks.methods.peers.gp import expected_improvement
from benchmarks.methods.peers.gp import fit_gp
from benchmarks.tasks.base import Array
from benchmarks.tasks.base import Params


_N_TREES, _LEAF = 100, 3  # scikit-learn's number; of few trials, some smoothing
_LEAST_DEVIATION = 1e-3


def build(studies: Sequence[optuna.Study], seed: int) -> planned.PlannedSampler:
    priors = planned.read_priors(studies)
    prior = PooledPrior(priors, seed)

    def suggest(target: planned.Target, rng: np.random.Generator) -> Params:
        pool, deviation = target.candidates(priors, rng), prior.deviation
        seen, scores = target.history.configurations, planned.normal_scores(target.history.losses)
        encoder = Encoder({**target.space.distributions, **prior.encoder.distributions})
        residuals = (scores - prior.predict(seen)) / deviation
        gp = fit_gp(encoder.rows(seen), residuals, encoder.categorical)
        mean, std = gp.predict(encoder.rows(pool))
        mean = prior.predict(pool) + deviation * mean
        best = scores.min() if len(scores) else mean.min()
        return pool[int(np.argmax(expected_improvement(mean, deviation * std, best)))]

    return planned.PlannedSampler(suggest, priors, seed)


class PooledPrior:
    """Mean and deviation of normal scores by all prior trials together; without any 0 and 1."""

    def __init__(self, priors: Sequence[planned.History], seed: int) -> None:
        self.encoder = Encoder(merge(space for prior in priors for space in prior.spaces))
        self.deviation = 1.0
        self._forest = None
        if priors:
            rows = [self.encoder.rows(prior.configurations) for prior in priors]
            scores = np.concatenate([planned.normal_scores(prior.losses) for prior in priors])
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

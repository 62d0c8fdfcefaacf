"""RGPE: a ranking-weighted ensemble of Gaussian processes (Feurer, Letham, Hutter and Bakshy,
Practical Transfer Learning for Bayesian Optimization, 2022, arXiv:1802.02219).

A GP's weight is the share of bootstrap samples of the target's trials whose order it predicts
best, the target's own by its leave-one-out predictions. A prior study whose median loss is above
the 95th percentile of the target's own is left out. Values are normal scores of ranks.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import optuna

from benchmarks.methods.peers import domain
from benchmarks.methods.peers import gp
from benchmarks.methods.peers import planned
from benchmarks.tasks.base import Array
from benchmarks.tasks.base import Params


_N_BOOTSTRAP = 500  # a weight's standard error is at most .022
_LEAST = 3  # trials of the target that say anything on ranks
_GUARD = 95  # percentile of the target's losses that a prior study's median must not exceed


def build(studies: Sequence[optuna.Study], seed: int) -> planned.PlannedSampler:
    """Return the sampler; without prior studies it is a plain GP."""
    priors = planned.read_priors(studies)
    return planned.PlannedSampler(_Planner(priors).suggest, priors, seed)


class Ensemble(NamedTuple):
    models: list[gp.GP]
    weights: Array  # (models,)

    def predict(self, X: Array) -> tuple[Array, Array]:
        """Return mean (m,) and standard deviation (m,) at rows (m, width)."""
        mean, variance = np.zeros(len(X)), np.zeros(len(X))
        for model, weight in zip(self.models, self.weights, strict=True):
            if weight > 0:
                own_mean, own_std = model.predict(X)
                mean += weight * own_mean
                variance += (weight * own_std) ** 2
        return mean, np.sqrt(variance)


def ranking_weights(losses: Array) -> Array:
    """Return weights (models,) from bootstrap losses (models, samples), the target's own last."""
    kept = np.median(losses, axis=1) <= np.percentile(losses[-1], _GUARD)
    kept[-1] = True
    wins = (kept[:, None] & (losses == losses[kept].min(axis=0))).astype(float)
    wins[:-1, wins[-1] > 0] = 0.0  # the target's own model wins ties
    return np.asarray(np.mean(wins / wins.sum(axis=0), axis=1))


def bootstrap_losses(predictions: Array, y: Array, rng: np.random.Generator) -> Array:
    """Return how many pairs of y (n,) are misranked in bootstrap samples, (models, samples)."""
    n = len(y)
    truth = y[:, None] < y[None, :]
    counts = rng.multinomial(n, np.full(n, 1.0 / n), size=_N_BOOTSTRAP).astype(float)
    wrong = [(p[:, None] < p[None, :]) != truth for p in predictions]
    return np.array([np.sum((counts @ w) * counts, axis=1) for w in wrong])


class _Planner:
    def __init__(self, priors: Sequence[planned.History]) -> None:
        self._priors = priors
        self._space = domain.merge(space for prior in priors for space in prior.spaces)
        self._fit_priors({})

    def suggest(self, target: planned.Target, rng: np.random.Generator) -> Params:
        if self._encoder.distributions != {**target.space.distributions, **self._space}:
            self._fit_priors(target.space.distributions)
        pool = target.candidates(self._priors, rng)
        ensemble = self._ensemble(target, rng)
        mean, std = ensemble.predict(self._encoder.rows(pool))
        seen = self._encoder.rows(target.history.configurations)
        best = ensemble.predict(seen)[0].min() if len(seen) else mean.min()
        return pool[int(np.argmax(gp.expected_improvement(mean, std, best)))]

    def _fit_priors(self, known: domain.Distributions) -> None:
        """Fit the prior studies' models: once, or again where the target has new parameters."""
        self._encoder = domain.Encoder({**known, **self._space})
        self._models = [self._fit(prior) for prior in self._priors]

    def _fit(self, history: planned.History) -> gp.GP:
        rows = self._encoder.rows(history.configurations)
        return gp.fit_gp(rows, planned.normal_scores(history.losses), self._encoder.categorical)

    def _ensemble(self, target: planned.Target, rng: np.random.Generator) -> Ensemble:
        own = self._fit(target.history)
        models = [*self._models, own]
        if len(own.y) < _LEAST:
            n_equal = len(models) if len(own.y) or not self._models else len(models) - 1
            return Ensemble(models, np.where(np.arange(len(models)) < n_equal, 1 / n_equal, 0.0))
        means = [model.predict(own.X)[0] for model in self._models]
        losses = bootstrap_losses(np.array([*means, own.left_out()]), own.y, rng)
        return Ensemble(models, ranking_weights(losses))

"""The target study's model: a mixture of Gaussian processes, each conditioned in closed form.

Every component h is a process whose mean and covariance come from the prior studies,

    f(x) = c + b_h m(x) + sum_t a_t C_t(x) + r(x) + noise,
    a_t ~ N(0, sigma_a^2),  r ~ GP(0, sigma_r^2 k),  noise ~ N(0, sigma_n^2),

with a flat prior on c and the target's unit in closed form (see ``components.py``). Components
with b = 0 and sigma_a = 0 know nothing of the priors: they are the cold arm. One with b < 0
expects the reverse of what the priors say. The components' marginal likelihoods weigh them, so
that priors which do not fit lose their say trial by trial.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.surrogate.components import Arm
from optuna_meta.surrogate.components import Component
from optuna_meta.surrogate.components import mean_of
from optuna_meta.surrogate.components import Posterior
from optuna_meta.surrogate.components import posterior
from optuna_meta.surrogate.components import predicted
from optuna_meta.surrogate.kernel import matern52
from optuna_meta.surrogate.kernel import Scales
from optuna_meta.surrogate.kernel import squared_distances


__all__ = ["Inputs", "MixtureGP", "Predictions", "condition"]

LEAST_WEIGHT = 0.03  # Of a component: lighter ones would hardly change the scores they cost.


@dataclass(frozen=True)
class Inputs:
    """What the model reads of some configurations.

    Args:
        Z: The prior studies' expectations.  # (n, T)
        X: Design of the target's space.  # (n, W)
    """

    Z: Array  # (n, T)
    X: Array  # (n, W)

    def select(self, rows: NDArray[np.int64]) -> Inputs:
        """Return the inputs of some configurations, by their indices (t,)."""
        return Inputs(self.Z[rows], self.X[rows])


@dataclass(frozen=True)
class Predictions:
    """Predictions of H components at M candidates, in units of y.

    Args:
        means: Posterior means of f.  # (H, M)
        deviations: Posterior standard deviations of f.  # (H, M)
        fitted: Posterior means of f at the n observed trials.  # (H, n)
        weights: Sharpened probabilities of the components, sum 1.  # (H,)
    """

    means: Array  # (H, M)
    deviations: Array  # (H, M)
    fitted: Array  # (H, n)
    weights: Array  # (H,)

    @property
    def incumbents(self) -> Array:
        """Lowest posterior mean among the observed trials, infinite before the first.  # (H,)"""
        return np.asarray(self.fitted.min(axis=1, initial=np.inf))

    def moments(self) -> tuple[Array, Array]:
        """Return the mixture's mean and standard deviation at the candidates.  # (M,), (M,)"""
        mean = self.weights @ self.means
        square = self.weights @ (self.deviations**2 + (self.means - mean) ** 2)
        return mean, np.sqrt(square)


@dataclass(frozen=True)
class _Relations:
    """What all components share of two sets of configurations, (n,) and (m,)."""

    products: Array  # (n, m), C C'
    correlations: dict[tuple[bool, float], Array]  # of the residual, by kind

    @classmethod
    def of(
        cls, a: Inputs, b: Inputs, w: Array, scales: Scales, kinds: Iterable[tuple[bool, float]]
    ) -> _Relations:
        wanted = set(kinds)
        squared = {
            of_target: squared_distances(
                a.X * scales.roots(of_target), b.X * scales.roots(of_target)
            )
            for of_target in {of_target for of_target, _ in wanted}
        }
        correlations = {(o, s): matern52(squared[o] / s**2) for o, s in wanted}
        return cls(_deviations(a.Z, w) @ _deviations(b.Z, w).T, correlations)

    def covariance(self, h: Component) -> Array:
        """Return the covariance (n, m) of f without the constant and the noise."""
        covariance: Array = (
            h.residual**2 * self.correlations[h.residual_kind] + h.deviation**2 * self.products
        )
        return covariance


@dataclass(frozen=True)
class MixtureGP:
    """The mixture after n trials.

    Args:
        observed: Inputs of the n observed trials, then of the p pending ones.
        task_weights: w.  # (T,)
        scales: The residual's length scales.
        posteriors: One for each component.
        weights: Posterior probabilities of the H components.  # (H,)
        log_evidence: Log marginal likelihood of the trials' values, up to a constant.
    """

    observed: Inputs
    task_weights: Array  # (T,)
    scales: Scales
    posteriors: tuple[Posterior, ...]
    weights: Array  # (H,)
    log_evidence: float = 0.0

    @property
    def trust(self) -> float:
        """Posterior probability that the prior studies inform the target, in [0, 1]."""
        transfers = [p.component.transfers for p in self.posteriors]
        return min(float(self.weights[transfers].sum()), 1.0)  # The sum is a rounded one.

    @property
    def n_trials(self) -> int:
        """How many finished trials the mixture has seen."""
        return len(self.posteriors[0].fitted)

    @property
    def noise(self) -> float:
        """Posterior probability that the values tell nothing at all, in [0, 1]."""
        is_noise = [p.component.is_noise for p in self.posteriors]
        return min(float(self.weights[is_noise].sum()), 1.0)

    @property
    def has_doubt(self) -> bool:
        """Whether any component is left that does not follow the prior studies."""
        return bool((self._arms != Arm.FOLLOW).any())

    def doubt(self) -> MixtureGP:
        """Return the mixture of the components that do not follow the prior studies."""
        doubting = np.flatnonzero(self._arms != Arm.FOLLOW)
        posteriors = tuple(self.posteriors[k] for k in doubting)
        weights = self.weights[doubting] / self.weights[doubting].sum()
        return MixtureGP(self.observed, self.task_weights, self.scales, posteriors, weights)

    def predict(self, candidates: Inputs, least_weight: float = LEAST_WEIGHT) -> Predictions:
        """Predict by the components that carry at least ``least_weight``, arms sharpened."""
        sharpened = self._sharpened_weights
        chosen = self._chosen(least_weight)
        posteriors = [self.posteriors[k] for k in chosen]
        w = self.task_weights
        kinds = [p.component.residual_kind for p in posteriors]
        relations = _Relations.of(candidates, self.observed, w, self.scales, kinds)
        m = candidates.Z @ w
        spread = np.sum(_deviations(candidates.Z, w) ** 2, axis=1)
        means, deviations = zip(
            *(predicted(p, relations.covariance(p.component), m, spread) for p in posteriors),
            strict=True,
        )
        fitted = np.array([p.fitted / p.unit for p in posteriors])
        weights = sharpened[chosen] / sharpened[chosen].sum()
        return Predictions(np.array(means), np.array(deviations), fitted, weights)

    def means(self, candidates: Inputs) -> Array:
        """Return the means (H, M) of :meth:`predict` alone, for less."""
        posteriors = [self.posteriors[k] for k in self._chosen(LEAST_WEIGHT)]
        w, kinds = self.task_weights, [p.component.residual_kind for p in posteriors]
        relations = _Relations.of(candidates, self.observed, w, self.scales, kinds)
        m = candidates.Z @ w
        return np.array([mean_of(p, relations.covariance(p.component), m) for p in posteriors])

    def asks_priors(self, least_weight: float = LEAST_WEIGHT) -> bool:
        """Tell whether :meth:`predict` reads what the prior studies expect at all."""
        return any(self.posteriors[k].component.transfers for k in self._chosen(least_weight))

    def _chosen(self, least_weight: float) -> NDArray[np.int64]:
        """Find the components that count: before any trial, those that follow the priors."""
        sharpened = self._sharpened_weights
        if self.n_trials == 0:
            follows = self._arms == Arm.FOLLOW
            return np.flatnonzero(follows if follows.any() else ~follows)
        return np.asarray(np.flatnonzero(sharpened >= min(least_weight, sharpened.max())))

    @cached_property
    def _sharpened_weights(self) -> Array:
        """Return the weights (H,) with the odds of the arms squared.

        The arm that knows less promises more improvement, and so does the one that expects the
        reverse: weighed by their probability alone, the less likely ones would choose most trials.
        """
        arms = self._arms
        same = arms[:, None] == arms
        sharpened = self.weights * (same @ self.weights)
        return np.asarray(sharpened / sharpened.sum())

    @cached_property
    def _arms(self) -> NDArray[np.object_]:
        return np.array([p.component.arm for p in self.posteriors], dtype=object)

    def coefficients(self) -> Array:
        """Return the signed weights (T,) of z_t in the mixture's mean, in the priors' units."""
        w = self.task_weights
        total = np.zeros_like(w)
        for p, weight in zip(self.posteriors, self.weights, strict=True):
            h = p.component
            C = _deviations(self.observed.Z[: len(p.alpha)], w)
            a = h.deviation**2 * C.T @ p.alpha  # posterior mean of a_t
            total += weight * (h.slope * w + np.sqrt(w) * a)
        return total

    def observable(self, candidates: Inputs) -> tuple[Array, Array]:
        """Return mean and deviation of what trials of candidates would report.  # (M,), (M,)"""
        found = self.predict(candidates)
        chosen = [self.posteriors[k] for k in self._chosen(LEAST_WEIGHT)]
        noises = np.array([p.component.noise / p.unit for p in chosen])
        mean, deviation = found.moments()
        return mean, np.sqrt(deviation**2 + found.weights @ noises**2)


def condition(
    components: Sequence[Component],
    observed: Inputs,
    y: Array,
    task_weights: Array,
    scales: Scales,
    pending: Inputs | None = None,
    noises: Array | None = None,
) -> MixtureGP:
    """Condition the mixture on the target's trials.

    Args:
        components: The processes.
        observed: Inputs of the n finished trials.
        y: Their values, lower is better, of about unit spread.  # (n,)
        task_weights: w, sum 1.  # (T,)
        scales: The residual's length scales.
        pending: Inputs of running trials: they narrow the variance and leave the mean alone.
        noises: Deviations of the finished trials' own, beside the components' noise.  # (n,)
    """
    inputs = observed if pending is None else _joined(observed, pending)
    kinds = [h.residual_kind for h in components]
    relations = _Relations.of(inputs, inputs, task_weights, scales, kinds)
    m = observed.Z @ task_weights
    own = np.zeros(len(inputs.X))  # Variances.
    own[: len(y)] = 0.0 if noises is None else noises**2
    posteriors = tuple(
        posterior(h, relations.covariance(h), y, h.slope * m, own) for h in components
    )
    # Equal values are no evidence: nothing tells a plateau of good ones from one of bad ones.
    informative = len(y) > 1 and np.ptp(y) > 0.0
    evidence = [p.log_evidence if informative else 0.0 for p in posteriors]
    logs = np.array(evidence) + np.log([h.odds for h in components])
    weights = np.exp(logs - logs.max())
    total = weights.sum()
    log_evidence = float(logs.max() + np.log(total))
    return MixtureGP(inputs, task_weights, scales, posteriors, weights / total, log_evidence)


def _deviations(Z: Array, w: Array) -> Array:
    """Return C, the priors' weighted deviations from their mean.  # (n, T)"""
    return np.asarray(np.sqrt(w) * (Z - (Z @ w)[:, None]))


def _joined(a: Inputs, b: Inputs) -> Inputs:
    return Inputs(np.vstack([a.Z, b.Z]), np.vstack([a.X, b.X]))

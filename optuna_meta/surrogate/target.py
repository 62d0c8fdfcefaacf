"""The target study's model: a mixture of Gaussian processes, each conditioned in closed form.

Every component h is a process whose mean and covariance come from the prior studies,

    f(x) = c + b_h m(x) + sum_t a_t C_t(x) + r(x) + noise,
    a_t ~ N(0, sigma_a^2),  r ~ GP(0, sigma_r^2 k),  noise ~ N(0, sigma_n^2),

with a flat prior on c and the target's unit, 1 / u, in closed form (see :func:`_unit`). Components
with b = 0 and sigma_a = 0 know nothing of the priors: they are the cold arm. The components'
marginal likelihoods weigh them, so that priors which do not fit lose their say trial by trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from scipy.linalg import cholesky
from scipy.linalg import solve_triangular

from optuna_meta.space import Array
from optuna_meta.surrogate.kernel import matern52
from optuna_meta.surrogate.kernel import squared_distances


__all__ = ["Component", "Inputs", "Predictions", "TargetModel", "condition"]


@dataclass(frozen=True)
class Component:
    """One process of the mixture.

    Args:
        slope: b, the share of the priors' mean that the target follows (-1: the reverse).
        deviation: sigma_a, how freely the target departs in the priors' own directions.
        residual: sigma_r, how far it departs in directions that no prior shows.
        stretch: Factor on the residual's length scales.
        noise: sigma_n.
        odds: Prior probability, up to a factor.
    """

    slope: float
    deviation: float
    residual: float
    stretch: float
    noise: float
    odds: float

    @property
    def transfers(self) -> bool:
        """Whether the component uses the priors at all."""
        return self.slope != 0.0 or self.deviation != 0.0


@dataclass(frozen=True)
class Inputs:
    """What the model reads of some configurations.

    Args:
        Z: The prior studies' expectations.  # (n, T)
        X: Design of the target's space, each column over its length scale.  # (n, W)
    """

    Z: Array  # (n, T)
    X: Array  # (n, W)


@dataclass(frozen=True)
class Predictions:
    """Predictions of K components at M candidates, in units of y.

    Args:
        means: Posterior means of f.  # (K, M)
        deviations: Posterior standard deviations of f.  # (K, M)
        incumbents: Lowest posterior mean among the observed trials.  # (K,)
        weights: Posterior probabilities of the components, sum 1.  # (K,)
    """

    means: Array  # (K, M)
    deviations: Array  # (K, M)
    incumbents: Array  # (K,)
    weights: Array  # (K,)


@dataclass(frozen=True)
class _Posterior:
    component: Component
    log_evidence: float
    unit: float  # u: y times u is in the priors' units
    cholesky: Array  # (n, n)
    alpha: Array  # (n,), Sigma^-1 (u y - b m - c)
    constant: float  # c
    ones: Array  # (n,), Sigma^-1 1
    precision: float  # 1' Sigma^-1 1


@dataclass(frozen=True)
class TargetModel:
    """The mixture after n trials.

    Args:
        observed: Inputs of the observed trials, then of the pending ones.
        n_observed: How many of them are observed.
        task_weights: w.  # (T,)
        posteriors: One for each component.
        weights: Posterior probabilities of the components.  # (K,)
    """

    observed: Inputs
    n_observed: int
    task_weights: Array  # (T,)
    posteriors: tuple[_Posterior, ...]
    weights: Array  # (K,)

    @property
    def trust(self) -> float:
        """Posterior probability that the prior studies inform the target, in [0, 1]."""
        transfers = [p.component.transfers for p in self.posteriors]
        return float(self.weights[transfers].sum())

    def predict(self, candidates: Inputs, least_weight: float = 0.02) -> Predictions:
        """Predictions of the components that carry at least ``least_weight``."""
        chosen = np.flatnonzero(self.weights >= min(least_weight, self.weights.max()))
        parts = [self._predict_one(self.posteriors[k], candidates) for k in chosen]
        means, deviations, incumbents = zip(*parts, strict=True)
        weights = self.weights[chosen] / self.weights[chosen].sum()
        return Predictions(np.array(means), np.array(deviations), np.array(incumbents), weights)

    def coefficients(self) -> Array:
        """Signed weight of each z_t in the mixture's posterior mean.  # (T,)"""
        w = self.task_weights
        total = np.zeros_like(w)
        n = self.n_observed
        C = _deviations(self.observed.Z[:n], w)
        for posterior, weight in zip(self.posteriors, self.weights, strict=True):
            h = posterior.component
            a = h.deviation**2 * C.T @ posterior.alpha  # posterior mean of a_t
            total += weight * (h.slope * w + np.sqrt(w) * a - w * (np.sqrt(w) @ a))
        return total

    def _predict_one(self, p: _Posterior, candidates: Inputs) -> tuple[Array, Array, float]:
        h, w, n = p.component, self.task_weights, self.n_observed
        m = h.slope * candidates.Z @ w
        cross = _covariance(h, w, candidates, self.observed)
        prior_variance = h.residual**2 + h.deviation**2 * np.sum(
            _deviations(candidates.Z, w) ** 2, axis=1
        )
        if n == 0:
            mean = m
            incumbent = np.inf
        else:
            mean = p.constant + m + cross[:, :n] @ p.alpha
            at_trials = (
                p.constant
                + h.slope * self.observed.Z[:n] @ w
                + _covariance(h, w, _head(self.observed, n), _head(self.observed, n)) @ p.alpha
            )
            incumbent = float(at_trials.min())
        variance = prior_variance
        if len(self.observed.X):
            half = solve_triangular(p.cholesky, cross.T, lower=True, check_finite=False)
            variance = variance - np.sum(half * half, axis=0)
            # The unknown constant adds what the trials leave open of it.
            variance = variance + (1.0 - cross @ p.ones) ** 2 / p.precision
        deviation = np.sqrt(np.maximum(variance, 1e-12))
        return mean / p.unit, deviation / p.unit, incumbent / p.unit


def condition(
    components: Sequence[Component],
    observed: Inputs,
    y: Array,
    task_weights: Array,
    pending: Inputs | None = None,
) -> TargetModel:
    """The mixture given the target's trials.

    Args:
        components: The processes.
        observed: Inputs of the n finished trials.
        y: Their values, lower is better, of about unit spread.  # (n,)
        task_weights: w, sum 1.  # (T,)
        pending: Inputs of running trials: they narrow the variance and leave the mean alone.
    """
    inputs = observed if pending is None else _joined(observed, pending)
    posteriors = tuple(_posterior(h, inputs, y, task_weights) for h in components)
    logs = np.array([p.log_evidence + np.log(p.component.odds) for p in posteriors])
    weights = np.exp(logs - logs.max())
    return TargetModel(inputs, len(y), task_weights, posteriors, weights / weights.sum())


def _posterior(h: Component, inputs: Inputs, y: Array, w: Array) -> _Posterior:
    n, n_all = len(y), len(inputs.X)
    if n_all == 0:
        nothing = np.zeros(0)
        return _Posterior(h, 0.0, 1.0, np.zeros((0, 0)), nothing, 0.0, nothing, 0.0)
    Sigma = _covariance(h, w, inputs, inputs)
    Sigma[np.diag_indices(n_all)] += h.noise**2
    L = cholesky(Sigma, lower=True, check_finite=False)
    ones = cho_solve((L, True), np.ones(n_all), check_finite=False)
    if n == 0:
        return _Posterior(h, 0.0, 1.0, L, np.zeros(0), 0.0, ones, float(ones.sum()))
    L_n = L[:n, :n]  # The factor of the leading block: the observed trials alone.
    m = h.slope * inputs.Z[:n] @ w
    columns = np.column_stack([y, m, np.ones(n)])
    half = solve_triangular(L_n, columns, lower=True, check_finite=False)
    G = half.T @ half  # Inner products of y, m and 1 under Sigma^-1.
    yPy, yPm, mPm = (G[i, j] - G[i, 2] * G[j, 2] / G[2, 2] for i, j in ((0, 0), (0, 1), (1, 1)))
    u = _unit(n, yPy, yPm)
    misfit = u * u * yPy - 2.0 * u * yPm + mPm
    log_det = 2.0 * np.log(np.diag(L_n)).sum()
    log_evidence = -0.5 * (misfit + log_det + np.log(G[2, 2]))
    if n > 1:
        log_evidence += (n - 1) * np.log(u) - 0.5 * np.log(max(2 * u * u * yPy - u * yPm, 1e-12))
    constant = (u * G[0, 2] - G[1, 2]) / G[2, 2]
    alpha = cho_solve((L_n, True), u * y - m - constant, check_finite=False)
    return _Posterior(h, float(log_evidence), u, L, alpha, constant, ones, float(ones.sum()))


def _unit(n: int, yPy: float, yPm: float) -> float:
    """The most probable unit u under the scale-free prior p(u) ~ 1 / u.

    With c integrated out, log p(y | u) = (n - 1) log u - (u^2 y'Py - 2 u y'Pm + m'Pm) / 2; its
    maximum over log u is the positive root of u^2 y'Py - u y'Pm - (n - 1) = 0.
    """
    if n < 2 or yPy < 1e-12:
        return 1.0
    return float((yPm + np.sqrt(yPm * yPm + 4.0 * (n - 1) * yPy)) / (2.0 * yPy))


def _covariance(h: Component, w: Array, a: Inputs, b: Inputs) -> Array:
    """Covariance (n, m) of f without the constant and the noise."""
    K = h.residual**2 * matern52(squared_distances(a.X, b.X) / h.stretch**2)
    if h.deviation:
        K = K + h.deviation**2 * _deviations(a.Z, w) @ _deviations(b.Z, w).T
    covariance: Array = K
    return covariance


def _deviations(Z: Array, w: Array) -> Array:
    """C, the priors' weighted deviations from their mean.  # (n, T)"""
    deviations: Array = np.sqrt(w) * (Z - (Z @ w)[:, None])
    return deviations


def _head(inputs: Inputs, n: int) -> Inputs:
    return Inputs(inputs.Z[:n], inputs.X[:n])


def _joined(a: Inputs, b: Inputs) -> Inputs:
    return Inputs(np.vstack([a.Z, b.Z]), np.vstack([a.X, b.X]))

"""The target study's model: a mixture of Gaussian processes, each conditioned in closed form.

Every component h is a process whose mean and covariance come from the prior studies,

    f(x) = c + b_h m(x) + sum_t a_t C_t(x) + r(x) + noise,
    a_t ~ N(0, sigma_a^2),  r ~ GP(0, sigma_r^2 k),  noise ~ N(0, sigma_n^2),

with a flat prior on c and the target's unit, 1 / u, in closed form (see :func:`_unit`). Components
with b = 0 and sigma_a = 0 know nothing of the priors: they are the cold arm. The components'
marginal likelihoods weigh them, so that priors which do not fit lose their say trial by trial.
"""

from __future__ import annotations

from collections.abc import Iterable
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


__all__ = ["Component", "Inputs", "Predictions", "Scales", "TargetModel", "condition"]


@dataclass(frozen=True)
class Component:
    """One process of the mixture.

    Args:
        slope: b, the share of the priors' mean that the target follows (-1: the reverse).
        deviation: sigma_a, how freely the target departs in the priors' own directions.
        residual: sigma_r, how far it departs in directions that no prior shows.
        stretch: Factor on the residual's length scales.
        own: Whether these are the length scales that the target's own trials show, or those of
            the prior studies.
        noise: sigma_n.
        odds: Prior probability, up to a factor.
    """

    slope: float
    deviation: float
    residual: float
    stretch: float
    noise: float
    odds: float
    own: bool = False

    @property
    def residual_kind(self) -> tuple[bool, float]:
        """What components with the same correlation of the residual share."""
        return self.own, self.stretch

    @property
    def transfers(self) -> bool:
        """Whether the component uses the priors at all."""
        return self.slope != 0.0 or self.deviation != 0.0


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
        """The inputs of some rows."""
        return Inputs(self.Z[rows], self.X[rows])


@dataclass(frozen=True)
class Scales:
    """Inverse length scales of the residual, by column of the design.

    Args:
        prior: Those of the prior studies.  # (W,)
        own: Those that the target's own trials show.  # (W,)
    """

    prior: Array  # (W,)
    own: Array  # (W,)

    def roots(self, own: bool) -> Array:
        """One of the two.  # (W,)"""
        return self.own if own else self.prior


@dataclass(frozen=True)
class Predictions:
    """Predictions of K components at M candidates, in units of y.

    Args:
        means: Posterior means of f.  # (K, M)
        deviations: Posterior standard deviations of f.  # (K, M)
        incumbents: Lowest posterior mean among the observed trials.  # (K,)
        weights: Sharpened probabilities of the components, sum 1.  # (K,)
    """

    means: Array  # (K, M)
    deviations: Array  # (K, M)
    incumbents: Array  # (K,)
    weights: Array  # (K,)


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
            own: squared_distances(a.X * scales.roots(own), b.X * scales.roots(own))
            for own in {own for own, _ in wanted}
        }
        correlations = {(o, s): matern52(squared[o] / s**2) for o, s in wanted}
        return cls(_deviations(a.Z, w) @ _deviations(b.Z, w).T, correlations)

    def covariance(self, h: Component) -> Array:
        """Covariance (n, m) of f without the constant and the noise."""
        covariance: Array = (
            h.residual**2 * self.correlations[h.residual_kind] + h.deviation**2 * self.products
        )
        return covariance


@dataclass(frozen=True)
class _Posterior:
    component: Component
    log_evidence: float
    unit: float  # u: y times u is in the priors' units
    cholesky: Array  # (n, n)
    alpha: Array  # (n,), Sigma^-1 (u y - b m - c)
    constant: float  # c
    incumbent: float  # lowest posterior mean among the trials, infinite before the first
    ones: Array  # (n + p,), Sigma^-1 1
    precision: float  # 1' Sigma^-1 1


@dataclass(frozen=True)
class TargetModel:
    """The mixture after n trials.

    Args:
        observed: Inputs of the n observed trials, then of the p pending ones.
        task_weights: w.  # (T,)
        scales: The residual's length scales.
        posteriors: One for each component.
        weights: Posterior probabilities of the components.  # (K,)
    """

    observed: Inputs
    task_weights: Array  # (T,)
    scales: Scales
    posteriors: tuple[_Posterior, ...]
    weights: Array  # (K,)

    @property
    def trust(self) -> float:
        """Posterior probability that the prior studies inform the target, in [0, 1]."""
        transfers = [p.component.transfers for p in self.posteriors]
        return float(self.weights[transfers].sum())

    def predict(self, candidates: Inputs, least_weight: float = 0.03) -> Predictions:
        """Predictions of the components that carry at least ``least_weight``, arms sharpened."""
        sharpened = self._sharpened_weights()
        chosen = np.flatnonzero(sharpened >= min(least_weight, sharpened.max()))
        posteriors = [self.posteriors[k] for k in chosen]
        w = self.task_weights
        kinds = [p.component.residual_kind for p in posteriors]
        relations = _Relations.of(candidates, self.observed, w, self.scales, kinds)
        m = candidates.Z @ w
        spread = np.sum(_deviations(candidates.Z, w) ** 2, axis=1)
        means, deviations = zip(
            *(_predicted(p, relations.covariance(p.component), m, spread) for p in posteriors),
            strict=True,
        )
        incumbents = np.array([p.incumbent / p.unit for p in posteriors])
        weights = sharpened[chosen] / sharpened[chosen].sum()
        return Predictions(np.array(means), np.array(deviations), incumbents, weights)

    def _sharpened_weights(self) -> Array:
        """Weights (K,) with the odds of the two arms, transferring and cold, squared.

        The arm that knows less promises more: in proportion to its probability the less likely
        one would choose most trials. Squared odds did better on LCBench and rbv2 (see
        benchmarks/README.md).
        """
        transfers = np.array([p.component.transfers for p in self.posteriors])
        trust = self.trust
        kept = trust**2 / (trust**2 + (1.0 - trust) ** 2)
        factors = np.where(
            transfers, kept / max(trust, 1e-12), (1.0 - kept) / max(1.0 - trust, 1e-12)
        )
        return self.weights * factors

    def coefficients(self) -> Array:
        """Signed weight of each z_t in the mixture's mean, in the priors' units.  # (T,)"""
        w = self.task_weights
        total = np.zeros_like(w)
        for posterior, weight in zip(self.posteriors, self.weights, strict=True):
            h = posterior.component
            C = _deviations(self.observed.Z[: len(posterior.alpha)], w)
            a = h.deviation**2 * C.T @ posterior.alpha  # posterior mean of a_t
            total += weight * (h.slope * w + np.sqrt(w) * a)
        return total


def condition(
    components: Sequence[Component],
    observed: Inputs,
    y: Array,
    task_weights: Array,
    scales: Scales,
    pending: Inputs | None = None,
) -> TargetModel:
    """The mixture given the target's trials.

    Args:
        components: The processes.
        observed: Inputs of the n finished trials.
        y: Their values, lower is better, of about unit spread.  # (n,)
        task_weights: w, sum 1.  # (T,)
        scales: The residual's length scales.
        pending: Inputs of running trials: they narrow the variance and leave the mean alone.
    """
    inputs = observed if pending is None else _joined(observed, pending)
    kinds = [h.residual_kind for h in components]
    relations = _Relations.of(inputs, inputs, task_weights, scales, kinds)
    m = observed.Z @ task_weights
    posteriors = tuple(_posterior(h, relations.covariance(h), y, h.slope * m) for h in components)
    logs = np.array([p.log_evidence + np.log(p.component.odds) for p in posteriors])
    weights = np.exp(logs - logs.max())
    return TargetModel(inputs, task_weights, scales, posteriors, weights / weights.sum())


def _posterior(h: Component, K: Array, y: Array, m: Array) -> _Posterior:
    """One component given y (n,), its mean m (n,) and its covariance K (n + p, n + p)."""
    n, n_all = len(y), len(K)
    if n_all == 0:
        empty = np.zeros(0)
        return _Posterior(h, 0.0, 1.0, np.zeros((0, 0)), empty, 0.0, np.inf, empty, 1.0)
    L = cholesky(K + h.noise**2 * np.eye(n_all), lower=True, check_finite=False)
    ones = cho_solve((L, True), np.ones(n_all), check_finite=False)
    if n == 0:
        return _Posterior(h, 0.0, 1.0, L, np.zeros(0), 0.0, np.inf, ones, float(ones.sum()))
    L_n = L[:n, :n]  # The factor of the leading block: the observed trials alone.
    columns = np.column_stack([y, m, np.ones(n)])
    half = solve_triangular(L_n, columns, lower=True, check_finite=False)
    G = half.T @ half  # Inner products of y, m and 1 under Sigma^-1.
    yPy, yPm, mPm = (G[i, j] - G[i, 2] * G[j, 2] / G[2, 2] for i, j in ((0, 0), (0, 1), (1, 1)))
    u = _unit(n, yPy, yPm)
    log_evidence = _log_evidence(n, u, yPy, yPm, mPm)
    log_evidence -= np.log(np.diag(L_n)).sum() + 0.5 * np.log(G[2, 2])
    constant = (u * G[0, 2] - G[1, 2]) / G[2, 2]
    alpha = cho_solve((L_n, True), u * y - m - constant, check_finite=False)
    incumbent = float((constant + m + K[:n, :n] @ alpha).min())
    return _Posterior(
        h, float(log_evidence), u, L, alpha, constant, incumbent, ones, float(ones.sum())
    )


def _predicted(p: _Posterior, cross: Array, m: Array, spread: Array) -> tuple[Array, Array]:
    """Mean and standard deviation (M,) of one component, in units of y.

    Args:
        p: The component's posterior.
        cross: Covariance of candidates and trials.  # (M, n + p)
        m: The priors' mean at the candidates.  # (M,)
        spread: Squared length of C at the candidates.  # (M,)
    """
    h = p.component
    mean = p.constant + h.slope * m + cross[:, : len(p.alpha)] @ p.alpha
    variance = h.residual**2 + h.deviation**2 * spread
    if cross.shape[1]:
        half = solve_triangular(p.cholesky, cross.T, lower=True, check_finite=False)
        # The last term is what the trials leave open of the unknown constant.
        variance = (
            variance - np.sum(half * half, axis=0) + (1.0 - cross @ p.ones) ** 2 / p.precision
        )
    return mean / p.unit, np.sqrt(np.maximum(variance, 1e-12)) / p.unit


def _unit(n: int, yPy: float, yPm: float) -> float:
    """The most probable unit u under the scale-free prior p(u) ~ 1 / u.

    With c integrated out, log p(y | u) = (n - 1) log u - (u^2 y'Py - 2 u y'Pm + m'Pm) / 2; its
    maximum over log u is the positive root of u^2 y'Py - u y'Pm - (n - 1) = 0.
    """
    if n < 2 or yPy < 1e-12:
        return 1.0
    return float((yPm + np.sqrt(yPm * yPm + 4.0 * (n - 1) * yPy)) / (2.0 * yPy))


def _log_evidence(n: int, u: float, yPy: float, yPm: float, mPm: float) -> float:
    """The terms of log p(y) that depend on u, which Laplace's method integrates out."""
    misfit = -0.5 * (u * u * yPy - 2.0 * u * yPm + mPm)
    if n < 2:
        return misfit
    curvature = max(2.0 * u * u * yPy - u * yPm, 1e-12)
    return misfit + (n - 1) * float(np.log(u)) - 0.5 * float(np.log(curvature))


def _deviations(Z: Array, w: Array) -> Array:
    """C, the priors' weighted deviations from their mean.  # (n, T)"""
    deviations: Array = np.sqrt(w) * (Z - (Z @ w)[:, None])
    return deviations


def _joined(a: Inputs, b: Inputs) -> Inputs:
    return Inputs(np.vstack([a.Z, b.Z]), np.vstack([a.X, b.X]))

"""The components of the target's mixture: which there are, and each conditioned in closed form.

With mean b m(x) + c, c under a flat prior, and the target's unit, 1 / u, unknown as well,

    u y ~ N(c + b m, K + sigma_n^2 I).
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace
from enum import Enum
from itertools import product

import numpy as np
from scipy.linalg.lapack import dpotrf
from scipy.linalg.lapack import dpotrs
from scipy.linalg.lapack import dtrtrs

from optuna_meta._typing import Array


__all__ = ["Arm", "Component", "Posterior", "components", "mean_of", "posterior", "predicted"]

# Values have unit spread, so that all deviations are shares of it.
_DEVIATIONS = (0.5, 1.0)  # From half as free as the prior studies are of each other to as free.
# Little that no prior study shows, on their length scales; or much of it, on the target's own.
_RESIDUALS = ((0.2, False), (0.6, True))
_NOISES = (0.03, 0.15)  # Training that repeats itself nearly, or with visible noise.
_COLD_NOISES = (0.01, 0.04, 0.2, 1.0)  # To the last, which takes all there is for noise.
_MIDDLING = 0.1  # Noise where one component must do.
_SMOOTH = 2.0  # Stretch of a component for functions smoother than the length scales found.
# Of the trust. With the arms' odds squared, reversing then chooses no trial before any evidence.
_REVERSE = 0.15


class Arm(Enum):
    """What a component makes of the prior studies."""

    FOLLOW = 1
    COLD = 0  # nothing
    REVERSE = -1


@dataclass(frozen=True)
class Component:
    """One process of the mixture.

    Args:
        slope: b, the share of the priors' mean that the target follows (-1: the reverse).
        deviation: sigma_a, how freely the target departs in the priors' own directions.
        residual: sigma_r, how far it departs in directions that no prior shows.
        noise: sigma_n.
        target_scales: Whether the residual has the length scales that the target's own trials
            show, or those of the prior studies.
        stretch: Factor on the residual's length scales.
        odds: Prior probability, up to a factor.
    """

    slope: float
    deviation: float
    residual: float
    noise: float
    target_scales: bool = False
    stretch: float = 1.0
    odds: float = 1.0

    @property
    def residual_kind(self) -> tuple[bool, float]:
        """What components with the same correlation of the residual share."""
        return self.target_scales, self.stretch

    @property
    def transfers(self) -> bool:
        """Whether the component uses the priors at all."""
        return self.slope != 0.0 or self.deviation != 0.0

    @property
    def arm(self) -> Arm:
        """What the component makes of the priors."""
        if not self.transfers:
            return Arm.COLD
        return Arm.REVERSE if self.slope < 0.0 else Arm.FOLLOW

    @property
    def is_noise(self) -> bool:
        """Whether the component sees as much noise as there is to see."""
        return not self.transfers and self.noise >= self.residual


def components(trust: float) -> tuple[Component, ...]:
    """List the components; those that use the prior studies share the probability ``trust``.

    Args:
        trust: Prior probability, in (0, 1), that the prior studies inform the target.
    """
    following = [
        Component(1.0, deviation, residual, noise, target_scales)
        for deviation, (residual, target_scales), noise in product(
            _DEVIATIONS, _RESIDUALS, _NOISES
        )
    ]
    reversing = [Component(-1.0, 1.0, 0.5, _MIDDLING, target_scales=True)]
    cold = [
        *(Component(0.0, 0.0, 1.0, noise, target_scales=True) for noise in _COLD_NOISES),
        Component(0.0, 0.0, 1.0, _MIDDLING, target_scales=True, stretch=_SMOOTH),
        Component(0.0, 0.0, 1.0, _MIDDLING),
    ]
    reverse = _REVERSE * trust
    shares = ((following, trust - reverse), (reversing, reverse), (cold, 1.0 - trust))
    return tuple(
        replace(component, odds=share / len(group))
        for group, share in shares
        for component in group
        if share > 0.0
    )


@dataclass(frozen=True)
class Posterior:
    """One component after n finished and p pending trials.

    Args:
        component: The component.
        log_evidence: Log marginal likelihood of y, up to a constant that all components share.
        unit: u: y times u is in the priors' units.
        cholesky: Lower factor of Sigma, the trials' covariance with noise.  # (n + p, n + p)
        alpha: Sigma^-1 (u y - b m - c).  # (n,)
        constant: c.
        fitted: Posterior means at the trials.  # (n,)
        ones: Sigma^-1 1.  # (n + p,)
        precision: 1' Sigma^-1 1.
    """

    component: Component
    log_evidence: float
    unit: float
    cholesky: Array  # (n + p, n + p)
    alpha: Array  # (n,)
    constant: float
    fitted: Array  # (n,)
    ones: Array  # (n + p,)
    precision: float


def posterior(h: Component, K: Array, y: Array, m: Array, own: Array) -> Posterior:
    """Condition one component.

    Args:
        h: The component.
        K: Its covariance of the finished, then the pending trials, without noise.
            # (n + p, n + p)
        y: Values of the finished trials.  # (n,)
        m: Its mean there, b m(x).  # (n,)
        own: Variances of trials whose values are uncertain, beside the noise.  # (n + p,)
    """
    n, n_all = len(y), len(K)
    if n_all == 0:
        empty = np.zeros(0)
        return Posterior(h, 0.0, 1.0, np.zeros((0, 0)), empty, 0.0, empty, empty, 1.0)
    L = _cholesky(K + np.diag(h.noise**2 + own))
    ones = dpotrs(L, np.ones(n_all), lower=True)[0]
    if n == 0:
        return Posterior(h, 0.0, 1.0, L, np.zeros(0), 0.0, np.zeros(0), ones, float(ones.sum()))
    L_n = L[:n, :n]  # The factor of the leading block: the observed trials alone.
    columns = np.column_stack([y, m, np.ones(n)])
    half = dtrtrs(L_n, columns, lower=True)[0]
    G = half.T @ half  # Inner products of y, m and 1 under Sigma^-1.
    yPy, yPm, mPm = (G[i, j] - G[i, 2] * G[j, 2] / G[2, 2] for i, j in ((0, 0), (0, 1), (1, 1)))
    u = _unit(n, yPy, yPm)
    log_evidence = _log_evidence(n, u, yPy, yPm, mPm)
    log_evidence -= np.log(np.diag(L_n)).sum() + 0.5 * np.log(G[2, 2])
    constant = (u * G[0, 2] - G[1, 2]) / G[2, 2]
    alpha = dpotrs(L_n, u * y - m - constant, lower=True)[0]
    fitted = constant + m + K[:n, :n] @ alpha
    return Posterior(
        h, float(log_evidence), u, L, alpha, constant, fitted, ones, float(ones.sum())
    )


def mean_of(p: Posterior, cross: Array, m: Array) -> Array:
    """Return the mean (M,) of one component, in units of y; see :func:`predicted`."""
    mean = p.constant + p.component.slope * m + cross[:, : len(p.alpha)] @ p.alpha
    return np.asarray(mean / p.unit)


def predicted(p: Posterior, cross: Array, m: Array, spread: Array) -> tuple[Array, Array]:
    """Return mean and standard deviation (M,) of one component, in units of y.

    Args:
        p: The component's posterior.
        cross: Covariance of candidates and trials.  # (M, n + p)
        m: The priors' mean at the candidates.  # (M,)
        spread: Squared length of C at the candidates.  # (M,)
    """
    h = p.component
    variance = h.residual**2 + h.deviation**2 * spread
    if cross.shape[1]:
        half = dtrtrs(p.cholesky, cross.T, lower=True)[0]
        # The last term is what the trials leave open of the unknown constant.
        variance = (
            variance - np.sum(half * half, axis=0) + (1.0 - cross @ p.ones) ** 2 / p.precision
        )
    return mean_of(p, cross, m), np.sqrt(np.maximum(variance, 1e-12)) / p.unit


def _unit(n: int, yPy: float, yPm: float) -> float:
    """Return the most probable unit u under the scale-free prior p(u) ~ 1 / u.

    With c integrated out, log p(y | u) = (n - 1) log u - (u^2 y'Py - 2 u y'Pm + m'Pm) / 2; its
    maximum over log u is the positive root of u^2 y'Py - u y'Pm - (n - 1) = 0.
    """
    if n < 2 or yPy < 1e-12:
        return 1.0
    return float((yPm + np.sqrt(yPm * yPm + 4.0 * (n - 1) * yPy)) / (2.0 * yPy))


def _log_evidence(n: int, u: float, yPy: float, yPm: float, mPm: float) -> float:
    """Return the terms of log p(y) that depend on u, which Laplace's method integrates out."""
    misfit = -0.5 * (u * u * yPy - 2.0 * u * yPm + mPm)
    if n < 2:
        return misfit
    curvature = max(2.0 * u * u * yPy - u * yPm, 1e-12)
    return misfit + (n - 1) * float(np.log(u)) - 0.5 * float(np.log(curvature))


def _cholesky(Sigma: Array) -> Array:
    """Factor Sigma (n, n). LAPACK's own routine: at this size SciPy's checks cost as much."""
    L, info = dpotrf(Sigma, lower=True, clean=True)
    if info != 0:
        raise np.linalg.LinAlgError(f"Covariance of {len(Sigma)} trials is not positive definite.")
    return np.asarray(L)

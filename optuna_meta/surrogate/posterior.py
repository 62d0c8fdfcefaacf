"""One process of the target's mixture, conditioned in closed form.

With mean b m(x) + c, c under a flat prior, and the target's unit, 1 / u, unknown as well,

    u y ~ N(c + b m, K + sigma_n^2 I).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dpotrf
from scipy.linalg.lapack import dpotrs
from scipy.linalg.lapack import dtrtrs

from optuna_meta._typing import Array
from optuna_meta.surrogate.components import Component


__all__ = ["Posterior", "posterior", "predicted"]


@dataclass(frozen=True)
class Posterior:
    component: Component
    log_evidence: float
    unit: float  # u: y times u is in the priors' units
    cholesky: Array  # (n, n)
    alpha: Array  # (n,), Sigma^-1 (u y - b m - c)
    constant: float  # c
    fitted: Array  # (n,), posterior means at the trials
    ones: Array  # (n + p,), Sigma^-1 1
    precision: float  # 1' Sigma^-1 1


def posterior(h: Component, K: Array, y: Array, m: Array) -> Posterior:
    """One component given y (n,), its mean m (n,) and its covariance K (n + p, n + p)."""
    n, n_all = len(y), len(K)
    if n_all == 0:
        empty = np.zeros(0)
        return Posterior(h, 0.0, 1.0, np.zeros((0, 0)), empty, 0.0, empty, empty, 1.0)
    L = _cholesky(K + h.noise**2 * np.eye(n_all))
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


def predicted(p: Posterior, cross: Array, m: Array, spread: Array) -> tuple[Array, Array]:
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
        half = dtrtrs(p.cholesky, cross.T, lower=True)[0]
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


def _cholesky(Sigma: Array) -> Array:
    """Lower factor (n, n). LAPACK's own routine: at this size SciPy's checks cost as much."""
    L, info = dpotrf(Sigma, lower=True, clean=True)
    if info != 0:
        raise np.linalg.LinAlgError(f"Covariance of {len(Sigma)} trials is not positive definite.")
    factor: Array = L
    return factor

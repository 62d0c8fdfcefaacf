"""Length scales that the target's own trials show, by maximum a posteriori."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf
from scipy.linalg.lapack import dpotrs
from scipy.optimize import minimize

from optuna_meta._typing import Array
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.mixture_gp import Scales


__all__ = ["target_precisions", "residual_scales", "typical_precisions"]

_LEAST_TRIALS = 4
_ITERATIONS = 20
_SPREAD = 1.2  # Standard deviation of a log precision around the initial one.
_TYPICAL_LOG_NOISE = np.log(0.02)
_NOISE_SPREAD = 1.5
_LEAST_NOISE = 1e-4


def target_precisions(X: Array, y: Array, owners: NDArray[np.int64], initial: Array) -> Array:
    """Inverse squared length scales (D,) of a Matern-5/2 process with constant mean.

    The constant and the amplitude are integrated out or profiled; the noise is fitted along.

    Args:
        X: Design of the trials.  # (n, W)
        y: Their values.  # (n,)
        owners: Dimension of each design column.  # (W,)
        initial: Precisions before any trial, the centre of the prior.  # (D,)
    """
    if len(y) < _LEAST_TRIALS or np.ptp(y) == 0.0:
        return initial
    columns = (X[:, None, :] - X[None, :, :]) ** 2
    squared = np.stack([columns[:, :, owners == d].sum(-1) for d in range(len(initial))])
    start = np.append(np.log(initial), _TYPICAL_LOG_NOISE)
    centre, spread = start.copy(), np.append(np.full(len(initial), _SPREAD), _NOISE_SPREAD)

    def loss(theta: Array) -> tuple[float, Array]:
        value, gradient = _negative_log_likelihood(theta, squared, y)
        shift = (theta - centre) / spread
        return value + 0.5 * float(shift @ shift), gradient + shift / spread

    bounds = [(c - 6.0, c + 6.0) for c in centre]
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _ITERATIONS}
    )
    precisions: Array = np.exp(found.x[:-1])
    return precisions


def _negative_log_likelihood(theta: Array, squared: Array, y: Array) -> tuple[float, Array]:
    """Restricted likelihood with the amplitude profiled, and its gradient.

    Args:
        theta: Log precisions, then the log noise in units of the amplitude.  # (D + 1,)
        squared: Squared distances by dimension.  # (D, n, n)
        y: Values.  # (n,)
    """
    n = len(y)
    precisions, noise = np.exp(theta[:-1]), np.exp(theta[-1])
    root = np.sqrt(5.0 * np.tensordot(precisions, squared, 1))
    decay = np.exp(-root)
    R = (1.0 + root + root * root / 3.0) * decay
    R[np.diag_indices(n)] += noise + _LEAST_NOISE
    L, _ = dpotrf(R, lower=True, clean=True)
    inverse, _ = dpotrs(L, np.eye(n), lower=True)
    ones = inverse.sum(axis=1)
    total = ones.sum()
    projection = inverse - np.outer(ones, ones) / total  # P = R^-1 - R^-1 1 1' R^-1 / 1' R^-1 1
    residual = projection @ y
    misfit = float(y @ residual)
    value = 0.5 * (n - 1) * np.log(misfit) + np.log(np.diag(L)).sum() + 0.5 * np.log(total)
    # d value / d R = (P - (n - 1) P y y' P / y' P y) / 2
    slope = 0.5 * (projection - (n - 1) / misfit * np.outer(residual, residual))
    by_distance = slope * (-5.0 / 6.0) * (1.0 + root) * decay
    gradient = precisions * np.tensordot(squared, by_distance, 2)
    return float(value), np.append(gradient, noise * np.trace(slope))


def typical_precisions(fitted: FittedPrior) -> Array:
    """Precision of each dimension: the median of the studies that tuned it.  # (D,)"""
    precisions = fitted.parameters.precisions
    default = 8.0 / max(precisions.shape[1], 1)
    known = [column[column > 0.0] for column in precisions.T]
    return np.array([np.median(k) if len(k) else default for k in known])


def residual_scales(X: Array, y: Array, owners: NDArray[np.int64], precisions: Array) -> Scales:
    """The residual's length scales: the priors' precisions (D,), and those y (n,) shows at X."""
    default = np.full(len(precisions), 8.0 / max(len(precisions), 1))
    own = target_precisions(X, y, owners, default)
    return Scales(np.sqrt(precisions)[owners], np.sqrt(own)[owners])

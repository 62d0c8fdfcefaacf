"""The covariance, Matern-5/2 over the columns of a space's design, and its length scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf
from scipy.linalg.lapack import dpotrs

from optuna_meta._typing import Array
from optuna_meta.space.search_space import Space


__all__ = [
    "Scales",
    "column_owners",
    "default_precisions",
    "design",
    "matern52",
    "matern52_over",
    "residual_scales",
    "squared_distances",
    "target_precisions",
]

_HALF_ROOT = np.sqrt(0.5)  # Two different choices are then at distance 1, as 0 and 1 are.
_LEAST_TRIALS = 4  # Fewer show no length scale.
_ITERATIONS = 20  # Of L-BFGS-B: from the prior's centre it has settled by then.
# The prior is log-normal: precisions within a factor of eleven at two standard deviations, and
# noise of about 2 % of the variance, within a factor of twenty.
_SPREAD = 1.2
_TYPICAL_LOG_NOISE = np.log(0.02)
_NOISE_SPREAD = 1.5
_LEAST_NOISE = 1e-4  # Keeps the covariance positive definite.
_TYPICAL_PRECISION = 8.0  # Over D: two random rows are then some more than a length scale apart.


def column_owners(space: Space) -> NDArray[np.int64]:
    """Return the dimension that each column of the design belongs to.  # (W,)"""
    widths = [int(d.size) if d.is_categorical else 2 for d in space.dimensions]
    return np.repeat(np.arange(len(widths)), widths)


def design(rows: Array, space: Space) -> Array:
    """Return rows as columns: a number's cell and its activity, a choice's indicators.  # (n, W)

    An inactive number stands in the middle of its range; an inactive or unseen choice has no
    indicator, so that it is equally far from all of them.
    """
    columns, present = [], ~np.isnan(rows)
    for i, dimension in enumerate(space.dimensions):
        cells = rows[:, i]
        if dimension.is_categorical:
            columns += [_HALF_ROOT * (cells == k) for k in range(int(dimension.size))]
        else:
            columns += [np.where(present[:, i], cells, 0.5), _HALF_ROOT * present[:, i]]
    return np.stack(columns, axis=1) if columns else np.zeros((len(rows), 0))


def squared_distances(a: Array, b: Array) -> Array:
    """Return squared Euclidean distances (..., n, m) of points (..., n, W) and (..., m, W)."""
    distances: Array = np.matmul(a, -2.0 * np.swapaxes(b, -1, -2))
    distances += np.einsum("...w,...w->...", a, a)[..., :, None]
    distances += np.einsum("...w,...w->...", b, b)[..., None, :]
    return np.maximum(distances, 0.0, out=distances)


def matern52(squared: Array) -> Array:
    """Return the Matern-5/2 correlation of squared scaled distances, any shape."""
    five = np.multiply(squared, 5.0, out=np.empty(np.shape(squared)))
    matern52_over(five, np.empty_like(five), np.empty_like(five))
    return five


def matern52_over(five: Array, root: Array, decay: Array) -> None:
    """Overwrite five times the squared distances with their Matern-5/2 correlation.

    New memory for each step costs more than the steps: a caller with many blocks lends its own.

    Args:
        five: Five times the squared scaled distances, any shape; then the correlation.
        root: Memory of the same shape.
        decay: Memory of the same shape.
    """
    np.sqrt(five, out=root)
    np.exp(np.negative(root, out=decay), out=decay)
    five *= 1.0 / 3.0
    five += root
    five += 1.0
    five *= decay


@dataclass(frozen=True)
class Scales:
    """Inverse length scales of the residual, by column of the design.

    Args:
        prior: Those of the prior studies.  # (W,)
        target: Those that the target's own trials show.  # (W,)
    """

    prior: Array  # (W,)
    target: Array  # (W,)

    def roots(self, of_target: bool) -> Array:
        """Return one of the two.  # (W,)"""
        return self.target if of_target else self.prior


def default_precisions(n_dims: int) -> Array:
    """Return the precisions before anything is known of them.  # (D,)"""
    return np.full(n_dims, _TYPICAL_PRECISION / max(n_dims, 1))


def residual_scales(X: Array, y: Array, owners: NDArray[np.int64], precisions: Array) -> Scales:
    """Return the residual's inverse length scales.

    Args:
        X: Design of the target's trials.  # (n, W)
        y: Their values.  # (n,)
        owners: Dimension of each design column.  # (W,)
        precisions: Those of the prior studies.  # (D,)
    """
    own = target_precisions(X, y, owners, default_precisions(len(precisions)))
    return Scales(np.sqrt(precisions)[owners], np.sqrt(own)[owners])


def target_precisions(X: Array, y: Array, owners: NDArray[np.int64], initial: Array) -> Array:
    """Fit inverse squared length scales (D,) of a Matern-5/2 process with constant mean.

    The constant and the amplitude are integrated out or profiled; the noise is fitted along.

    Args:
        X: Design of the trials.  # (n, W)
        y: Their values.  # (n,)
        owners: Dimension of each design column.  # (W,)
        initial: Precisions before any trial, the centre of the prior.  # (D,)
    """
    if len(y) < _LEAST_TRIALS or np.ptp(y) == 0.0:
        return initial
    from scipy.optimize import minimize  # A first suggestion needs none, and its import time.

    by_dimension = (X[:, owners == d] for d in range(len(initial)))
    squared = np.stack([squared_distances(columns, columns) for columns in by_dimension])
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
    return np.asarray(np.exp(found.x[:-1]))


def _negative_log_likelihood(theta: Array, squared: Array, y: Array) -> tuple[float, Array]:
    """Return the restricted likelihood with the amplitude profiled, and its gradient.

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

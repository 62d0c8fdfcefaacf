"""A plain Gaussian process of numbers and categories, and expected improvement.

Matern-5/2 with a length scale for each parameter; another choice is a distance of 1. Fitted by
maximum a posteriori: weak priors keep it sane with few observations.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor
from scipy.linalg import cho_solve
from scipy.linalg import cholesky
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from scipy.stats import norm


__all__ = ["GP", "Hyperparameters", "condition", "expected_improvement", "fit_gp"]

Array = NDArray[np.float64]
_BOUNDS = ((np.log(0.02), np.log(20.0)), (np.log(0.05), np.log(20.0)), (np.log(1e-6), np.log(1.0)))
_CENTRES = (np.log(0.5), 0.0, np.log(1e-2))  # of length scales, signal variance, noise variance
_WIDTHS = (1.0, 1.0, 2.0)


class Hyperparameters(NamedTuple):
    """Of a GP whose observations have mean 0 and roughly variance 1."""

    scales: Array  # (width,) length scales
    signal: float  # variance
    noise: float  # variance


class GP(NamedTuple):
    """A GP after its observations."""

    X: Array  # (n, width)
    y: Array  # (n,)
    categorical: NDArray[np.bool_]  # (width,)
    hyperparameters: Hyperparameters
    mean: float  # subtracted from y
    factor: Array  # (n, n) lower Cholesky factor of the covariance of y
    solved: Array  # (n,) covariance^-1 (y - mean)

    def predict(self, X: Array) -> tuple[Array, Array]:
        """Mean (m,) and standard deviation (m,) of the function at rows (m, width)."""
        _, signal, _ = self.hyperparameters
        if not len(self.X):
            return np.full(len(X), self.mean), np.full(len(X), np.sqrt(signal))
        K = _kernel(self.X, X, self.categorical, self.hyperparameters)
        half = solve_triangular(self.factor, K, lower=True)
        variance = signal - np.sum(half**2, axis=0)
        return self.mean + K.T @ self.solved, np.sqrt(np.maximum(variance, 1e-10))

    def left_out(self) -> Array:
        """Mean (n,) at each observation from all others, with these hyperparameters."""
        inverse = cho_solve((self.factor, True), np.eye(len(self.y)))
        return self.y - self.solved / np.diag(inverse)  # Rasmussen & Williams, eq. 5.12


def fit_gp(X: Array, y: Array, categorical: NDArray[np.bool_]) -> GP:
    """The GP of observations y (n,) at rows X (n, width)."""
    width = X.shape[1]
    start = np.array([_CENTRES[0]] * width + list(_CENTRES[1:]))
    if len(y) < 2:
        return condition(X, y, categorical, _unpacked(start))
    distances = np.stack([_distances(X, X, i, bool(c)) for i, c in enumerate(categorical)])
    bounds = [_BOUNDS[0]] * width + list(_BOUNDS[1:])
    options = {"maxiter": 100}
    best = minimize(
        *(_loss, start, (distances, y - y.mean())), jac=True, bounds=bounds, options=options
    )
    return condition(X, y, categorical, _unpacked(best.x))


def condition(
    X: Array, y: Array, categorical: NDArray[np.bool_], hyperparameters: Hyperparameters
) -> GP:
    """The GP with given hyperparameters."""
    mean = float(y.mean()) if len(y) else 0.0
    K = _kernel(X, X, categorical, hyperparameters) + hyperparameters.noise * np.eye(len(y))
    factor = cholesky(K, lower=True)
    solved = cho_solve((factor, True), y - mean) if len(y) else y
    return GP(X, y, categorical, hyperparameters, mean, factor, solved)


def expected_improvement(mean: Array, std: Array, best: float) -> Array:
    """By how much a normal value is expected to be below the best one; (m,)."""
    gap = (best - mean) / std
    improvement: Array = std * (gap * norm.cdf(gap) + norm.pdf(gap))
    return improvement


def _kernel(
    A: Array, B: Array, categorical: NDArray[np.bool_], hyperparameters: Hyperparameters
) -> Array:
    squared = np.zeros((len(A), len(B)))
    for i, scale in enumerate(hyperparameters.scales):
        squared += _distances(A, B, i, bool(categorical[i])) / scale**2
    r = np.sqrt(5.0 * squared)
    return hyperparameters.signal * (1.0 + r + r**2 / 3.0) * np.exp(-r)


def _distances(A: Array, B: Array, i: int, categorical: bool) -> Array:
    """Squared distances (n, m) in one parameter."""
    gap = A[:, i, None] - B[None, :, i]
    return (gap != 0.0).astype(float) if categorical else gap**2


def _loss(theta: Array, distances: Array, y: Array) -> tuple[float, Array]:
    """Negative log posterior and its gradient, (width + 2,)."""
    scales, signal, noise = _unpacked(theta)
    weighted = distances / scales[:, None, None] ** 2
    r = np.sqrt(5.0 * weighted.sum(axis=0))
    decay = np.exp(-r)
    K = signal * (1.0 + r + r**2 / 3.0) * decay
    factor = cho_factor(K + (noise + 1e-9) * np.eye(len(y)), lower=True)
    solved = cho_solve(factor, y)
    slope = 0.5 * (cho_solve(factor, np.eye(len(y))) - np.outer(solved, solved))  # dloss / dK
    by_scale = signal * 5.0 / 3.0 * (1.0 + r) * decay  # dK / dlog(scale) = this * weighted
    gradient = np.array(
        [
            *np.einsum("ij,wij->w", slope * by_scale, weighted),
            np.sum(slope * K),
            noise * np.trace(slope),
        ]
    )
    loss = 0.5 * y @ solved + np.log(np.diag(factor[0])).sum()
    width = len(scales)
    centres = np.array([_CENTRES[0]] * width + list(_CENTRES[1:]))
    widths = np.array([_WIDTHS[0]] * width + list(_WIDTHS[1:]))
    shift = (theta - centres) / widths
    return float(loss + 0.5 * shift @ shift), gradient + shift / widths


def _unpacked(theta: Array) -> Hyperparameters:
    return Hyperparameters(np.exp(theta[:-2]), float(np.exp(theta[-2])), float(np.exp(theta[-1])))

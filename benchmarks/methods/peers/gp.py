"""A Gaussian process (Matern-5/2, maximum a posteriori), and expected improvement."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from scipy.linalg import cholesky
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from scipy.stats import norm

from benchmarks.tasks.base import Array


# Bounds, and mean and standard deviation of normal priors, of the logarithms of length scales (of
# the unit interval), signal variance and noise variance (of normal scores, whose variance is 1).
_BOUNDS = np.log([[0.02, 20.0], [0.05, 20.0], [1e-6, 1.0]])
_CENTRES = np.log([0.5, 1.0, 1e-2])
_WIDTHS = np.array([1.0, 1.0, 2.0])


class Hyperparameters(NamedTuple):
    scales: Array  # (width,) length scales
    signal: float  # variance
    noise: float  # variance


class GP(NamedTuple):
    X: Array  # (n, width)
    y: Array  # (n,)
    categorical: NDArray[np.bool_]  # (width,)
    hyperparameters: Hyperparameters
    mean: float  # subtracted from y
    factor: Array  # (n, n) lower Cholesky factor of the covariance of y
    solved: Array  # (n,) covariance^-1 (y - mean)

    def predict(self, X: Array) -> tuple[Array, Array]:
        """Return mean (m,) and standard deviation (m,) of the function at rows (m, width)."""
        signal = self.hyperparameters.signal
        if not len(self.X):
            return np.full(len(X), self.mean), np.full(len(X), np.sqrt(signal))
        K, _, _ = _kernel(_distances(self.X, X, self.categorical), self.hyperparameters)
        half = solve_triangular(self.factor, K, lower=True)
        variance = signal - np.sum(half**2, axis=0)
        return self.mean + K.T @ self.solved, np.sqrt(np.maximum(variance, 1e-10))

    def left_out(self) -> Array:
        """Return the mean (n,) at each observation from all others, same hyperparameters."""
        inverse = cho_solve((self.factor, True), np.eye(len(self.y)))
        return self.y - self.solved / np.diag(inverse)  # Rasmussen & Williams, eq. 5.12


def fit_gp(X: Array, y: Array, categorical: NDArray[np.bool_]) -> GP:
    """Return the GP of observations y (n,) at rows X (n, width)."""
    width = X.shape[1]
    start = _repeated(_CENTRES, width)
    if len(y) < 2:
        return condition(X, y, categorical, _unpacked(start))
    data = (_distances(X, X, categorical), y - y.mean())
    options = {"jac": True, "bounds": _repeated(_BOUNDS, width), "options": {"maxiter": 100}}
    best = minimize(_loss, start, data, **options)
    return condition(X, y, categorical, _unpacked(best.x))


def condition(
    X: Array, y: Array, categorical: NDArray[np.bool_], hyperparameters: Hyperparameters
) -> GP:
    """Return the GP of y (n,) at X (n, width) with given hyperparameters."""
    mean = float(y.mean()) if len(y) else 0.0
    K, _, _ = _kernel(_distances(X, X, categorical), hyperparameters)
    factor = cholesky(K + hyperparameters.noise * np.eye(len(y)), lower=True)
    solved = cho_solve((factor, True), y - mean) if len(y) else y
    return GP(X, y, categorical, hyperparameters, mean, factor, solved)


def expected_improvement(mean: Array, std: Array, best: float) -> Array:
    """Return by how much normal values (m,) are expected to be below the best one, (m,)."""
    gap = (best - mean) / std
    return np.asarray(std * (gap * norm.cdf(gap) + norm.pdf(gap)))


def _distances(A: Array, B: Array, categorical: NDArray[np.bool_]) -> Array:
    """Return squared distances in each parameter, (width, n, m)."""
    gaps = A.T[:, :, None] - B.T[:, None, :]
    return np.where(categorical[:, None, None], (gaps != 0.0).astype(float), gaps**2)


def _kernel(distances: Array, hyperparameters: Hyperparameters) -> tuple[Array, Array, Array]:
    """Return the covariance, the scaled distances and their decay, (n, m) each."""
    weighted = distances / hyperparameters.scales[:, None, None] ** 2
    r = np.sqrt(5.0 * weighted.sum(axis=0))
    decay = np.exp(-r)
    return hyperparameters.signal * (1.0 + r + r**2 / 3.0) * decay, r, decay


def _loss(theta: Array, distances: Array, y: Array) -> tuple[float, Array]:
    """Return the negative log posterior and its gradient, (width + 2,)."""
    scales, signal, noise = hyperparameters = _unpacked(theta)
    K, r, decay = _kernel(distances, hyperparameters)
    factor = cholesky(K + (noise + 1e-9) * np.eye(len(y)), lower=True)
    solved = cho_solve((factor, True), y)
    slope = 0.5 * (cho_solve((factor, True), np.eye(len(y))) - np.outer(solved, solved))
    by_scale = slope * signal * 5.0 / 3.0 * (1.0 + r) * decay  # dK / dlog(scale), of the slope
    by_scales = np.einsum("ij,wij->w", by_scale, distances) / scales**2
    gradient = np.array([*by_scales, np.sum(slope * K), noise * np.trace(slope)])
    loss = 0.5 * y @ solved + np.log(np.diag(factor)).sum()
    centres, widths = (_repeated(values, len(scales)) for values in (_CENTRES, _WIDTHS))
    shift = (theta - centres) / widths
    return float(loss + 0.5 * shift @ shift), gradient + shift / widths


def _repeated(values: Array, width: int) -> Array:
    """Return the first of three values once a length scale, then the two others."""
    return np.concatenate([np.repeat(values[:1], width, axis=0), values[1:]])


def _unpacked(theta: Array) -> Hyperparameters:
    return Hyperparameters(np.exp(theta[:-2]), float(np.exp(theta[-2])), float(np.exp(theta[-1])))

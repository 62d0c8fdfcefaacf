"""How well a source suits a new task, from features or predictions alone: LogME and LEEP.

K. You, Y. Liu, J. Wang, M. Long: LogME: Practical Assessment of Pre-trained Models for Transfer
Learning. ICML 2021. C. V. Nguyen, T. Hassner, M. Seeger, C. Archambeau: LEEP: A New Measure to
Evaluate Transferability of Learned Representations. ICML 2020. Higher is better in both, and only
numbers of one task compare.

Notation: ``F (n, d)`` features of n examples, ``y (n,)`` their labels, ``alpha`` the precision of
the weights' prior, ``beta`` that of the noise, ``sigma (k,)`` squared singular values of F.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array


__all__ = ["leep", "log_evidence", "logme"]

# Informative features settle within tens of rounds; the flat evidence of others takes any number.
_MOST_ITERATIONS = 1000
_TOLERANCE = 1e-10  # relative: what is left of float64 after sums over many examples
_LEAST_NOISE = 1e-10  # Share of the labels' variance: a perfect fit has no finite evidence.


def logme(features: Array, labels: NDArray[np.generic]) -> float:
    """Return the greatest log evidence of a linear model of the labels, per example.

    Args:
        features: Of n examples.  # (n, d)
        labels: Whole numbers are classes, each against all others; other numbers are values to
            regress on.  # (n,) or, for values, (n, K)

    Raises:
        ValueError: The features are not finite, or not of the same examples as the labels.
    """
    _require_rows(features, labels, "features")
    columns = _columns(labels)
    left, singular, _ = np.linalg.svd(features.astype(np.float64), full_matrices=False)
    evidences = [_greatest_evidence(left, singular**2, features.shape[1], y) for y in columns.T]
    return float(np.mean(evidences)) / len(features)


def log_evidence(features: Array, y: Array, alpha: float, beta: float) -> float:
    """Return the log density of ``y ~ N(0, F F' / alpha + I / beta)``.

    Args:
        features: F.  # (n, d)
        y: The labels.  # (n,)
        alpha: Precision of the weights.
        beta: Precision of the noise.
    """
    left, singular, _ = np.linalg.svd(features.astype(np.float64), full_matrices=False)
    return _Evidence.of(left, singular**2, features.shape[1], y).at(alpha, beta)


def leep(predictions: Array, labels: NDArray[np.generic]) -> float:
    """Return the mean log likelihood of the labels given the source's predictions.

    Args:
        predictions: Probabilities of the source's own classes.  # (n, Z)
        labels: The new task's classes.  # (n,)

    Raises:
        ValueError: The predictions are no probabilities, or not of the same examples.
    """
    _require_rows(predictions, labels, "predictions")
    if predictions.min() < 0.0 or not np.allclose(predictions.sum(axis=1), 1.0, atol=1e-4):
        raise ValueError(
            "Predictions must be probabilities, with a sum of 1 in each row: apply a softmax to "
            "logits first."
        )
    classes, index = np.unique(labels, return_inverse=True)
    joint = np.zeros((len(classes), predictions.shape[1]))  # P(y, z), eq. (1)
    np.add.at(joint, index, predictions / len(predictions))
    of_source = joint.sum(axis=0)
    possible = of_source > 0.0  # A class that is never predicted says nothing.
    conditional = joint[:, possible] / of_source[possible]  # P(y | z)
    likelihood = (conditional[index] * predictions[:, possible]).sum(axis=1)  # eq. (2)
    return float(np.log(likelihood).mean())


class _Evidence(NamedTuple):
    """What the evidence depends on, in the basis of the features' singular vectors."""

    n: int
    d: int
    sigma: Array  # (k,), k = min(n, d)
    squares: Array  # of y along each left singular vector  # (k,)
    outside: float  # squared length of what no feature reaches of y

    @classmethod
    def of(cls, left: Array, sigma: Array, d: int, y: Array) -> _Evidence:
        squares = (left.T @ y) ** 2
        return cls(len(y), d, sigma, squares, max(float(y @ y - squares.sum()), 0.0))

    def fit(self, alpha: float, beta: float) -> tuple[float, float, float]:
        """Return effective number of parameters, squared length of mean weights, squared error."""
        total = alpha + beta * self.sigma  # Eigenvalues of A.
        n_effective = float((beta * self.sigma / total).sum())
        length = float((beta**2 * self.sigma * self.squares / total**2).sum())
        error = self.outside + float((self.squares * (alpha / total) ** 2).sum())
        return n_effective, length, error

    def at(self, alpha: float, beta: float) -> float:
        """Return the log evidence: eq. (2) of LogME."""
        _, length, error = self.fit(alpha, beta)
        log_det = (self.d - len(self.sigma)) * math.log(alpha)
        log_det += float(np.log(alpha + beta * self.sigma).sum())
        scale = self.d * math.log(alpha) + self.n * math.log(beta / (2.0 * math.pi))
        return 0.5 * (scale - beta * error - alpha * length - log_det)


def _greatest_evidence(left: Array, sigma: Array, d: int, y: Array) -> float:
    """Alternate MacKay's updates of alpha and beta until they settle."""
    evidence = _Evidence.of(left, sigma, d, y)
    least_error = _LEAST_NOISE * (float(y @ y) or 1.0)
    alpha, beta, last = 1.0, 1.0, -math.inf
    for _ in range(_MOST_ITERATIONS):
        n_effective, length, error = evidence.fit(alpha, beta)
        # Useless features drive alpha to infinity: its weights are then of no more account.
        alpha = min(n_effective / max(length, 1e-300), 1e12 * max(float(sigma.max()), 1e-12))
        beta = max(len(y) - n_effective, _TOLERANCE) / max(error, least_error)
        alpha = max(alpha, 1e-12)
        now = evidence.at(alpha, beta)
        if abs(now - last) <= _TOLERANCE * max(1.0, abs(now)):
            break
        last = now
    return now


def _columns(labels: NDArray[np.generic]) -> Array:
    """Return the labels as columns; classes as zeros and ones.  # (n, K)"""
    if labels.ndim == 1 and labels.dtype.kind in "iub":
        return np.asarray(labels[:, None] == np.unique(labels), dtype=np.float64)
    return np.asarray(labels.reshape(len(labels), -1), dtype=np.float64)


def _require_rows(rows: Array, labels: NDArray[np.generic], name: str) -> None:
    if rows.ndim != 2 or len(rows) != len(labels) or len(rows) == 0:
        raise ValueError(
            f"Wanted a row of {name} for each of the {len(labels)} labels, got the shape "
            f"{rows.shape}: flatten what belongs to one example."
        )
    if not np.isfinite(rows).all():
        raise ValueError(f"The {name} are not finite: the source has diverged, leave it out.")

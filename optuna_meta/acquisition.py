"""Expected improvement of a mixture (Jones et al., 1998), lower values are better."""

from __future__ import annotations

import numpy as np
from scipy.special import erfcx
from scipy.special import log_ndtr

from optuna_meta.space import Array


__all__ = ["log_expected_improvement", "mixture_score"]

_LOG_ROOT_TWO_PI = 0.5 * np.log(2.0 * np.pi)


def log_expected_improvement(means: Array, deviations: Array, incumbents: Array) -> Array:
    """log E[max(incumbent - f, 0)] for normal f, accurate far in the tail (Ament et al., 2023).

    Args:
        means: Means of f.  # (..., M)
        deviations: Standard deviations of f, positive.  # (..., M)
        incumbents: Values to improve on, broadcast against them.

    Returns:
        The logarithm.  # (..., M)
    """
    z = (incumbents - means) / deviations
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_pdf = -0.5 * z * z - _LOG_ROOT_TWO_PI
        near = np.log(np.exp(log_pdf) + z * np.exp(log_ndtr(z)))
        # pdf(z) + z cdf(z) = pdf(z) (1 - |z| R(|z|)) with Mills' ratio R of the normal tail.
        ratio = np.sqrt(np.pi / 2.0) * erfcx(-z / np.sqrt(2.0))
        middle = log_pdf + np.log1p(z * ratio)
        far = log_pdf - 2.0 * np.log(np.abs(z))
    log_h = np.where(z > -1.0, near, np.where(z > -1e4, middle, far))
    result: Array = np.log(deviations) + log_h
    return result


def mixture_score(means: Array, deviations: Array, incumbents: Array, weights: Array) -> Array:
    """Log expected improvement under a mixture; before any trial, the lowest mean.

    Args:
        means: Means of K components at M candidates.  # (K, M)
        deviations: Their standard deviations.  # (K, M)
        incumbents: The components' incumbents; infinite before any trial.  # (K,)
        weights: The components' probabilities.  # (K,)

    Returns:
        Scores, higher is better.  # (M,)
    """
    if np.isinf(incumbents).any():
        lowest: Array = -weights @ means
        return lowest
    logs = log_expected_improvement(means, deviations, incumbents[:, None])
    logs = logs + np.log(np.maximum(weights, 1e-300))[:, None]
    score: Array = np.logaddexp.reduce(logs, axis=0)
    return score

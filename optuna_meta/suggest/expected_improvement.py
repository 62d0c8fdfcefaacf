"""Expected improvement of one normal value (Jones et al., 1998), lower is better."""

from __future__ import annotations

import numpy as np
from scipy.special import erfcx
from scipy.special import log_ndtr
from scipy.special import ndtr

from optuna_meta._typing import Array


__all__ = ["expected_improvement", "log_expected_improvement"]

_LOG_ROOT_TWO_PI = 0.5 * np.log(2.0 * np.pi)
_NEVER = -40.0  # Deviations: of what is beyond, floats have nothing left.


def expected_improvement(means: Array, deviations: Array, incumbents: Array) -> Array:
    """Return E[max(incumbent - f, 0)] for normal f.

    Args:
        means: Means of f.  # (..., M)
        deviations: Standard deviations of f, positive.  # (..., M)
        incumbents: Values to improve on, broadcast against them.
    """
    z = np.maximum((incumbents - means) / deviations, _NEVER)
    pdf = np.exp(-0.5 * z * z - _LOG_ROOT_TWO_PI)
    return np.asarray(deviations * np.maximum(pdf + z * ndtr(z), 0.0))


def log_expected_improvement(means: Array, deviations: Array, incumbents: Array) -> Array:
    """Return log E[max(incumbent - f, 0)] for normal f, also far in the tail (Ament et al., 2023).

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
    return np.asarray(np.log(deviations) + log_h)

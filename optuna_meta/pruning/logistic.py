"""Logistic regression that stays near given coefficients where data say little."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from optuna_meta._typing import Array


__all__ = ["chance", "fit_logistic"]


def chance(X: Array, coefficients: Array) -> Array:
    """Return the chances of rows X (..., d).  # (...,)"""
    return np.asarray(expit(X @ coefficients))


def fit_logistic(
    X: Array, y: Array, weights: Array, centre: Array, pull: float, lower: Array, upper: Array
) -> Array:
    """Fit coefficients.  # (d,)

    Args:
        X: Rows.  # (n, d)
        y: What happened, 0 or 1.  # (n,)
        weights: How much each row counts.  # (n,)
        centre: Where the coefficients are without data.  # (d,)
        pull: Precision of that.
        lower: Their least values.  # (d,)
        upper: Their largest values.  # (d,)
    """
    from scipy.optimize import minimize  # Which takes long to import, and few fit anything.

    def loss(coefficients: Array) -> tuple[float, Array]:
        odds, off = X @ coefficients, coefficients - centre
        value = weights @ (np.logaddexp(0.0, odds) - y * odds) + 0.5 * pull * (off @ off)
        return float(value), X.T @ (weights * (expit(odds) - y)) + pull * off

    bounds = list(zip(lower, upper, strict=True))
    return np.asarray(minimize(loss, centre, jac=True, method="L-BFGS-B", bounds=bounds).x)

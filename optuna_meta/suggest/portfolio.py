"""Candidates while nobody can tell which prior study the target is like: a portfolio of them.

Two values always lie on a line, so that the first trials of a target say nothing of its likeness
to one study or the other. A trial is then worth what it would gain if the target were any of them,
as in greedy portfolios of configurations (Wistuba et al., 2015; Feurer et al., 2022).
"""

from __future__ import annotations

import numpy as np

from optuna_meta._typing import Array


__all__ = ["log_portfolio_improvement"]

_LEAST = 1e-300  # Logarithms stay finite.


def log_portfolio_improvement(Z: Array, reached: Array, weights: Array) -> Array:
    """Return log sum_t w_t max(min_i z_t(x_i) - z_t(x), 0), what a candidate gains on a trial.

    Args:
        Z: What T prior studies expect of the candidates, as normal quantiles.  # (M, T)
        reached: What they expect of the target's trials, running ones included.  # (n, T)
        weights: Their weights, sum 1.  # (T,)

    Returns:
        The logarithm; very low where no study expects a gain.  # (M,)
    """
    gains = np.maximum(reached.min(axis=0) - Z, 0.0)
    return np.asarray(np.log(np.maximum(gains @ weights, _LEAST)))

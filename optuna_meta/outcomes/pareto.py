"""Which of several trials are best when there are several objectives, or constraints."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.outcomes.transforms import warp_constraint


__all__ = ["best_first", "feasible", "is_on_front", "n_dominators"]


def n_dominators(values: Array) -> NDArray[np.int64]:
    """Count the rows of values (n, K), lower is better, that dominate each.  # (n,)"""
    no_worse = np.ones((len(values), len(values)), dtype=bool)
    better = np.zeros_like(no_worse)
    for column in values.T:  # One by one: numpy is slow at reducing a short last axis.
        no_worse &= column[:, None] <= column
        better |= column[:, None] < column
    return np.asarray((no_worse & better).sum(axis=0))


def is_on_front(values: Array) -> NDArray[np.bool_]:
    """Tell which rows of values (n, K) no other one dominates.  # (n,)"""
    return np.asarray(n_dominators(values) == 0)


def feasible(constraint_values: Array) -> NDArray[np.bool_]:
    """Tell which rows of constraint values (n, J) are all known and at most 0.  # (n,)"""
    return np.asarray((constraint_values <= 0.0).all(axis=1))  # NaN is not.


def best_first(values: Array, constraint_values: Array) -> NDArray[np.int64]:
    """Sort trials: feasible before infeasible, less dominated first, then by sum of ranks.

    Args:
        values: Objective values, lower is better.  # (n, K)
        constraint_values: Constraint values, NaN where unknown.  # (n, J)
    """
    if values.shape[1] == 1:
        dominators, ranks = values[:, 0], np.zeros(len(values))
    else:
        dominators = n_dominators(values).astype(float)
        ranks = values.argsort(axis=0).argsort(axis=0).sum(axis=1).astype(float)
    return np.lexsort((ranks, dominators, _violation(constraint_values)))


def _violation(constraint_values: Array) -> Array:
    """Sum the violations of constraint values (n, J), infinite where unknown.  # (n,)"""
    total = np.zeros(len(constraint_values))
    for column in constraint_values.T:
        known = ~np.isnan(column)
        amounts = np.full(len(column), np.inf)
        amounts[known] = np.maximum(warp_constraint(column[known]), 0.0)
        total += amounts
    return total

"""Which of several trials are best when there are several objectives, or constraints."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.outcomes.transforms import warp_constraint


__all__ = ["best_first", "feasible", "is_on_front", "n_dominators"]


_BITS = np.unpackbits(np.arange(1 << 16, dtype=np.uint16).view(np.uint8)).reshape(-1, 16)
_ONES = _BITS.sum(axis=1, dtype=np.uint8)  # Of each 16 bits.


def n_dominators(values: Array) -> NDArray[np.int64]:
    """Count the rows of values (n, K), lower is better, that dominate each.  # (n,)

    Sets of rows are bits: of thousands of rows all pairs take some milliseconds.
    """
    n = len(values)
    no_worse = np.full((n, (n + 63) // 64), -1, dtype=np.int64)
    for column in values.T:
        order = np.argsort(column, kind="stable")
        so_far = np.zeros((n, 8 * no_worse.shape[1]), dtype=np.uint8)
        so_far[np.arange(n), order // 8] = 1 << (order % 8)
        sets = so_far.view(np.int64)
        np.bitwise_or.accumulate(sets, axis=0, out=sets)
        no_worse &= sets[np.searchsorted(column[order], column, side="right") - 1]
    _, inverse, n_equal = np.unique(values, axis=0, return_inverse=True, return_counts=True)
    counts = _ONES[no_worse.view(np.uint16)].sum(axis=1, dtype=np.int64)
    return np.asarray(counts - n_equal[inverse.ravel()])


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

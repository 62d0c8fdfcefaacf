"""What each prior study helped: the one definition that records, explanations and figures read.

The model's mean is linear in what the prior studies expect, f(x) = sum_t b_t z_t(x) + what the
target's own trials add. So the advantage over typical candidates that it predicts of those it
takes for best has a part of each study. Of studies that say much the same the trials can hardly
tell one from the other: they are one group, whose part they share by their weights. Parts that
speak against the best are no help. Nothing is fitted anew for it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array


__all__ = ["Shares", "agreement", "counted_once", "groups", "shares_of"]

_ALIKE = 0.7  # Correlation of two studies' expectations from which on they say much the same ...
_COPIES = 0.98  # ... and from which on they are one study told twice.
_LEAST_TRIALS = 3  # Two values always lie on a line.
_ROUNDING = 1e-9


class Shares(NamedTuple):
    """Parts of T prior studies in a suggestion.

    Args:
        signed: Each one's part of the predicted advantage, negative where its order was used in
            reverse; the absolute values sum to at most 1.  # (T,)
        order: The studies, most helpful group first.  # (T,)
    """

    signed: Array  # (T,)
    order: NDArray[np.int64]  # (T,)


def groups(Z: Array, weights: Array, least: float = _ALIKE) -> NDArray[np.int64]:
    """Find studies that say much the same; each has the index of its group's first.  # (T,)

    Args:
        Z: What T studies expect of some candidates.  # (M, T)
        weights: Their weights: the heaviest one of a group is its first.  # (T,)
        least: Correlation of a study with the first that makes it one of the group.
    """
    centred = Z - Z.sum(axis=0) / max(len(Z), 1)
    norms = np.linalg.norm(centred, axis=0)
    scaled = np.divide(centred, norms, out=np.zeros_like(centred), where=norms > _ROUNDING)
    alike = scaled.T @ scaled >= least
    firsts = np.full(len(weights), -1)
    for t in np.argsort(-np.round(weights, 6), kind="stable"):
        if firsts[t] < 0:
            firsts[alike[t] & (firsts < 0)] = t
            firsts[t] = t
    return firsts


def counted_once(Z: Array, weights: Array) -> Array:
    """Return weights (T,), sum 1, of which copies of a study have together what one of them had.

    Args:
        Z: What T studies expect of some candidates.  # (M, T)
        weights: Their weights.  # (T,)
    """
    firsts = groups(Z, weights, _COPIES)
    once = weights / np.bincount(firsts, minlength=len(firsts))[firsts]
    return np.asarray(once / (once.sum() or 1.0))


def shares_of(
    coefficients: Array, advantages: Array, own: float, firsts: NDArray[np.int64], weights: Array
) -> Shares:
    """Return the parts of T prior studies in a suggestion.

    Args:
        coefficients: b_t.  # (T,)
        advantages: How much better than typical ones each expects the best to be.  # (T,)
        own: The part that the target's trials add.
        firsts: The studies' groups.  # (T,)
        weights: The studies' weights, by which groups share.  # (T,)
    """
    n = len(firsts)
    parts = np.maximum(np.bincount(firsts, coefficients * advantages, n), 0.0)
    signs = np.where(np.bincount(firsts, coefficients, n) < 0.0, -1.0, 1.0)
    whole = parts.sum() + max(own, 0.0)
    by_group = signs * parts / (whole if whole > _ROUNDING else np.inf)
    within = weights / np.maximum(np.bincount(firsts, weights, n), _ROUNDING)[firsts]
    signed = by_group[firsts] * within
    order = np.lexsort((-np.abs(signed), firsts, -np.abs(by_group)[firsts]))
    return Shares(signed, order)


def agreement(Z: Array, y: Array) -> Array:
    """Return the rank correlation (T,) of studies' expectations (n, T) with values (n,).

    NaN where one of them expects no difference, or there are too few trials to tell.
    """
    if len(y) < _LEAST_TRIALS:
        return np.full(Z.shape[1], np.nan)
    ranks = np.column_stack([_ranks(column) for column in (*Z.T, y)])
    centred = ranks - ranks.mean(axis=0)
    norms = np.linalg.norm(centred, axis=0)
    norms = norms[:-1] * norms[-1]
    products = centred[:, -1] @ centred[:, :-1]
    unknown = np.full(len(norms), np.nan)
    return np.asarray(np.divide(products, norms, out=unknown, where=norms > _ROUNDING))


def _ranks(values: Array) -> Array:
    """Return the ranks (n,) of values; equal ones share theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - 0.5 * (counts - 1))[inverse])

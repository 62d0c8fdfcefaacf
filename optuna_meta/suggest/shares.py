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


__all__ = ["Shares", "counted_once", "groups", "likeness", "shares_of"]

_ALIKE = 0.7  # Correlation of two studies' expectations from which on they say much the same ...
_COPIES = 0.98  # ... and from which on they are one study told twice.
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


def likeness(Z: Array) -> Array:
    """Return the correlations (T, T) of what studies expect of candidates (M, T)."""
    centred = Z - Z.sum(axis=0) / max(len(Z), 1)
    norms = np.sqrt(np.einsum("mt,mt->t", centred, centred))
    scaled = np.divide(centred, norms, out=np.zeros_like(centred), where=norms > _ROUNDING)
    return np.asarray(scaled.T @ scaled)


def groups(alike: Array, weights: Array, least: float = _ALIKE) -> NDArray[np.int64]:
    """Find studies that say much the same; each has the index of its group's first.  # (T,)

    Args:
        alike: Their likeness.  # (T, T)
        weights: Their weights: the heaviest one of a group is its first.  # (T,)
        least: Likeness of a study to the first that makes it one of the group.
    """
    firsts = np.full(len(weights), -1)
    for t in np.argsort(-np.round(weights, 6), kind="stable"):
        if firsts[t] < 0:
            firsts[(alike[t] >= least) & (firsts < 0)] = t
            firsts[t] = t
    return firsts


def counted_once(alike: Array, weights: Array) -> Array:
    """Return weights (T,), sum 1, of which copies of a study have together what one of them had.

    Args:
        alike: The studies' likeness.  # (T, T)
        weights: Their weights.  # (T,)
    """
    firsts = groups(alike, weights, _COPIES)
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

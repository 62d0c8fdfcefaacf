"""How far prior studies agree with the target's own trials: rank correlations, within one start.

A model that started from trained weights comes to other values than one from scratch, whatever
its hyperparameters: values of trials that started differently say nothing of a prior study.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array


__all__ = ["Comparison", "compared", "ENOUGH"]

ENOUGH = 8  # Trials: fewer say little.
_LEAST = 3  # Two values always lie on a line.
_ROUNDING, _DECIMALS = 1e-9, 9


class Comparison(NamedTuple):
    """What n of the target's trials say of T prior studies.

    Args:
        correlations: Rank correlation of what each expects with what the trials came to; NaN where
            one expects no difference, or there are too few trials to tell.  # (T,)
        n_trials: On how many trials that rests: of several starts, one less for each but one.
        is_from_scratch: Whether these trials' models started from scratch, as those of prior
            studies are taken to have.
    """

    correlations: Array  # (T,)
    n_trials: int
    is_from_scratch: bool


def compared(Z: Array, y: Array, starts: NDArray[np.int64]) -> Comparison:
    """Compare what studies expect (n, T) with values (n,), each start's trials with one another.

    Where enough trials started from scratch they alone are compared.

    Args:
        Z: What each of T studies expects.  # (n, T)
        y: What the trials came to, lower is better.  # (n,)
        starts: What each one's model started from, as a number; 0 is scratch.  # (n,)
    """
    if np.sum(starts == 0) >= ENOUGH:
        Z, y, starts = Z[starts == 0], y[starts == 0], starts[starts == 0]
    groups = [np.flatnonzero(starts == start) for start in np.unique(starts)]
    n_trials = len(y) - max(len(groups) - 1, 0)
    is_from_scratch = not starts.any()
    unknown = np.full(Z.shape[1], np.nan)
    if n_trials < _LEAST:
        return Comparison(unknown, n_trials, is_from_scratch)
    # Equal trials are expected to be equal, though their last digits hang on who was asked when.
    columns = np.column_stack([np.round(Z, _DECIMALS), y])
    places = np.vstack([_places(columns[group]) for group in groups])
    norms = np.sqrt(np.einsum("nt,nt->t", places, places))
    norms = norms[:-1] * norms[-1]
    products = places[:, -1] @ places[:, :-1]
    found = np.divide(products, norms, out=unknown, where=norms > _ROUNDING)
    return Comparison(np.asarray(found), n_trials, is_from_scratch)


def _places(columns: Array) -> Array:
    """Return the ranks (n, T) in each column about their middle, in parts of n + 1."""
    return (_ranks(columns) - 0.5 * (len(columns) - 1)) / (len(columns) + 1)


def _ranks(columns: Array) -> Array:
    """Return the ranks (n, T) in each column, from 0; equal values share theirs."""
    order = np.argsort(columns, axis=0, kind="stable")
    ordered = np.take_along_axis(columns, order, axis=0)
    places = np.broadcast_to(np.arange(len(columns))[:, None], columns.shape)
    rises = ordered[1:] > ordered[:-1]
    first, last = np.zeros(columns.shape, dtype=int), np.full(columns.shape, len(columns) - 1)
    first[1:] = np.where(rises, places[1:], 0)
    last[:-1] = np.where(rises, places[:-1], len(columns) - 1)
    first = np.maximum.accumulate(first, axis=0)
    last = np.minimum.accumulate(last[::-1], axis=0)[::-1]
    ranks = np.empty(columns.shape)
    np.put_along_axis(ranks, order, 0.5 * (first + last), axis=0)
    return ranks

"""Landmarkers of interactions: how well simple recommenders predict those held out.

PureSVD and hits among the ten best are those of Cremonesi, Koren and Turrin (2010), "Performance
of recommender algorithms on top-n recommendation tasks"; the biases follow Koren, Bell and
Volinsky (2009), "Matrix factorization techniques for recommender systems".
"""

from __future__ import annotations

from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.features.cross_validation import clipped_r2
from optuna_meta.features.groups import Budget
from optuna_meta.features.interactions.events import Events


__all__ = ["landmark_interactions"]

_MAX_EVENTS = 300_000  # A truncated SVD of them takes less than a second.
_MAX_ITEMS = 10_000  # Of which a block of users has scores of twenty megabytes.
_MAX_JUDGED = 2_000  # Users: a hit rate has a standard error of at most a hundredth.
_BLOCK = 250  # Users whose scores are in memory at one time.
_RANK = 10  # Enough to beat popularity, and few for fifty interactions a user.
_BEST = 10  # As many as are usually shown; top-10 hits are what is commonly reported.
_SHRINKAGE = 5.0  # Ratings of no bias, added to each user's and item's: a few tell little.
_HELD_OUT = 0.2  # As in fivefold cross-validation, of which this is one fold.


class _Split(NamedTuple):
    """Interactions to learn from and to predict."""

    users: NDArray[np.int64]  # (m,)
    items: NDArray[np.int64]  # (m,)
    held_out: NDArray[np.bool_]  # (m,)
    shape: tuple[int, int]  # users and items


def landmark_interactions(
    events: Events, rng: np.random.Generator, budget: Budget
) -> dict[str, float]:
    """Return hit rates of two recommenders, and R^2 of predicted ratings where there are some.

    Of at most 300,000 interactions: all those of as many users, drawn at random, as have no more
    in all, with the 10,000 items that are most frequent. R^2 is clipped to [-1, 1].

    * ``popularity_hit_ratio``: a random interaction of each of at most 2,000 users is held out;
      the share of those whose item is among the ten most frequent that the user does not have.
    * ``svd_hit_ratio``: the same of the ten best by a truncated SVD of rank 10.
    * ``bias_r2``, ``svd_r2``: of a fifth of the ratings, by the biases of users and items, and
      with a truncated SVD of what these leave.

    Args:
        events: The interactions.
        rng: Draws the users and what they hold out.
        budget: The time that there is, without which hits or R^2 are left out.
    """
    events = _reduce(events, rng)
    if len(events.users) < 2:
        return {}
    hits = _rank_items(events, rng, budget)
    return hits | _predict_ratings(events, rng) if budget.allows() else hits


def _reduce(events: Events, rng: np.random.Generator) -> Events:
    if len(events.users) > _MAX_EVENTS:
        sizes = np.bincount(events.users)
        order = rng.permutation(len(sizes))
        # At least one user, of whom the first interactions have to do.
        nr_users = max(1, int(np.sum(np.cumsum(sizes[order]) <= _MAX_EVENTS)))
        rows = np.flatnonzero(np.isin(events.users, order[:nr_users]))
        events = _take(events, rows[:_MAX_EVENTS])
    popularity = np.bincount(events.items)
    if len(popularity) > _MAX_ITEMS:
        frequent = np.argsort(-popularity, kind="stable")[:_MAX_ITEMS]
        events = _take(events, np.flatnonzero(np.isin(events.items, frequent)))
    return events


def _take(events: Events, rows: NDArray[np.int64]) -> Events:
    """Return some of the interactions, with users and items numbered anew."""
    return Events(
        users=np.unique(events.users[rows], return_inverse=True)[1],
        items=np.unique(events.items[rows], return_inverse=True)[1],
        ratings=None if events.ratings is None else events.ratings[rows],
        times=None,
    )


def _rank_items(events: Events, rng: np.random.Generator, budget: Budget) -> dict[str, float]:
    split = _hold_one_out(events, rng)
    judged = np.flatnonzero(split.held_out)
    if not len(judged) or split.shape[1] < 2:
        return {}
    seen = _matrix(split, np.ones(len(split.users)))
    popularity = np.asarray(seen.sum(axis=0)).ravel()
    factors = _right_factors(seen, rng)
    popularity_hits = svd_hits = 0.0
    for start in range(0, len(judged), _BLOCK):
        if not budget.allows():
            return {}
        rows = judged[start : start + _BLOCK]
        own = seen[split.users[rows]]
        owned, items = own.toarray() > 0, split.items[rows]
        popularity_hits += _count_hits(np.where(owned, -np.inf, popularity), items)
        svd_hits += _count_hits(np.where(owned, -np.inf, own @ factors @ factors.T), items)
    return {
        "popularity_hit_ratio": popularity_hits / len(judged),
        "svd_hit_ratio": svd_hits / len(judged),
    }


def _hold_one_out(events: Events, rng: np.random.Generator) -> _Split:
    """Return the distinct pairs; of some users that have two, a random one is held out."""
    shape = int(events.users.max()) + 1, int(events.items.max()) + 1
    users, items = np.divmod(np.unique(events.users * shape[1] + events.items), shape[1])
    sizes = np.bincount(users, minlength=shape[0])
    judged = rng.permutation(np.flatnonzero(sizes > 1))[:_MAX_JUDGED]
    held_out = np.zeros(len(users), dtype=bool)
    # The pairs are in the order of the users.
    held_out[np.cumsum(sizes)[judged] - 1 - rng.integers(sizes[judged])] = True
    return _Split(users, items, held_out, shape)


def _count_hits(scores: Array, items: NDArray[np.int64]) -> float:
    """Return how many items are among the ten of the highest scores in their rows."""
    own = np.take_along_axis(scores, items[:, None], axis=1)
    better = np.count_nonzero(scores > own, axis=1)
    ties = np.count_nonzero(scores == own, axis=1)
    # The expected number, for ties could come in any order.
    return float(np.sum(np.clip((_BEST - better) / ties, 0.0, 1.0)))


def _predict_ratings(events: Events, rng: np.random.Generator) -> dict[str, float]:
    if events.ratings is None:
        return {}
    users, items, ratings = _rate_pairs(events, events.ratings)
    held_out = rng.permutation(len(users)) < _HELD_OUT * len(users)
    if held_out.all() or not held_out.any() or np.ptp(ratings[held_out]) == 0:
        return {}
    split = _Split(users, items, held_out, (int(users.max()) + 1, int(items.max()) + 1))
    biases = _biases(split, ratings)
    matrix = _matrix(split, ratings - biases)
    factors = _right_factors(matrix, rng)
    rest = np.sum((matrix @ factors)[users[held_out]] * factors[items[held_out]], axis=1)
    truth, predicted = ratings[held_out], biases[held_out]
    return {"bias_r2": clipped_r2(truth, predicted), "svd_r2": clipped_r2(truth, predicted + rest)}


def _rate_pairs(
    events: Events, ratings: Array
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Return users, items and mean ratings, scaled to at most 1, of the distinct rated pairs."""
    known = ~np.isnan(ratings)
    width = int(events.items.max()) + 1
    keys = events.users[known] * width + events.items[known]
    pairs, pair = np.unique(keys, return_inverse=True)
    scaled = ratings[known] / max(np.max(np.abs(ratings[known]), initial=0.0), 1e-300)
    return pairs // width, pairs % width, np.bincount(pair, scaled) / np.bincount(pair)


def _biases(split: _Split, ratings: Array) -> Array:
    """Return the mean rating plus the shrunk biases of item and user, of shape (m,)."""
    train = ~split.held_out
    predicted = np.full(len(ratings), ratings[train].mean())
    for codes, size in ((split.items, split.shape[1]), (split.users, split.shape[0])):
        sums = np.bincount(codes[train], (ratings - predicted)[train], size)
        counts = np.bincount(codes[train], minlength=size)
        predicted = predicted + (sums / (counts + _SHRINKAGE))[codes]
    return predicted


def _matrix(split: _Split, values: Array) -> Any:
    """Return those of the values (m,) that are not held out, as a sparse matrix."""
    from scipy.sparse import csr_matrix

    train = ~split.held_out
    return csr_matrix((values[train], (split.users[train], split.items[train])), split.shape)


def _right_factors(matrix: Any, rng: np.random.Generator) -> Array:
    """Return the first right singular vectors as columns, of shape (items, at most 10)."""
    from scipy.sparse.linalg import svds

    rank = min(_RANK, min(matrix.shape) - 1)
    if rank < 1 or not matrix.count_nonzero():
        return np.zeros((matrix.shape[1], 1))
    start = rng.standard_normal(min(matrix.shape))
    return np.asarray(svds(matrix, rank, v0=start)[2].T)

"""Recommendation (MovieLens 100k): new users' ratings after studies of other groups of users.

Matrix factorisation with biases. Each task has films and users of its own, so rows go by film, and
users stay with their task.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn
from torch import Tensor

from benchmarks.weights.domain import Data
from benchmarks.weights.domain import Domain
from benchmarks.weights.domain import Pool
from benchmarks.weights.domain import Prior
from benchmarks.weights.domain import VALUES
from benchmarks.weights.fit import initial
from optuna_meta.features import Interactions


__all__ = ["ML100K", "recommender"]

ML100K = "ml100k"

_FACTORS = 16
_PRIOR_USERS, _NEW_USERS = 130, 150
_MOST_TEST, _VALIDATION = 20, 3  # Ratings of each new user.
_LEAST_RATINGS = 50
_CHECKS = (0, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200)
_RATES = (1e-3, 4e-3, 1.6e-2, 6e-2)
_AGES = (0, 24, 30, 40, 200)  # Groups of users, about as many in each.

Ratings = NDArray[np.int64]  # (n, 3): user, film, rating


class Factors(nn.Module):
    """Pairs of user and film (n, 2) to ratings (n,)."""

    def __init__(self, n_users: int, n_items: int, mean: float) -> None:
        super().__init__()
        self.user = nn.Embedding(n_users, _FACTORS)
        self.item = nn.Embedding(n_items, _FACTORS)
        self.user_bias = nn.Embedding(n_users, 1)
        self.item_bias = nn.Embedding(n_items, 1)
        self.mean = nn.Parameter(torch.tensor(mean))
        for table in (self.user, self.item):
            nn.init.normal_(table.weight, std=0.1)
        for table in (self.user_bias, self.item_bias):
            nn.init.zeros_(table.weight)

    def forward(self, pairs: Tensor) -> Tensor:
        users, items = pairs.unbind(1)
        cosine_similarity = (self.user(users) * self.item(items)).sum(-1)
        biases = self.user_bias(users) + self.item_bias(items)
        rated: Tensor = self.mean + biases[:, 0] + cosine_similarity
        return rated


def recommender(folder: Path, ratings: int, seed: int) -> Domain:
    """Users of any age after four studies of users of one age group each.

    Args:
        folder: Where the files are.
        ratings: Of each new user to train on.
        seed: Of the users and of which ratings are known.
    """
    rng = np.random.default_rng([seed, 6])
    table, ages = _ratings(folder)
    counts = np.bincount(table[:, 0], minlength=len(ages))
    active = rng.permutation(np.flatnonzero(counts >= _LEAST_RATINGS))
    new = np.sort(active[:_NEW_USERS])
    others = np.setdiff1d(np.arange(len(ages)), new)
    own = table[np.isin(table[:, 0], new)]
    films = np.unique(own[:, 1])
    groups = []
    for low, high in zip(_AGES[:-1], _AGES[1:], strict=True):
        of_age = others[(ages[others] >= low) & (ages[others] < high) & (counts[others] > 0)]
        users = rng.permutation(of_age)[:_PRIOR_USERS]
        groups.append(table[np.isin(table[:, 0], users)])
    parts = _parts(own, ratings, rng)
    train, valid, test = (_data(part, new, films) for part in parts)
    return Domain(
        VALUES,
        _build(new, films, parts[0]),
        [_prior(f"aged {_AGES[i]} to {_AGES[i + 1]}", g, rng) for i, g in enumerate(groups)],
        _pool(groups),
        train,
        valid,
        test,
        _CHECKS,
        _RATES,
        own=("user", "user_bias"),
        rows=_items(films),
        described=(_interactions(np.concatenate(parts[:2])), None),
        batch_size=128,
        prior_steps=400,
        rounds=400,
    )


def _parts(own: Ratings, n: int, rng: np.random.Generator) -> list[Ratings]:
    """Ratings to train on, to validate by and to test with: of each user some."""
    shuffled = own[rng.permutation(len(own))]
    by_user = shuffled[np.argsort(shuffled[:, 0], kind="stable")]
    starts = np.searchsorted(by_user[:, 0], by_user[:, 0])
    place = np.arange(len(by_user)) - starts  # Of a rating among its user's.
    # Test and validation first, so that they are the same however many are trained on.
    bounds = np.cumsum([0, _MOST_TEST, _VALIDATION, n])
    test, valid, train = (
        by_user[(place >= low) & (place < high)]
        for low, high in zip(bounds[:-1], bounds[1:], strict=True)
    )
    return [train, valid, test]


def _prior(name: str, group: Ratings, rng: np.random.Generator) -> Prior:
    users, films = np.unique(group[:, 0]), np.unique(group[:, 1])
    held_out = rng.random(len(group)) < 0.1
    train, valid = group[~held_out], group[held_out]
    return Prior(
        name,
        _build(users, films, train),
        _data(train, users, films),
        _data(valid, users, films),
        rows=_items(films),
        described=(_interactions(train), None),
    )


def _pool(groups: Sequence[Ratings]) -> Pool:
    everyone = np.concatenate(groups)
    users, films = np.unique(everyone[:, 0]), np.unique(everyone[:, 1])
    tasks = [_data(group, users, films) for group in groups]
    return Pool(_build(users, films, everyone), tasks, rows=_items(films))


def _build(users: Ratings, films: Ratings, known: Ratings) -> partial[nn.Module]:
    make = partial(Factors, len(users), len(films), float(known[:, 2].mean()))
    return partial(initial, make)


def _items(films: Ratings) -> dict[str, Sequence[int]]:
    return {"item.weight": films.tolist(), "item_bias.weight": films.tolist()}


def _data(ratings: Ratings, users: Ratings, films: Ratings) -> Data:
    places = [np.searchsorted(users, ratings[:, 0]), np.searchsorted(films, ratings[:, 1])]
    values = torch.from_numpy(ratings[:, 2].astype(np.float32))
    return Data(torch.from_numpy(np.stack(places, axis=1)), values)


def _interactions(ratings: Ratings) -> Interactions:
    return Interactions(ratings[:, 0], ratings[:, 1], ratings[:, 2].astype(float))


@cache
def _ratings(folder: Path) -> tuple[Ratings, Ratings]:
    """All ratings, and each user's age."""
    table = np.loadtxt(folder / "ml-100k.inter", skiprows=1, usecols=(0, 1, 2)).astype(np.int64)
    users = np.loadtxt(folder / "ml-100k.user", skiprows=1, usecols=(0, 1), dtype=str)
    ages = np.zeros(int(table[:, 0].max()) + 1, np.int64)
    ages[users[:, 0].astype(int)] = users[:, 1].astype(int)
    return table, ages

"""Recommendation (MovieLens 100k): new users' ratings after studies of other groups of users.

Matrix factorisation with biases. Rows go by film, and users stay with their task.
"""

from functools import cache
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import pandas as pd
import torch
from torch import nn

from benchmarks.weights import tasks
from optuna_meta.features import Interactions


FOLDER = "ml100k"

_FACTORS = 16
_PRIOR_USERS, _NEW_USERS = 130, 150
_MOST_TEST, _VALIDATION = 20, 3  # Ratings of each new user.
_LEAST_RATINGS = 50
_AGES = (0, 24, 30, 40, 200)  # Groups of users, about as many in each.

Ratings = NDArray[np.int64]  # (n, 3): user, film, rating
Ids = tuple[NDArray[np.int64], NDArray[np.int64]]  # Of users and of films, in order: (n,)


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

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:
        users, items = pairs.unbind(1)
        affinity = (self.user(users) * self.item(items)).sum(-1)
        biases = self.user_bias(users) + self.item_bias(items)
        rated: torch.Tensor = self.mean + biases[:, 0] + affinity
        return rated


def make(folder: Path, ratings: int, seed: int) -> tasks.Domain:
    """Make the new task of users of any age, after four studies of one age group each."""
    rng = np.random.default_rng([seed, 6])
    table, ages = _ratings(folder)
    counts = np.bincount(table[:, 0], minlength=len(ages))
    active = rng.permutation(np.flatnonzero(counts >= _LEAST_RATINGS))
    own = table[np.isin(table[:, 0], active[:_NEW_USERS])]
    others = np.setdiff1d(np.flatnonzero(counts), own[:, 0])
    groups = {}
    for low, high in pairwise(_AGES):
        of_age = others[(ages[others] >= low) & (ages[others] < high)]
        users = rng.permutation(of_age)[:_PRIOR_USERS]
        groups[f"aged {low} to {high}"] = table[np.isin(table[:, 0], users)]
    test, valid, train = _parts(own, ratings, rng)
    priors = []
    for name, group in groups.items():
        held_out = rng.random(len(group)) < 0.1
        known = group[~held_out]
        priors.append(_task(name, _ids(group), known, group[held_out], known))
    everything = np.concatenate([*groups.values()])
    return tasks.Domain(
        tasks.VALUES,
        _task("new", _ids(own), train, valid, np.concatenate([train, valid])),
        _data(test, _ids(own)),
        priors,
        _model(_ids(everything), everything),
        [_data(group, _ids(everything)) for group in groups.values()],
        rates=(1e-3, 4e-3, 1.6e-2, 6e-2),
        checks=(0, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200),
        own=("user", "user_bias"),
        batch_size=128,
    )


def _parts(own: Ratings, n: int, rng: np.random.Generator) -> list[Ratings]:
    """Return ratings to test with, to validate by and to train on: some of each user."""
    shuffled = own[rng.permutation(len(own))]
    by_user = shuffled[np.argsort(shuffled[:, 0], kind="stable")]
    place = pd.Series(by_user[:, 0]).groupby(by_user[:, 0]).cumcount().to_numpy()
    # Test and validation first, so that they are the same however many are trained on.
    bounds = np.cumsum([0, _MOST_TEST, _VALIDATION, n])
    return [by_user[(place >= low) & (place < high)] for low, high in pairwise(bounds)]


def _task(name: str, ids: Ids, train: Ratings, valid: Ratings, described: Ratings) -> tasks.Task:
    user, film, rating = described.T
    interactions = Interactions(user, film, rating.astype(float))
    parts = _data(train, ids), _data(valid, ids)
    return tasks.Task(name, _model(ids, train), *parts, (interactions, None))


def _ids(ratings: Ratings) -> Ids:
    return np.unique(ratings[:, 0]), np.unique(ratings[:, 1])


def _model(ids: Ids, known: Ratings) -> tasks.Model:
    make = partial(Factors, len(ids[0]), len(ids[1]), float(known[:, 2].mean()))
    return tasks.Model(make, dict.fromkeys(("item.weight", "item_bias.weight"), ids[1].tolist()))


def _data(ratings: Ratings, ids: Ids) -> tasks.Data:
    places = [np.searchsorted(own, column) for own, column in zip(ids, ratings.T, strict=False)]
    values = torch.from_numpy(ratings[:, 2].astype(np.float32))
    return tasks.Data(torch.from_numpy(np.stack(places, axis=1)), values)


@cache
def _ratings(folder: Path) -> tuple[Ratings, NDArray[np.int64]]:
    table = np.loadtxt(folder / "ml-100k.inter", skiprows=1, usecols=(0, 1, 2)).astype(np.int64)
    users = np.loadtxt(folder / "ml-100k.user", skiprows=1, usecols=(0, 1), dtype=int)
    ages = np.zeros(int(table[:, 0].max()) + 1, np.int64)
    ages[users[:, 0]] = users[:, 1]
    return table, ages

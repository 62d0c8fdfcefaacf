from __future__ import annotations

import numpy as np
import pytest

from optuna_meta.features.groups import UNLIMITED
from optuna_meta.features.interactions import recommenders
from optuna_meta.features.interactions.events import Events
from optuna_meta.features.interactions.recommenders import landmark_interactions


def distinct_pairs(n: int, n_users: int, n_items: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    pairs = np.random.default_rng(seed).choice(n_users * n_items, n, replace=False)
    users, items = np.divmod(pairs, n_items)
    return np.unique(users, return_inverse=True)[1], np.unique(items, return_inverse=True)[1]


def landmark(events: Events, seed: int = 0) -> dict[str, float]:
    return landmark_interactions(events, np.random.default_rng(seed), UNLIMITED)


def test_random_interactions_are_hit_by_chance() -> None:
    users, items = distinct_pairs(6_000, 300, 100)
    features = landmark(Events(users, items, None, None))
    assert set(features) == {"popularity_hit_ratio", "svd_hit_ratio"}
    # Ten of the eighty or so that a user does not have.
    assert features["popularity_hit_ratio"] == pytest.approx(10 / 80, abs=0.06)
    assert features["svd_hit_ratio"] == pytest.approx(10 / 80, abs=0.06)


def test_tastes_are_found_by_the_svd_alone() -> None:
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(300), 12)
    own = np.concatenate([rng.choice(20, 12, replace=False) for _ in range(300)])
    items = own + 20 * (users % 5)
    features = landmark(Events(users, items, None, None))
    assert features["svd_hit_ratio"] > 0.95
    assert features["popularity_hit_ratio"] < 0.5


def test_a_bestseller_is_always_hit() -> None:
    users = np.repeat(np.arange(50), 2)
    items = np.column_stack([np.zeros(50, dtype=int), 1 + np.arange(50)]).ravel()
    features = landmark(Events(users, items, None, None))
    # What is held out is the one item in about half the cases; others tie.
    assert 0.5 < features["popularity_hit_ratio"] < 0.8


def test_few_items_are_all_among_the_best() -> None:
    users, items = distinct_pairs(60, 12, 8)
    features = landmark(Events(users, items, None, None))
    assert features["popularity_hit_ratio"] == features["svd_hit_ratio"] == 1


def test_biases_are_found() -> None:
    rng = np.random.default_rng(0)
    users, items = distinct_pairs(8_000, 150, 150)
    biases = rng.standard_normal(150)[users] + rng.standard_normal(150)[items]
    clear = landmark(Events(users, items, biases, None))
    noisy = landmark(Events(users, items, biases + rng.standard_normal(8_000) * 1.4, None))
    assert clear["bias_r2"] > 0.9
    assert noisy["bias_r2"] == pytest.approx(0.5, abs=0.1)


def test_factors_explain_what_biases_leave() -> None:
    rng = np.random.default_rng(0)
    users, items = distinct_pairs(12_000, 150, 150)
    factors = rng.standard_normal((2, 150, 2))
    ratings = np.sum(factors[0][users] * factors[1][items], axis=1)
    features = landmark(Events(users, items, ratings, None))
    assert features["bias_r2"] < 0.2
    assert features["svd_r2"] > features["bias_r2"] + 0.3


@pytest.mark.parametrize("scale", [1e-9, -1.0, 1e300])
def test_the_scale_of_ratings_does_not_matter(scale: float) -> None:
    users, items = distinct_pairs(2_000, 60, 60)
    ratings = np.random.default_rng(1).standard_normal(2_000) + 0.1 * users
    expected = pytest.approx(landmark(Events(users, items, ratings, None)), abs=1e-9)
    assert landmark(Events(users, items, ratings * scale, None)) == expected


def test_repeated_interactions_count_once() -> None:
    users, items = distinct_pairs(600, 40, 40)
    ratings = np.random.default_rng(1).random(600)
    once = landmark(Events(users, items, ratings, None))
    thrice = Events(np.tile(users, 3), np.tile(items, 3), np.tile(ratings, 3), None)
    assert landmark(thrice) == pytest.approx(once)


def test_large_data_are_cut_to_some_users_and_the_frequent_items(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    users, items = distinct_pairs(3_000, 100, 200)
    events = Events(users, items, items.astype(float), None)
    monkeypatch.setattr(recommenders, "_MAX_EVENTS", 1_000)
    monkeypatch.setattr(recommenders, "_MAX_ITEMS", 50)
    reduced = recommenders._reduce(events, np.random.default_rng(0))
    assert len(reduced.users) <= 1_000 and reduced.items.max() < 50
    assert reduced.ratings is not None
    assert len(set(zip(reduced.items, reduced.ratings, strict=True))) == reduced.items.max() + 1
    assert np.isfinite(list(landmark(events).values())).all()


def test_one_user_of_all_is_cut_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recommenders, "_MAX_EVENTS", 100)
    users, items = np.zeros(500, dtype=np.int64), np.arange(500)
    reduced = recommenders._reduce(Events(users, items, None, None), np.random.default_rng(0))
    assert len(reduced.users) == 100


@pytest.mark.parametrize("size", [0, 1, 2])
def test_next_to_nothing_tells_nothing(size: int) -> None:
    users, items = np.zeros(size, dtype=np.int64), np.arange(size)
    features = landmark(Events(users, items, np.ones(size), None))
    assert np.isfinite(list(features.values())).all()

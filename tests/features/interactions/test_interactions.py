from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optuna_meta.features import clean_meta_features
from optuna_meta.features import Interactions
from optuna_meta.features.groups import Budget
from optuna_meta.features.interactions.interactions import interaction_meta_features


RNG = np.random.default_rng(0)
USERS, ITEMS = RNG.integers(0, 40, 900), RNG.integers(0, 60, 900)
RATINGS, TIMES = RNG.integers(1, 6, 900), RNG.random(900)
NAMES = list(interaction_meta_features(Interactions([1], [2])))
LANDMARKERS = ["popularity_hit_ratio", "svd_hit_ratio", "bias_r2", "svd_r2"]


def assert_well_formed(features: dict[str, float]) -> None:
    assert list(features) == NAMES
    assert all(type(value) is float for value in features.values())
    clean_meta_features(features)  # Refuses an infinite value.


def test_everything_is_known_of_complete_interactions() -> None:
    features = interaction_meta_features(Interactions(USERS, ITEMS, RATINGS, TIMES))
    assert_well_formed(features)
    assert not np.isnan(list(features.values())).any()
    assert features["interaction.nr_inst"] == 900
    assert features["interaction.nr_users"] == len(np.unique(USERS))


def test_what_is_unknown_is_missing() -> None:
    features = interaction_meta_features(Interactions(USERS, ITEMS))
    missing = {name for name, value in features.items() if np.isnan(value)}
    whole = interaction_meta_features(Interactions(USERS, ITEMS), groups=["ratings", "times"])
    assert missing == {*whole, "interaction.bias_r2", "interaction.svd_r2"}


def test_names_of_users_and_items_do_not_matter_to_counts() -> None:
    groups = ["simple", "popularity", "ratings", "times"]
    expected = interaction_meta_features(Interactions(USERS, ITEMS, RATINGS, TIMES), groups=groups)
    for users, items in [
        (39 - USERS, ITEMS * 10**15),
        ([f"u{user}" for user in USERS], ITEMS.astype("U4")),
        (pd.Series(USERS).astype("category"), pd.Series(ITEMS, dtype="Int64")),
    ]:
        features = interaction_meta_features(
            Interactions(users, items, RATINGS, TIMES), groups=groups
        )
        assert features == pytest.approx(expected)


def test_the_order_of_rows_matters_to_landmarkers_alone() -> None:
    order = RNG.permutation(900)
    before = interaction_meta_features(Interactions(USERS, ITEMS, RATINGS, TIMES))
    after = interaction_meta_features(
        Interactions(USERS[order], ITEMS[order], RATINGS[order], TIMES[order])
    )
    rest = [name for name in NAMES if name.split(".")[1] not in LANDMARKERS]
    assert {n: after[n] for n in rest} == pytest.approx({n: before[n] for n in rest})


EDGE_CASES: dict[str, tuple[Any, ...]] = {
    "one interaction": ([1], [1], [3.0], [0]),
    "one user": ([1] * 30, list(range(30)), [3.0] * 30, list(range(30))),
    "one item": (list(range(30)), [1] * 30, [3.0, 4, 5] * 10, list(range(30))),
    "one pair": ([1] * 30, [1] * 30, [3.0, 4, 5] * 10, list(range(30))),
    "two of each": ([1, 1, 2, 2] * 5, [1, 2] * 10, [1, 2, 3, 4] * 5, [0] * 20),
    "no repeated user": (list(range(30)), list(range(30)), [1, 2, 3] * 10, None),
    "no name": ([None] * 5, [None] * 5, [1] * 5, [1] * 5),
    "no rating": (USERS, ITEMS, [None] * 900, [None] * 900),
    "constant ratings": (USERS, ITEMS, np.ones(900), np.ones(900)),
    "huge": (USERS, ITEMS, RATINGS * 1e300, TIMES * 1e308),
    "widest": (USERS, ITEMS, np.where(RATINGS > 2, 1.7e308, -1.7e308), TIMES * 3e308 - 1.5e308),
    "tiny": (USERS, ITEMS, RATINGS * 1e-310, TIMES * 1e-310),
    "infinite": (
        USERS,
        ITEMS,
        np.where(RATINGS > 4, np.inf, RATINGS),
        np.where(TIMES > 0.5, TIMES, -np.inf),
    ),
    "bools": (USERS > 20, ITEMS > 30, RATINGS > 3, TIMES > 0.5),
    "dates": (USERS, ITEMS, None, pd.date_range("2024-01-01", periods=900)),
}


@pytest.mark.parametrize("case", EDGE_CASES)
def test_no_ordinary_interactions_are_too_odd(case: str) -> None:
    assert_well_formed(interaction_meta_features(Interactions(*EDGE_CASES[case])))


def test_the_seed_holds_out() -> None:
    interactions = Interactions(USERS, ITEMS, RATINGS, TIMES)
    first = interaction_meta_features(interactions)
    assert interaction_meta_features(interactions) == first
    other = interaction_meta_features(interactions, seed=1)
    changed = {name for name in NAMES if other[name] != first[name]}
    assert changed == {f"interaction.{name}" for name in LANDMARKERS}


def test_without_time_all_is_missing() -> None:
    interactions = Interactions(USERS, ITEMS, RATINGS, TIMES)
    features = interaction_meta_features(interactions, budget=Budget(0))
    assert np.isnan(list(features.values())).all()


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(ValueError, match="groups must be among 'simple', .* got 'users'"):
        interaction_meta_features(Interactions([1], [1]), groups=["users"])


def test_a_million_interactions_take_seconds() -> None:
    n = 1_000_000
    users, items = RNG.integers(0, 50_000, n), RNG.integers(0, 20_000, n)
    start = time.process_time()
    assert_well_formed(interaction_meta_features(Interactions(users, items, users % 5, items)))
    # It takes about one.
    assert time.process_time() - start < 20

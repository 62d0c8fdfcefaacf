from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from optuna_meta.features.interactions import measures
from optuna_meta.features.interactions.events import Events


def make_events(n: int = 500, seed: int = 0) -> Events:
    rng = np.random.default_rng(seed)
    users = np.append(np.arange(20), rng.integers(0, 20, n - 20))
    items = np.append(np.arange(20), rng.integers(0, 30, n - 20) % 20)
    return Events(users, items, rng.integers(1, 6, n).astype(float), rng.random(n))


def test_counts() -> None:
    users, items = np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, 1, 1])
    features = measures.describe_counts(Events(users, items, None, None))
    expected = {
        "nr_inst": 5,
        "nr_users": 3,
        "nr_items": 2,
        "users_per_item": 1.5,
        "density": 4 / 6,
        "repeat_ratio": 1 / 5,
        "per_user.mean": 5 / 3,
        "per_user.sd": np.std([3, 1, 1]),
        "per_user.median": 1,
        "per_user.max": 3,
        "cold_user_ratio": 1,
        "per_item.max": 3,
    }
    assert {name: features[name] for name in expected} == pytest.approx(expected)


def test_gini_is_half_the_mean_difference_over_the_mean() -> None:
    counts = np.random.default_rng(0).integers(1, 50, 40)
    differences = np.abs(counts[:, None] - counts)
    assert measures.gini(counts) == pytest.approx(differences.mean() / counts.mean() / 2)
    assert measures.gini(np.full(7, 3)) == pytest.approx(0)
    assert measures.gini(np.array([0, 0, 0, 9])) == pytest.approx(1 - 1 / 4)


def test_popularity() -> None:
    events = make_events()
    features = measures.describe_popularity(events)
    counts = np.bincount(events.items)
    assert features["item_ent"] == pytest.approx(scipy.stats.entropy(counts, base=2))
    assert features["item_evenness"] == pytest.approx(features["item_ent"] / np.log2(20))
    assert features["item_gini"] == measures.gini(counts)
    # Twice as many of the first ten items.
    assert features["item_gini"] > features["user_gini"]


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e300])
def test_ratings(scale: float) -> None:
    events = make_events()
    assert events.ratings is not None
    ratings = events.ratings.copy()
    ratings[::5] = np.nan
    features = measures.describe_ratings(events._replace(ratings=ratings * scale))
    known = ratings[~np.isnan(ratings)]
    assert features["rating_mean"] == pytest.approx(known.mean() * scale)
    assert features["rating_sd"] == pytest.approx(known.std() * scale)
    assert features["rating_skewness"] == pytest.approx(scipy.stats.skew(known), abs=0.01)
    assert features["nr_ratings"] == 5
    assert features["rating_ent"] == pytest.approx(np.log2(5), abs=0.05)


def test_variance_is_shared_out_between_and_within_groups() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 400, 6_000)
    noise = rng.standard_normal(6_000)
    assert measures.variance_share(noise, groups) < 0.02
    effects = rng.standard_normal(400)[groups]
    assert measures.variance_share(effects + noise, groups) == pytest.approx(0.5, abs=0.08)
    assert measures.variance_share(effects, groups) == pytest.approx(1)
    assert measures.variance_share(effects + noise + 1e6, groups) == pytest.approx(
        measures.variance_share(effects + noise, groups), rel=1e-6
    )


def test_variance_without_groups_or_spread_is_unknown() -> None:
    assert np.isnan(measures.variance_share(np.arange(3.0), np.zeros(3, dtype=int)))
    assert np.isnan(measures.variance_share(np.arange(3.0), np.arange(3)))
    assert np.isnan(measures.variance_share(np.ones(4), np.array([0, 0, 1, 1])))
    # A group may be of nobody.
    spread = measures.variance_share(np.array([1.0, 2, 5, 6]), np.array([0, 0, 9, 9]))
    assert spread == measures.variance_share(np.array([1.0, 2, 5, 6]), np.array([0, 0, 1, 1]))


def test_regular_random_and_bursty_times() -> None:
    rng = np.random.default_rng(0)
    assert measures.burstiness(np.ones(50)) == -1
    assert measures.burstiness(rng.exponential(size=20_000)) == pytest.approx(0, abs=0.02)
    assert measures.burstiness(np.append(np.full(999, 1e-6), 1.0)) > 0.8
    assert np.isnan(measures.burstiness(np.empty(0)))


def test_times() -> None:
    users = np.array([0, 1, 0, 1, 0, 2, 2, 0, 0, 3])
    items = np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    times = np.array([0, 1, 2, 3, 4, 5, 5, 7, 8, 10.0])
    features = measures.describe_times(Events(users, items, None, times))
    own_gaps = np.array([2, 2, 3, 1, 2, 0])
    mean, sd = own_gaps.mean(), own_gaps.std()
    expected = {
        "span_gaps": 10,
        "same_time_ratio": 1 / 9,
        "user_burstiness": (sd - mean) / (sd + mean),
        "user_span": np.mean([0.8, 0.2, 0, 0]),
        "late_new_user_ratio": 1,
        "late_new_item_ratio": 0,
    }
    assert {name: features[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize(("factor", "offset"), [(-1, 0), (1e-9, 0), (1e300, 0), (3, 1e6)])
def test_units_of_time_do_not_matter(factor: float, offset: float) -> None:
    events = make_events()
    assert events.times is not None
    ranks = np.argsort(np.argsort(events.times)) ** 2.0
    before = measures.describe_times(events._replace(times=ranks))
    after = measures.describe_times(events._replace(times=ranks * factor + offset))
    if factor > 0:
        assert after == pytest.approx(before, rel=1e-6)
    else:
        same = ["span_gaps", "burstiness", "user_burstiness", "user_span"]
        assert {n: after[n] for n in same} == pytest.approx({n: before[n] for n in same})


def test_what_is_unknown_has_no_features() -> None:
    none = np.empty(0, dtype=np.int64)
    nothing = Events(none, none, np.empty(0), np.empty(0))
    assert measures.describe_counts(nothing)["nr_inst"] == 0
    assert measures.describe_popularity(nothing) == {}
    assert measures.describe_ratings(nothing) == measures.describe_times(nothing) == {}
    unknown = Events(none, none, None, None)
    assert measures.describe_ratings(unknown) == measures.describe_times(unknown) == {}
    two = np.zeros(2, dtype=np.int64)
    assert measures.describe_times(Events(two, two, None, np.array([3.0, np.nan]))) == {}
    assert measures.describe_times(Events(two, two, None, np.array([3.0, 3.0]))) == {}

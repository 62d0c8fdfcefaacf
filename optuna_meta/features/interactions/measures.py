"""Measures of interactions: how they spread over users, items, ratings and time.

Burstiness is that of Goh and Barabasi (2008), "Burstiness and memory in complex systems"; the
variance components are those of the one-way random effects model, Searle, Casella and McCulloch
(1992), "Variance components".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.features.interactions.events import Events
import optuna_meta.features.stats as stats


__all__ = ["describe_counts", "describe_popularity", "describe_ratings", "describe_times"]

_COLD = 5  # A user or item with fewer interactions is cold: public data are often cut there.
_LATE = 0.1  # The last share of the interactions, of which a split by time would hold out as many.


def describe_counts(events: Events) -> dict[str, float]:
    """Return sizes, and how many interactions a user and an item have."""
    nr_inst = len(events.users)
    if not nr_inst:
        return {"nr_inst": 0.0, "nr_users": 0.0, "nr_items": 0.0}
    per_user, per_item = np.bincount(events.users), np.bincount(events.items)
    # Sorted, which takes a tenth of the time of np.unique.
    pairs = np.sort(events.users * len(per_item) + events.items)
    nr_pairs = 1 + np.count_nonzero(np.diff(pairs))
    features = {
        "nr_inst": nr_inst,
        "nr_users": len(per_user),
        "nr_items": len(per_item),
        "users_per_item": len(per_user) / len(per_item),
        "density": nr_pairs / (len(per_user) * len(per_item)),
        "repeat_ratio": 1.0 - nr_pairs / nr_inst,
    }
    for name, counts in (("user", per_user), ("item", per_item)):
        features |= {
            f"per_{name}.mean": counts.mean(),
            f"per_{name}.sd": counts.std(),
            f"per_{name}.median": float(np.median(counts)),
            f"per_{name}.max": counts.max(),
            f"cold_{name}_ratio": float(np.mean(counts < _COLD)),
        }
    return features


def describe_popularity(events: Events) -> dict[str, float]:
    """Return how unequally interactions fall to users and to items."""
    features: dict[str, float] = {}
    for name, codes in (("user", events.users), ("item", events.items)):
        if not len(codes):
            continue
        counts = np.bincount(codes)
        features |= {
            f"{name}_gini": gini(counts),
            f"{name}_ent": stats.entropy(counts),
            f"{name}_evenness": stats.evenness(counts),
        }
    return features


def gini(counts: NDArray[np.int64]) -> float:
    """Return Gini's coefficient of counts (k,): 0 if all are equal, 1 - 1/k if one is all."""
    ascending = np.sort(counts).astype(np.float64)
    k = len(ascending)
    ranks = 2.0 * np.arange(1, k + 1) - k - 1.0
    return float(ranks @ ascending / (k * ascending.sum()))


def describe_ratings(events: Events) -> dict[str, float]:
    """Return features of the ratings; none without any."""
    if events.ratings is None:
        return {}
    known = ~np.isnan(events.ratings)
    ratings = events.ratings[known]
    if not len(ratings):
        return {}
    values, counts = np.unique(ratings, return_counts=True)
    # Halved before they are subtracted, for the sum of two numbers may overflow.
    scale = max(float(np.max(np.abs(values))), 1e-300)
    spread = ratings / scale
    z = stats.standardise(ratings[:, None])
    return {
        "rating_mean": float(spread.mean()) * scale,
        "rating_sd": float(spread.std()) * scale,
        "rating_skewness": float(stats.skewness(z)[0]) if z.shape[1] else np.nan,
        "rating_ent": stats.entropy(counts),
        "nr_ratings": len(values),
        "rating_mode_ratio": counts.max() / counts.sum(),
        "user_variance_ratio": variance_share(spread, events.users[known]),
        "item_variance_ratio": variance_share(spread, events.items[known]),
    }


def variance_share(values: Array, groups: NDArray[np.int64]) -> float:
    """Return the share of variance that lies between groups, not counting what chance puts there.

    Its estimate by the mean squares between and within groups, clipped to [0, 1]; NaN for a
    single group, without two values in a group, or where nothing varies.

    Args:
        values: Shape (n,).
        groups: The number of each value's group, of shape (n,).
    """
    sizes = np.bincount(groups)
    nr_groups, n = np.count_nonzero(sizes), len(values)
    if nr_groups < 2 or n == nr_groups or np.ptp(values) == 0:
        return np.nan
    centred = values - values.mean()
    means = np.bincount(groups, centred) / np.maximum(sizes, 1)
    between = float(sizes @ means**2) / (nr_groups - 1)
    within = float(np.sum((centred - means[groups]) ** 2)) / (n - nr_groups)
    size = (n - float(sizes @ sizes) / n) / (nr_groups - 1)
    component = max(between - within, 0.0) / size
    return component / (component + within) if component + within > 0 else np.nan


def describe_times(events: Events) -> dict[str, float]:
    """Return features of the order and the spacing of interactions; none without times."""
    if events.times is None:
        return {}
    order = np.argsort(events.times, kind="stable")  # NaN comes last
    order = order[: np.count_nonzero(~np.isnan(events.times))]
    if len(order) < 2:
        return {}
    times = events.times[order]
    # As a share of the whole span, whatever the unit; halved, for a span may overflow.
    span = times[-1] / 2 - times[0] / 2
    if not span > 0:
        return {}
    shares = (times / 2 - times[0] / 2) / span
    gaps = np.diff(shares)
    users, items = events.users[order], events.items[order]
    own_gaps, own_spans = _gaps_of_users(users, shares)
    late = int((1.0 - _LATE) * len(order))
    return {
        "span_gaps": stats.ratio(1.0, float(np.median(gaps[gaps > 0]))),
        "same_time_ratio": float(np.mean(gaps == 0)),
        "burstiness": burstiness(gaps),
        "user_burstiness": burstiness(own_gaps),
        "user_span": float(own_spans.mean()),
        "late_new_user_ratio": _new_share(users, late),
        "late_new_item_ratio": _new_share(items, late),
    }


def burstiness(gaps: Array) -> float:
    """Return (s - m) / (s + m): -1 for regular gaps, 0 for random ones, 1 for bursts."""
    if not len(gaps):
        return np.nan
    sd, mean = float(gaps.std()), float(gaps.mean())
    return stats.ratio(sd - mean, sd + mean)


def _gaps_of_users(users: NDArray[np.int64], times: Array) -> tuple[Array, Array]:
    """Return the times between a user's interactions, and from each user's first to the last.

    Args:
        users: Shape (n,).
        times: Ascending, of shape (n,).
    """
    by_user = np.argsort(users, kind="stable")
    users, times = users[by_user], times[by_user]
    same = users[1:] == users[:-1]
    firsts = np.append(True, ~same)
    lasts = np.append(~same, True)
    return np.diff(times)[same], times[lasts] - times[firsts]


def _new_share(codes: NDArray[np.int64], late: int) -> float:
    """Return the share of the codes from an index on that do not occur before it."""
    return float(np.mean(np.isin(codes[late:], codes[:late], invert=True)))

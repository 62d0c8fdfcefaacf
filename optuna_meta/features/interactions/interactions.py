"""Meta-features of interactions of users with items, all named ``interaction.``...

* ``simple``: ``nr_inst``, ``nr_users``, ``nr_items``, ``users_per_item``; ``density`` (share of
  all pairs that occur), ``repeat_ratio`` (share of interactions whose pair occurred already);
  interactions ``per_user`` and ``per_item``; ``cold_user_ratio`` and ``cold_item_ratio`` (shares
  with fewer than five).
* ``popularity``: of users and of items, ``gini`` of their interactions, ``ent`` (bits), and
  ``evenness`` (its share of what equal ones have).
* ``ratings``: ``rating_mean``, ``rating_sd``, ``rating_skewness``, ``rating_ent`` (bits),
  ``nr_ratings`` (distinct values), ``rating_mode_ratio`` (share of the commonest);
  ``user_variance_ratio`` and ``item_variance_ratio`` (shares of variance between users, between
  items).
* ``times``: ``span_gaps`` (the whole span, in median gaps between times that differ),
  ``same_time_ratio``, ``burstiness`` of all gaps and of those between one user's interactions,
  ``user_span`` (mean share of the span from a user's first to the last); ``late_new_user_ratio``
  and ``late_new_item_ratio`` (shares of the last tenth whose user or item is new there).
* ``landmarking``: ``popularity_hit_ratio``, ``svd_hit_ratio``, ``bias_r2`` and ``svd_r2`` of
  :mod:`.recommenders`.
"""

from __future__ import annotations

import numpy as np

from optuna_meta.features.groups import Budget
from optuna_meta.features.groups import Extractor
from optuna_meta.features.groups import Steps
from optuna_meta.features.interactions.events import Interactions
from optuna_meta.features.interactions.events import read_interactions
import optuna_meta.features.interactions.measures as measures
from optuna_meta.features.interactions.recommenders import landmark_interactions


__all__ = ["interaction_meta_features"]

_GROUPS = {
    "simple": (
        *("nr_inst", "nr_users", "nr_items", "users_per_item", "density", "repeat_ratio"),
        *("per_user.mean", "per_user.sd", "per_user.median", "per_user.max", "cold_user_ratio"),
        *("per_item.mean", "per_item.sd", "per_item.median", "per_item.max", "cold_item_ratio"),
    ),
    "popularity": (
        *("user_gini", "user_ent", "user_evenness"),
        *("item_gini", "item_ent", "item_evenness"),
    ),
    "ratings": (
        *("rating_mean", "rating_sd", "rating_skewness", "rating_ent", "nr_ratings"),
        *("rating_mode_ratio", "user_variance_ratio", "item_variance_ratio"),
    ),
    "times": (
        *("span_gaps", "same_time_ratio", "burstiness", "user_burstiness", "user_span"),
        *("late_new_user_ratio", "late_new_item_ratio"),
    ),
    "landmarking": ("popularity_hit_ratio", "svd_hit_ratio", "bias_r2", "svd_r2"),
}


def prepare_interactions(interactions: Interactions, *, seed: int, budget: Budget) -> Steps:
    """Read interactions, and say how to compute each group of features.

    All interactions are counted, in time and memory that grow with their number as sorting does;
    landmarkers are of at most 300,000. The order of the interactions matters to landmarkers alone,
    and to the times of those at the same time.

    Args:
        interactions: Users, items, and where there are any ratings and times.
        seed: Of the generator that draws the landmarkers' users and what they hold out.
        budget: The time that there is.

    Raises:
        ValueError: If ratings or times are no numbers.
    """
    events, rng = read_interactions(interactions), np.random.default_rng([seed, 1])
    return {
        "simple": lambda: measures.describe_counts(events),
        "popularity": lambda: measures.describe_popularity(events),
        "ratings": lambda: measures.describe_ratings(events),
        "times": lambda: measures.describe_times(events),
        "landmarking": lambda: landmark_interactions(events, rng, budget),
    }


interaction_meta_features = Extractor("interaction.", _GROUPS, prepare_interactions)

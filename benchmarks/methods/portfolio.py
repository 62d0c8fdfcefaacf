"""Configurations to try first, chosen from prior studies without any model of the target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
import json
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from scipy.stats import rankdata

from benchmarks.tasks.task import Array


_N_TREES = 50  # half of scikit-learn's: there is a forest a study


def best_configurations(studies: Sequence[optuna.Study], size: int) -> list[dict[str, Any]]:
    """Return the best configuration of each study, without repetitions, at most ``size``.

    Values of different tasks do not compare. So configurations that are best in several studies
    come first, then those that stand out most from their own study, in standard deviations.
    """
    keys = [_key(study.best_params) for study in studies]
    counts = Counter(keys)
    order = sorted(
        range(len(studies)), key=lambda i: (counts[keys[i]], _prominence(studies[i])), reverse=True
    )
    return [json.loads(key) for key in dict.fromkeys(keys[i] for i in order)][:size]


def greedy_portfolio(
    studies: Sequence[optuna.Study], size: int, seed: int
) -> list[dict[str, Any]]:
    """Return configurations of which, in nearly every study, at least one would have ranked high.

    The candidates are all prior trials. A candidate's rank in a study is its own if it was run
    there, else what a random forest on that study's ranks predicts. One at a time, the candidate
    is added that leaves the lowest mean over studies of the best rank so far.
    """
    if not studies:
        return []
    trials = [trial for study in studies for trial in study.trials]
    ranks = _rank_matrix(studies, _rows(trials), seed)
    chosen: list[int] = []
    reached = np.ones(len(studies))
    for _ in range(min(size, len(trials))):
        scores = np.minimum(ranks, reached).mean(axis=1)
        scores[chosen] = np.inf
        chosen.append(int(np.argmin(scores)))
        reached = np.minimum(reached, ranks[chosen[-1]])
    return [dict(trials[i].params) for i in chosen]


def _rank_matrix(studies: Sequence[optuna.Study], rows: Array, seed: int) -> Array:
    """Return ranks in [0, 1], (candidates, studies), 0 the best."""
    from sklearn.ensemble import RandomForestRegressor  # which takes time to import

    ranks = np.empty((len(rows), len(studies)))
    start = 0
    for j, study in enumerate(studies):
        own = slice(start, start + len(study.trials))
        y = _losses(study)
        y = (rankdata(y) - 0.5) / len(y)
        forest = RandomForestRegressor(_N_TREES, random_state=seed % 2**32).fit(rows[own], y)
        ranks[:, j] = forest.predict(rows)
        ranks[own, j] = y
        start = own.stop
    return ranks


def _rows(trials: Sequence[optuna.trial.FrozenTrial]) -> Array:
    """Return features, (n, width): numbers as they are, categories one-hot, -1 if inactive."""
    names = sorted({name for trial in trials for name in _features(trial)})
    return np.array([[_features(trial).get(name, -1.0) for name in names] for trial in trials])


def _features(trial: optuna.trial.FrozenTrial) -> dict[str, float]:
    features: dict[str, float] = {}
    for name, distribution in trial.distributions.items():
        if isinstance(distribution, CategoricalDistribution):
            features |= {
                f"{name}={choice}": float(choice == trial.params[name])
                for choice in distribution.choices
            }
        else:
            features[name] = float(trial.params[name])
    return features


def _losses(study: optuna.Study) -> Array:
    values = np.array([trial.value for trial in study.trials], dtype=float)
    return values if study.direction == optuna.study.StudyDirection.MINIMIZE else -values


def _prominence(study: optuna.Study) -> float:
    losses = _losses(study)
    return float((losses.mean() - losses.min()) / (losses.std() or 1.0))


def _key(params: dict[str, Any]) -> str:
    return json.dumps(params, sort_keys=True)

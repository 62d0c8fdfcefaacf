"""What a configuration will cost: logarithms of costs, with an offset a study.

Machines differ by a factor, and what makes a configuration dear is the same on all: so the prior
studies' costs, each in units of its study's median, are one function, and the target's own trials
tell its factor and where it differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor
from scipy.linalg import cho_solve

from optuna_meta._typing import Array
from optuna_meta.space.search_space import Space
from optuna_meta.studies.task import Task
from optuna_meta.surrogate.kernel import default_precisions
from optuna_meta.surrogate.kernel import design
from optuna_meta.surrogate.kernel import matern52
from optuna_meta.surrogate.kernel import squared_distances


__all__ = ["CostModel", "Costs", "fit_costs", "log_costs", "prior_costs"]

_MOST_TRIALS = 400  # Of the prior studies together, and of the target.
_LEAST_SECOND = 0.5  # Databases that keep whole seconds say 0 of what takes less.
_FARTHEST = 3.0  # Spreads beyond the median: a trial that hung, or a clock that was set, costs so.
# Variances of logarithms: what all studies have in common, one study's own, and noise.
_SHARED, _OWN, _NOISE = 1.0, 0.25, 0.05


@dataclass(frozen=True)
class Costs:
    """Known costs of n trials in one space.

    Args:
        space: The space.
        rows: Configurations.  # (n, D)
        logs: Logarithms of their costs, of prior studies less their study's median.  # (n,)
    """

    space: Space
    rows: Array  # (n, D)
    logs: Array  # (n,)


@dataclass(frozen=True)
class CostModel:
    """Forecasts the cost of configurations of the target.

    Args:
        space: The union of the prior studies' space and the target's.
        X: Design of the n trials that it knows.  # (n, W)
        alpha: Their coefficients.  # (n,)
        own: 1 for those that are the target's, else 0.  # (n,)
        offset: Logarithm of what the target's median trial costs.
    """

    space: Space
    X: Array  # (n, W)
    alpha: Array  # (n,)
    own: Array  # (n,)
    offset: float

    def log_cost(self, rows: Array, space: Space) -> Array:
        """Forecast the logarithms of the costs of rows (M, D) of another space.  # (M,)"""
        if not len(self.alpha):
            return np.full(len(rows), self.offset)
        X = design(self.space.translate(rows, space), self.space)
        covariance = _covariance(X, self.X, np.ones(len(X)), self.own)
        return np.asarray(self.offset + covariance @ self.alpha)


def log_costs(costs: Array) -> Array:
    """Return logarithms of costs (n,): NaN where one is none, those far off drawn in."""
    known = np.isfinite(costs) & (costs >= 0.0)
    logs = np.full(len(costs), np.nan)
    # In seconds; costs in smaller units are none below that, so it is no more than their least.
    positive = costs[known & (costs > 0.0)]
    least = min(_LEAST_SECOND, float(positive.min())) if len(positive) else _LEAST_SECOND
    logs[known] = np.log(np.maximum(costs[known], least))
    if known.any():
        median = np.median(logs[known])
        spread = np.median(np.abs(logs[known] - median)) or 1.0
        logs = np.clip(logs, median - _FARTHEST * spread, median + _FARTHEST * spread)
    return logs


def prior_costs(tasks: Sequence[Task], space: Space, name: str | None = None) -> Costs:
    """Return what prior studies' trials cost, each in units of its study's median.

    Args:
        tasks: The prior studies.
        space: Of their rows.
        name: Of the cost, as trials report it; how long they ran if ``None``.
    """
    rows, logs = [np.zeros((0, len(space.dimensions)))], [np.zeros(0)]
    # Of a study's tasks those of constraints have no curves, and no costs beside them.
    of_curves = [task for task in tasks if task.curves is not None]
    known = {task.name: (task.rows, _costs_in(task, name)) for task in of_curves}
    known = {study: pair for study, pair in known.items() if np.isfinite(pair[1]).sum() > 1}
    for of_study, costs in known.values():
        found = log_costs(costs)
        kept = np.flatnonzero(~np.isnan(found))[: max(1, _MOST_TRIALS // len(known))]
        if len(kept) > 1:
            rows.append(of_study[kept])
            logs.append(found[kept] - np.median(found[kept]))
    return Costs(space, np.vstack(rows), np.concatenate(logs))


def _costs_in(task: Task, name: str | None) -> Array:
    """Return what a prior study's trials cost; NaN where that is unknown.  # (n,)"""
    unknown = np.full(len(task.rows), np.nan)
    if task.curves is None:
        return unknown
    return task.curves.seconds if name is None else task.curves.costs.get(name, unknown)


def fit_costs(prior: Costs, own: Costs) -> CostModel:
    """Learn the costs of the target's configurations.

    Args:
        prior: Those of prior studies.
        own: Those of the target's own trials, of which only some may be known.
    """
    space = Space.union([prior.space.dimensions, own.space.dimensions])
    known = np.flatnonzero(~np.isnan(own.logs))[-_MOST_TRIALS:]
    translated = space.translate(own.rows[known], own.space)
    rows = np.vstack([space.translate(prior.rows, prior.space), translated])
    X, is_own = design(rows, space), np.repeat([0.0, 1.0], [len(prior.rows), len(known)])
    if not len(X):
        return CostModel(space, X, np.zeros(0), is_own, 0.0)
    covariance = _covariance(X, X, is_own, is_own) + _NOISE * np.eye(len(X))
    factor = cho_factor(covariance, lower=True)
    y, offset = np.concatenate([prior.logs, own.logs[known]]), 0.0
    if len(known):  # By generalised least squares.
        weights = cho_solve(factor, is_own)
        offset = float(weights @ y / (weights @ is_own))
    return CostModel(space, X, cho_solve(factor, y - offset * is_own), is_own, offset)


def _covariance(a: Array, b: Array, own_a: Array, own_b: Array) -> Array:
    """Return the covariance of trials of designs a (n, W) and b (m, W).  # (n, m)"""
    scale = float(default_precisions(max(a.shape[1], 1))[0])
    near = matern52(scale * squared_distances(a, b))
    return np.asarray(near * (_SHARED + _OWN * np.outer(own_a, own_b)))

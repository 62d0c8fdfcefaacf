"""What the next trial is for: improvement, of one objective or of hypervolume, where feasible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optuna_meta.acquisition import directions
from optuna_meta.acquisition import log_expected_improvement
from optuna_meta.acquisition import log_feasibility
from optuna_meta.acquisition import log_hypervolume_improvement
from optuna_meta.acquisition import mixture_score
from optuna_meta.outlook import View
from optuna_meta.pareto import is_on_front
from optuna_meta.space import Array
from optuna_meta.surrogate.kernel import design
from optuna_meta.surrogate.target import Inputs
from optuna_meta.surrogate.target import Predictions


__all__ = ["Goal"]

_MARGIN = 0.1  # Of the trials' extent, from the worst value to the reference point.


@dataclass(frozen=True)
class Goal:
    """The acquisition of one trial.

    Args:
        views: The K objectives and then the J constraints, each after the target's trials.
        n_objectives: K.
        feasible: Which of the trials are feasible.  # (n,)
    """

    views: tuple[View, ...]
    n_objectives: int
    feasible: NDArray[np.bool_]

    @property
    def asks_priors(self) -> bool:
        """Whether any score depends on what the prior studies expect."""
        return any(view.model.asks_priors() for view in self.views)

    def inputs(self, rows: Array) -> list[Inputs]:
        """What the model of each measure reads of rows (M, D)."""
        X = design(rows, self.views[0].lens.space)
        return [Inputs(_expectations(view, rows), X) for view in self.views]

    def scores(self, inputs: Sequence[Inputs]) -> Array:
        """Scores (M,) of candidates, higher is better, from the inputs of each measure."""
        told = [v.model.predict(i) for v, i in zip(self.views, inputs, strict=True)]
        aims, limits = told[: self.n_objectives], told[self.n_objectives :]
        if len(aims) > 1:
            score = self._hypervolume(aims)
        elif limits:
            score = _improvement(aims[0], self.feasible)
        else:
            p = aims[0]
            score = mixture_score(p.means, p.deviations, p.incumbents, p.weights)
        for p in limits:
            score = score + log_feasibility(p.means, p.deviations, p.weights)
        return score

    def _hypervolume(self, aims: Sequence[Predictions]) -> Array:
        means, deviations = np.array([p.moments() for p in aims]).transpose(1, 2, 0)
        known = np.column_stack([p.weights @ p.fitted for p in aims])  # (n, K)
        reached = known[self.feasible]
        front = reached[is_on_front(reached)]
        rays = directions(len(aims))
        return log_hypervolume_improvement(means, deviations, front, _reference(known), rays)


def _expectations(view: View, rows: Array) -> Array:
    """What the prior studies expect of rows (M, D); 0 where nothing depends on it.  # (M, T)"""
    if view.model.asks_priors():
        return view.lens.expectations(rows)
    return np.zeros((len(rows), len(view.lens.fitted)))


def _improvement(p: Predictions, feasible: NDArray[np.bool_]) -> Array:
    """Log expected improvement (M,) on the best feasible trial, of whatever that may be."""
    if feasible.any():
        incumbents = p.fitted[:, feasible].min(axis=1)
    elif p.fitted.shape[1]:
        incumbents = p.fitted.max(axis=1)  # Feasibility decides, and among equals the value.
    else:
        incumbents = np.ones(len(p.weights))  # One deviation worse than average.
    logs = log_expected_improvement(p.means, p.deviations, incumbents[:, None])
    logs = logs + np.log(np.maximum(p.weights, 1e-300))[:, None]
    score: Array = np.logaddexp.reduce(logs, axis=0)
    return score


def _reference(known: Array) -> Array:
    """The worst values (K,) that count: somewhat beyond the worst of all trials (n, K).

    Nearer to the front its ends would count for little, and the search would keep to its middle.
    """
    if not len(known):
        return np.ones(known.shape[1])  # One deviation worse than average.
    worst = known.max(axis=0)
    reference: Array = worst + _MARGIN * (worst - known.min(axis=0)) + 1.0 / len(known)
    return reference

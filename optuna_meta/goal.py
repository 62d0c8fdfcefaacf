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

_MARGIN = 0.1  # Of the front's extent, from its worst value to the reference point.


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

    def inputs(self, rows: Array) -> list[Inputs]:
        """What the model of each measure reads of rows (M, D)."""
        X = design(rows, self.views[0].lens.space)
        return [Inputs(view.lens.expectations(rows), X) for view in self.views]

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
        reference = _reference(known, front)
        rays = directions(len(aims))
        return log_hypervolume_improvement(means, deviations, front, reference, rays)


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


def _reference(known: Array, front: Array) -> Array:
    """The worst values (K,) that count, from those of all trials (n, K) and of the front (P, K).

    A little worse than the front's worst, and at first, when the front is a point or two, worse
    than the middling trial.
    """
    if not len(known):
        return np.ones(known.shape[1])
    middle = np.median(known, axis=0)
    if not len(front):
        return np.asarray(known.max(axis=0) + 1.0 / len(known))
    worst = front.max(axis=0)
    reached = np.maximum(worst + _MARGIN * (worst - front.min(axis=0)), middle)
    reference: Array = reached + 1.0 / len(known)
    return reference

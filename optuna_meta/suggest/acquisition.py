"""Expected improvement of mixtures (Jones et al., 1998), lower values are better.

With several objectives the improvement is one of hypervolume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from optuna_meta._typing import Array
from optuna_meta.outcomes.pareto import is_on_front
from optuna_meta.suggest.expected_improvement import log_expected_improvement
from optuna_meta.suggest.hypervolume import Boxes
from optuna_meta.suggest.hypervolume import free_boxes
from optuna_meta.suggest.hypervolume import log_hypervolume_improvement
from optuna_meta.suggest.portfolio import log_portfolio_improvement
from optuna_meta.surrogate.mixture_gp import Inputs
from optuna_meta.surrogate.mixture_gp import Predictions
from optuna_meta.surrogate.transfer_model import OutcomePosterior


__all__ = ["AcquisitionFunction", "log_feasibility", "mixture_score"]

_LEAST = 1e-300  # Logarithms stay finite.
_DEVIATION_WORSE = 1.0  # Than average, before any trial.
_TIE = np.log(1e-6)  # Of a share: it decides among candidates that gain under no prior study.
_NO_TEST = 1e6  # What tests nothing comes after all that does.
_MARGIN = 0.1  # Of the trials' extent, from the worst value to the reference point.


def mixture_score(means: Array, deviations: Array, incumbents: Array, weights: Array) -> Array:
    """Return log expected improvement under a mixture; before any trial, the lowest mean.

    Args:
        means: Means of H components at M candidates.  # (H, M)
        deviations: Their standard deviations.  # (H, M)
        incumbents: The components' incumbents; infinite before any trial.  # (H,)
        weights: The components' probabilities.  # (H,)

    Returns:
        Scores, higher is better.  # (M,)
    """
    if np.isinf(incumbents).any():
        return np.asarray(-weights @ means)
    logs = log_expected_improvement(means, deviations, incumbents[:, None])
    logs = logs + np.log(np.maximum(weights, _LEAST))[:, None]
    return np.asarray(np.logaddexp.reduce(logs, axis=0))


def log_feasibility(means: Array, deviations: Array, weights: Array) -> Array:
    """Return the log probability (M,) that a constraint is at most 0 under a mixture."""
    logs = log_ndtr(-means / deviations) + np.log(np.maximum(weights, _LEAST))[:, None]
    return np.asarray(np.logaddexp.reduce(logs, axis=0))


@dataclass(frozen=True)
class AcquisitionFunction:
    """What the next trial is for: improvement, or hypervolume improvement, where feasible.

    Args:
        posteriors: The K objectives and then the J constraints, each after the target's trials.
        n_objectives: K.
        feasible: Which of the trials could be suggested: they are feasible, and in the space.
            # (n,)
        pending: Running trials, which are believed to come to what is expected of them.  # (p, D)
    """

    posteriors: tuple[OutcomePosterior, ...]
    n_objectives: int
    feasible: NDArray[np.bool_]
    pending: Array  # (p, D)

    @property
    def asks_priors(self) -> bool:
        """Whether any score depends on what the prior studies expect."""
        return any(posterior.model.asks_priors() for posterior in self.posteriors)

    @property
    def is_undecided(self) -> bool:
        """Whether a candidate counts by what it gains if the target is like one prior study."""
        return self.n_objectives == 1 and self.posteriors[0].is_undecided

    def inputs(self, rows: Array) -> list[Inputs]:
        """Assemble what the model of each outcome reads of rows (M, D)."""
        return [posterior.inputs(rows) for posterior in self.posteriors]

    def scores(self, inputs: Sequence[Inputs]) -> Array:
        """Score M candidates, higher is better, from the inputs of each outcome.  # (M,)"""
        predictions = [p.model.predict(i) for p, i in zip(self.posteriors, inputs, strict=True)]
        objectives = predictions[: self.n_objectives]
        constraints = predictions[self.n_objectives :]
        if len(objectives) > 1:
            means, deviations = np.array([p.moments() for p in objectives]).transpose(1, 2, 0)
            score = log_hypervolume_improvement(means, deviations, self._free)
        else:
            p = objectives[0]
            incumbents = p.incumbents
            if constraints or not self.feasible.all():
                incumbents = self._feasible_incumbents(p)
            incumbents = np.minimum(incumbents, self._believed[0].min(axis=1, initial=np.inf))
            score = mixture_score(p.means, p.deviations, incumbents, p.weights)
            if self.is_undecided:
                score = np.logaddexp(self._portfolio(inputs[0]), score + _TIE)
        for posterior, read in zip(self.posteriors, inputs, strict=True):
            if posterior.is_probe:
                score = np.where(posterior.would_test(read), score, score - _NO_TEST)
        for p in constraints:
            score = score + log_feasibility(p.means, p.deviations, p.weights)
        return score

    def _portfolio(self, candidates: Inputs) -> Array:
        """Score M candidates by what they gain if the target is like one prior study.  # (M,)"""
        model = self.posteriors[0].full
        counts = np.ones(len(model.observed.Z), dtype=bool)
        counts[: model.n_trials] = self.feasible | ~self.feasible.any()
        reached = model.observed.Z[counts]
        return log_portfolio_improvement(candidates.Z, reached, model.task_weights)

    @cached_property
    def _running(self) -> list[Predictions]:
        """What the model of each outcome says of the pending trials."""
        return [p.model.predict(p.inputs(self.pending)) for p in self.posteriors]

    @cached_property
    def _believed(self) -> list[Array]:
        """What each objective's components expect of the q likely feasible pending trials.

        Believed, a running trial leaves as much to gain around it as if it had finished; it bars
        nothing, so that the trial of a worker that has died does no harm.  # (H, q)
        """
        likely = np.ones(len(self.pending), dtype=bool)
        for p in self._running[self.n_objectives :]:
            likely &= p.weights @ p.means <= 0.0
        return [p.means[:, likely] for p in self._running[: self.n_objectives]]

    @cached_property
    def _free(self) -> Boxes:
        """What neither a feasible trial dominates nor, as is believed, a running one."""
        objectives = self._running[: self.n_objectives]
        known = np.column_stack([p.weights @ p.fitted for p in objectives])  # (n, K)
        believed = zip(objectives, self._believed, strict=True)
        pending = np.column_stack([p.weights @ means for p, means in believed])  # (q, K)
        reached = np.vstack([known[self.feasible], pending])
        return free_boxes(reached[is_on_front(reached)], _reference(known))

    def _feasible_incumbents(self, p: Predictions) -> Array:
        """Return the best feasible trial, of whatever value, as each component sees it.  # (H,)"""
        if self.feasible.any():
            return np.asarray(p.fitted[:, self.feasible].min(axis=1))
        if p.fitted.shape[1]:
            # Feasibility decides, and among equals the value.
            return np.asarray(p.fitted.max(axis=1))
        return np.full(len(p.weights), _DEVIATION_WORSE)


def _reference(known: Array) -> Array:
    """Return the worst values (K,) that count: somewhat beyond the worst of all trials (n, K).

    Nearer to the front its ends would count for little, and the search would keep to its middle.
    """
    if not len(known):
        return np.full(known.shape[1], _DEVIATION_WORSE)
    worst = known.max(axis=0)
    return np.asarray(worst + _MARGIN * (worst - known.min(axis=0)) + 1.0 / len(known))

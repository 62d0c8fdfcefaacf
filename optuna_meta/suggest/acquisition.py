"""Expected improvement of mixtures (Jones et al., 1998), lower values are better.

With several objectives the improvement is one of hypervolume. In polar coordinates around the
reference point it is an integral over directions of an integral along each ray, from where the
front crosses the ray outward: there every point counts with the probability that the candidate
dominates it, a product over independent objectives. (For the coordinates see Deng and Zhang,
2019.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx
from scipy.special import log_ndtr
from scipy.special import ndtr
from scipy.special import ndtri
from scipy.stats import qmc

from optuna_meta._typing import Array
from optuna_meta.outcomes.pareto import is_on_front
from optuna_meta.surrogate.mixture_gp import Inputs
from optuna_meta.surrogate.mixture_gp import Predictions
from optuna_meta.surrogate.transfer_model import OutcomePosterior


__all__ = [
    "directions",
    "AcquisitionFunction",
    "log_expected_improvement",
    "log_feasibility",
    "log_hypervolume_improvement",
    "mixture_score",
]

_NODES, _SHARES = np.polynomial.legendre.leggauss(10)  # On [-1, 1], along a ray.
_OPTIMISM = 3.0  # Standard deviations: what a candidate may reach at best.
_LEAST = 1e-300  # Logarithms stay finite.
_DEVIATION_WORSE = 1.0  # Than average, before any trial.
_LOG_ROOT_TWO_PI = 0.5 * np.log(2.0 * np.pi)


def log_expected_improvement(means: Array, deviations: Array, incumbents: Array) -> Array:
    """Return log E[max(incumbent - f, 0)] for normal f, also far in the tail (Ament et al., 2023).

    Args:
        means: Means of f.  # (..., M)
        deviations: Standard deviations of f, positive.  # (..., M)
        incumbents: Values to improve on, broadcast against them.

    Returns:
        The logarithm.  # (..., M)
    """
    z = (incumbents - means) / deviations
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_pdf = -0.5 * z * z - _LOG_ROOT_TWO_PI
        near = np.log(np.exp(log_pdf) + z * np.exp(log_ndtr(z)))
        # pdf(z) + z cdf(z) = pdf(z) (1 - |z| R(|z|)) with Mills' ratio R of the normal tail.
        ratio = np.sqrt(np.pi / 2.0) * erfcx(-z / np.sqrt(2.0))
        middle = log_pdf + np.log1p(z * ratio)
        far = log_pdf - 2.0 * np.log(np.abs(z))
    log_h = np.where(z > -1.0, near, np.where(z > -1e4, middle, far))
    return np.asarray(np.log(deviations) + log_h)


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


def directions(n_objectives: int) -> Array:
    """Spread unit vectors evenly (L, K) with positive coordinates."""
    if n_objectives == 2:
        angles = (np.arange(24) + 0.5) / 24 * (np.pi / 2.0)
        return np.column_stack([np.cos(angles), np.sin(angles)])
    points = qmc.Sobol(n_objectives, seed=0).random(64)
    normal = np.abs(ndtri(0.5 + 0.499 * points))
    return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True))


def log_hypervolume_improvement(
    means: Array, deviations: Array, front: Array, reference: Array, rays: Array
) -> Array:
    """Return the log expected hypervolume improvement (M,), up to a constant.

    Args:
        means: Means of the objectives.  # (M, K)
        deviations: Their standard deviations, positive.  # (M, K)
        front: Values of the non-dominated trials; none before the first.  # (P, K)
        reference: The worst values that count.  # (K,)
        rays: Unit vectors with positive coordinates.  # (L, K)
    """
    start = np.zeros(len(rays))
    if len(front):
        start = np.maximum(((reference - front)[:, None, :] / rays).min(axis=2).max(axis=0), 0.0)
    ideal = (means - _OPTIMISM * deviations).min(axis=0)
    end = ((reference - ideal) / rays).min(axis=1)
    half = 0.5 * np.maximum(end - start, 1e-3)
    radii = start[:, None] + half[:, None] * (1.0 + _NODES)  # (L, R)
    points = reference - radii[:, :, None] * rays[:, None, :]  # (L, R, K)
    shares = half[:, None] * _SHARES * radii ** (len(reference) - 1)
    dominated = np.ones((len(means), radii.size))
    for k, column in enumerate(points.reshape(radii.size, -1).T):
        dominated *= ndtr((column - means[:, k, None]) / deviations[:, k, None])
    return np.asarray(np.log(np.maximum(dominated @ shares.ravel(), _LEAST)))


_MARGIN = 0.1  # Of the trials' extent, from the worst value to the reference point.


@dataclass(frozen=True)
class AcquisitionFunction:
    """What the next trial is for: improvement, or hypervolume improvement, where feasible.

    Args:
        posteriors: The K objectives and then the J constraints, each after the target's trials.
        n_objectives: K.
        feasible: Which of the trials are feasible.  # (n,)
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

    def inputs(self, rows: Array) -> list[Inputs]:
        """Assemble what the model of each outcome reads of rows (M, D)."""
        return [posterior.inputs(rows) for posterior in self.posteriors]

    def scores(self, inputs: Sequence[Inputs]) -> Array:
        """Score M candidates, higher is better, from the inputs of each outcome.  # (M,)"""
        predictions = [p.model.predict(i) for p, i in zip(self.posteriors, inputs, strict=True)]
        objectives = predictions[: self.n_objectives]
        constraints = predictions[self.n_objectives :]
        if len(objectives) > 1:
            score = self._hypervolume(objectives)
        else:
            p = objectives[0]
            incumbents = self._feasible_incumbents(p) if constraints else p.incumbents
            incumbents = np.minimum(incumbents, self._believed[0].min(axis=1, initial=np.inf))
            score = mixture_score(p.means, p.deviations, incumbents, p.weights)
        for p in constraints:
            score = score + log_feasibility(p.means, p.deviations, p.weights)
        return score

    @cached_property
    def _believed(self) -> list[Array]:
        """What each objective's components expect of the q likely feasible pending trials.

        Believed, a running trial leaves as much to gain around it as if it had finished; it bars
        nothing, so that the trial of a worker that has died does no harm.  # (H, q)
        """
        predictions = [p.model.predict(p.inputs(self.pending)) for p in self.posteriors]
        constraints = predictions[self.n_objectives :]
        likely = np.ones(len(self.pending), dtype=bool)
        for p in constraints:
            likely &= p.weights @ p.means <= 0.0
        return [p.means[:, likely] for p in predictions[: self.n_objectives]]

    def _hypervolume(self, objectives: Sequence[Predictions]) -> Array:
        means, deviations = np.array([p.moments() for p in objectives]).transpose(1, 2, 0)
        known = np.column_stack([p.weights @ p.fitted for p in objectives])  # (n, K)
        believed = zip(objectives, self._believed, strict=True)
        pending = np.column_stack([p.weights @ means for p, means in believed])  # (q, K)
        reached = np.vstack([known[self.feasible], pending])
        front = reached[is_on_front(reached)]
        rays = directions(len(objectives))
        return log_hypervolume_improvement(means, deviations, front, _reference(known), rays)

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

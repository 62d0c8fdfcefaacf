"""Hyperparameters of one Gaussian process per prior study, all fitted at once in torch.

Each study's length scales, amplitude and noise maximise the restricted likelihood of its
rank-normal values times log-normal priors. The studies' length scales share a learned centre, so
that a study of few trials borrows from the others.

Every study has its own quasi-Newton search (BFGS), and all of them step together; the centre,
whose best value given the studies is in closed form, follows after each step. Of many studies an
even spread finds the centre; each of the others then starts from what these came to, and its
search ends once a step promises next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
import torch
from tqdm import tqdm

from optuna_meta._typing import Array
from optuna_meta.surrogate.base_gps import GPParameters
from optuna_meta.surrogate.base_gps import PaddedTasks
from optuna_meta.surrogate.base_likelihood import LEAST_NOISE
from optuna_meta.surrogate.base_likelihood import PriorLikelihood
from optuna_meta.surrogate.kernel import default_precisions


__all__ = ["fit_prior_gps"]

_Item = TypeVar("_Item")

_SILENT_SECONDS = 2.0  # Before a bar shows how far fitting is, on a terminal.
_STEPS = 12  # Quasi-Newton: more change no prediction (``tests/surrogate/test_base_fit.py``).
_SHARED = 128  # Studies that find the centre of each dimension, to a twentieth of a log unit.
_LEAST_PROMISE = 0.01  # Of log posterior: whose next step promises less has come to its end.
_BATCH = 32  # Studies whose covariances are factored together: bounds the memory, fits the cache.
_LONGEST_STEP = 2.0  # In any log hyperparameter.
_LEAST_DECREASE = 1e-9  # Rises below it are rounding.
_MOST_FOLLOWED = 0.5  # Studies of few trials follow wholly, and the step would have no bound.
# Standard deviations of log-normal priors, and the centres of two. A study's own are narrow: in
# the dense cluster that a good sampler leaves around its best trials, short length scales and no
# noise are always likely, and elsewhere they predict worse.
_CENTRE_SPREAD = 1.5  # of the centre around the typical precision
_OWN_SPREAD = 0.6  # of a study's precision around the centre
_AMPLITUDE, _AMPLITUDE_SPREAD = 1.2, 0.5  # around somewhat more than the values' variance
_NOISE, _NOISE_SPREAD = 0.045, 0.6  # around a fifth of the values' deviation
# What a trial adds to the curvature of the likelihood in log amplitude and log noise, roughly.
_CURVATURE = (0.1, 0.05)


def fit_prior_gps(
    tasks: PaddedTasks, device: str | torch.device | None = None, known: Array | None = None
) -> GPParameters:
    """Fit T processes by maximum a posteriori, in one batched optimisation.

    Args:
        tasks: The T tasks' trials.
        device: Where to compute; the CPU by default.
        known: Precisions of S tasks that were fitted before, 0 where not tuned: the centre is
            theirs as well.  # (S, D)
    """
    tuned = tasks.tuned
    n_tasks, n_dims = tuned.shape
    if n_tasks == 0:
        return GPParameters(np.zeros((0, n_dims)), np.zeros(0), np.zeros(0))
    order = np.argsort(tasks.mask.sum(axis=1), kind="stable")  # Equal lengths need no padding.
    is_first = _spread(tuned[order])
    first, rest = order[is_first], order[~is_first]
    theta = np.empty((n_tasks, n_dims + 2))
    with torch.no_grad(), _one_thread():
        likelihoods = [PriorLikelihood.of(b, device or "cpu") for b in _batches(tasks, first)]
        new = likelihoods[0].values.new_tensor
        before = np.zeros((0, n_dims)) if known is None else known
        searches, centre = _maximised(likelihoods, new(tuned[first]), new(before))
        theta[first] = torch.cat([search.theta for search in searches]).cpu().numpy()
        typical = _typical(searches)
        found = [
            _maximised_apart(PriorLikelihood.of(batch, device or "cpu"), centre, typical)
            for batch in _told(_batches(tasks, rest), -(-len(rest) // _BATCH), "batch")
        ]
        if found:
            theta[rest] = torch.cat(found).cpu().numpy()
    precisions = np.where(tuned, np.exp(theta[:, :n_dims]), 0.0)
    return GPParameters(precisions, np.exp(theta[:, -2]), LEAST_NOISE + np.exp(theta[:, -1]))


def _spread(tuned: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Choose studies to find the centre by: of those that tuned a dimension, an even spread.

    Args:
        tuned: Which dimensions each of T studies has tuned.  # (T, D)

    Returns:
        Which studies.  # (T,)
    """
    chosen = np.zeros(len(tuned), dtype=bool)
    for column in [np.ones(len(tuned), dtype=bool), *tuned.T]:
        studies = np.flatnonzero(column)
        most = min(_SHARED, len(studies))
        chosen[studies[np.arange(most) * len(studies) // max(most, 1)]] = True
    return chosen


def _batches(tasks: PaddedTasks, chosen: NDArray[np.int64]) -> Iterator[PaddedTasks]:
    return (tasks.select(chosen[i : i + _BATCH]) for i in range(0, len(chosen), _BATCH))


def _told(items: Iterable[_Item], total: int, unit: str) -> Iterable[_Item]:
    """Show on a terminal how far fitting is, where it takes long."""
    bar: Iterable[_Item] = tqdm(
        items,
        "Fitting prior studies",
        total,
        leave=False,
        unit=unit,
        delay=_SILENT_SECONDS,
        disable=None,
    )
    return bar


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: with many small matrices, others would wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _maximised(
    likelihoods: Sequence[PriorLikelihood], tuned: torch.Tensor, known: torch.Tensor
) -> tuple[list[_Search], torch.Tensor]:
    """Fit all batches together; return where they are, and the centre (D,).

    Args:
        likelihoods: The batches.
        tuned: What their T tasks have tuned, 0 or 1.  # (T, D)
        known: Precisions of S other tasks, 0 where not tuned; they stay.  # (S, D)
    """
    n_dims = tuned.shape[1]
    tuned = torch.cat([tuned, (known > 0.0).to(tuned.dtype)])
    logs, certain = torch.log(torch.where(known > 0.0, known, 1.0)), torch.zeros_like(known)
    centre = likelihoods[0].values.new_tensor(np.log(default_precisions(n_dims)))
    searches = [_started(likelihood, centre) for likelihood in likelihoods]
    for _ in _told(range(_STEPS), _STEPS, "step"):
        searches = [
            _stepped(search, likelihood, centre)
            for search, likelihood in zip(searches, likelihoods, strict=True)
        ]
        theta = torch.cat([search.theta for search in searches])
        variances = torch.cat([s.inverse.diagonal(dim1=-2, dim2=-1) for s in searches])
        both = torch.cat([theta[:, :n_dims], logs]), torch.cat([variances[:, :n_dims], certain])
        centre = _moved_centre(centre, *both, tuned)
    return searches, centre


def _maximised_apart(
    likelihood: PriorLikelihood, centre: torch.Tensor, typical: _Typical
) -> torch.Tensor:
    """Fit a batch to a centre (D,) that stays; each study as long as it gains by it.

    Returns:
        Log precisions, amplitude and noise.  # (B, D + 2)
    """
    search = _started(likelihood, centre, typical)
    found, going = search.theta.clone(), torch.arange(len(search.theta), device=centre.device)
    for _ in range(_STEPS):
        search = _stepped(search, likelihood, centre)
        found[going] = search.theta
        slope, step = _next(search, centre)
        left = torch.nonzero(-0.5 * torch.sum(slope * step, dim=1) > _LEAST_PROMISE)[:, 0]
        if not len(left):
            break
        going, likelihood = going[left], likelihood.select(left)
        search = _Search(*(array[left] for array in vars(search).values()))
    return found


@dataclass(frozen=True)
class _Search:
    theta: torch.Tensor  # (B, P), log hyperparameters
    value: torch.Tensor  # (B,), negative log likelihood
    gradient: torch.Tensor  # (B, P), of the value
    inverse: torch.Tensor  # (B, P, P), of the Hessian of the negative log posterior
    reach: torch.Tensor  # (B,), factor on the next step


@dataclass(frozen=True)
class _Typical:
    """What studies came to that are fitted already.

    Args:
        ends: Log amplitude and log noise.  # (2,)
        inverse: Of the Hessian.  # (P, P)
    """

    ends: torch.Tensor  # (2,)
    inverse: torch.Tensor  # (P, P)


def _typical(searches: Sequence[_Search]) -> _Typical:
    ends = torch.cat([search.theta[:, -2:] for search in searches]).mean(dim=0)
    return _Typical(ends, torch.cat([search.inverse for search in searches]).mean(dim=0))


def _started(
    likelihood: PriorLikelihood, centre: torch.Tensor, typical: _Typical | None = None
) -> _Search:
    mean, weights = _beliefs(centre)
    theta = mean.repeat(len(likelihood.values), 1)
    if typical is not None:
        theta[:, -2:] = typical.ends
    value, gradient = likelihood(theta)
    reach = torch.ones_like(value)
    if typical is not None:
        return _Search(theta, value, gradient, typical.inverse.repeat(len(theta), 1, 1), reach)
    curvature = weights.repeat(len(theta), 1)
    n_trials = likelihood.mask.sum(dim=1, keepdim=True)
    curvature[:, -2:] += n_trials * curvature.new_tensor(_CURVATURE)
    return _Search(theta, value, gradient, torch.diag_embed(1.0 / curvature), reach)


def _next(search: _Search, centre: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the slope of the negative log posterior, and the step down it (B, P) each."""
    mean, weights = _beliefs(centre)
    slope = search.gradient + weights * (search.theta - mean)
    return slope, -(search.inverse @ slope[:, :, None])[:, :, 0]


def _stepped(search: _Search, likelihood: PriorLikelihood, centre: torch.Tensor) -> _Search:
    """Go one evaluation further; studies whose posterior fell stay, and try less next time."""
    mean, weights = _beliefs(centre)
    _, step = _next(search, centre)
    longest = step.abs().amax(dim=1).clamp_min(_LONGEST_STEP)
    step = step * (search.reach * _LONGEST_STEP / longest)[:, None]
    theta = search.theta + step
    value, gradient = likelihood(theta)
    penalty = 0.5 * torch.sum(weights * step * (search.theta + theta - 2.0 * mean), dim=1)
    better = value + penalty < search.value + _LEAST_DECREASE
    inverse = _updated(search.inverse, step, gradient - search.gradient + weights * step)
    return _Search(
        torch.where(better[:, None], theta, search.theta),
        torch.where(better, value, search.value),
        torch.where(better[:, None], gradient, search.gradient),
        inverse,
        torch.where(better, (2.0 * search.reach).clamp_max(1.0), 0.35 * search.reach),
    )


def _updated(inverse: torch.Tensor, step: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    """Update inverse Hessians (B, P, P) after steps (B, P) that changed the gradients so (B, P).

    Nocedal & Wright, Numerical Optimization, 2006, eq. 6.17; kept where the curvature along the
    step is not positive.
    """
    along = torch.sum(step * change, dim=1)
    rho = 1.0 / along.clamp_min(1e-10)
    turned = (inverse @ change[:, :, None])[:, :, 0]
    factor = rho + rho * rho * torch.sum(change * turned, dim=1)
    cross = rho[:, None, None] * turned[:, :, None] * step[:, None, :]
    new = inverse + factor[:, None, None] * step[:, :, None] * step[:, None, :] - cross - cross.mT
    usable = (along > 1e-10) & new.isfinite().all(dim=-1).all(dim=-1)
    return torch.where(usable[:, None, None], new, inverse)


def _beliefs(centre: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return means and inverse variances (P,) of the normal priors on the log hyperparameters."""
    mean = [*centre.tolist(), math.log(_AMPLITUDE), math.log(_NOISE)]
    spread = [_OWN_SPREAD] * len(centre) + [_AMPLITUDE_SPREAD, _NOISE_SPREAD]
    return centre.new_tensor(mean), centre.new_tensor(spread) ** -2


def _moved_centre(
    centre: torch.Tensor, logs: torch.Tensor, variances: torch.Tensor, tuned: torch.Tensor
) -> torch.Tensor:
    """Move the centre (D,) by a Newton step, given what the studies tuned (T, D).

    The studies follow: of a shift of the centre each makes the share that its own trials leave
    open, the posterior variance of its log precision over the prior one. Without that the centre
    would creep where all studies are of one mind.
    """
    weight = _OWN_SPREAD**-2
    typical = centre.new_tensor(np.log(default_precisions(len(centre))))
    pull = (centre - typical) / _CENTRE_SPREAD**2
    pull += weight * torch.sum(tuned * (centre - logs), dim=0)
    followed = (weight * variances).clamp(0.0, _MOST_FOLLOWED)
    curvature = _CENTRE_SPREAD**-2 + weight * torch.sum(tuned * (1.0 - followed), dim=0)
    return centre - pull / curvature

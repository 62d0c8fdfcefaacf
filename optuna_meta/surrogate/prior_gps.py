"""One Gaussian process per prior study, all fitted at once in torch.

Each study's rank-normal values follow an ARD Matern-5/2 process with its own length scales,
amplitude and noise (maximum a posteriori) and a constant mean that is integrated out. The studies'
length scales share a learned centre, so that a study of few trials borrows from the others.
The constant mean is estimated by generalised least squares, in which a dense cluster of trials
counts little more than one of them: studies run by a good sampler are such clusters.
"""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch

from optuna_meta.space import Array
from optuna_meta.surrogate.kernel import matern52
from optuna_meta.surrogate.kernel import squared_distances


__all__ = ["GPParameters", "PriorGPs", "condition_prior_gps", "fit_prior_gps"]

_STEPS = 60
_LEARNING_RATE = 0.1
_BATCH = 128  # Studies per Cholesky call: bounds the memory of 1,000 studies of 100 trials.
_LEAST_NOISE = 1e-4
_TYPICAL_LOG_NOISE = math.log(0.03)


@dataclass(frozen=True)
class GPParameters:
    """Hyperparameters of T processes.

    Args:
        precisions: Inverse squared length scale of each dimension; 0 where not tuned.  # (T, D)
        amplitude: Prior variance.  # (T,)
        noise: Noise variance.  # (T,)
    """

    precisions: Array  # (T, D)
    amplitude: Array  # (T,)
    noise: Array  # (T,)


@dataclass(frozen=True)
class PriorGPs:
    """T processes conditioned on their trials, padded to the longest study.

    Args:
        scaled: Design of the trials, each column over its length scale.  # (T, n, W)
        roots: Square roots of the precisions, by column.  # (T, W)
        amplitude: Prior variance.  # (T,)
        mean: Constant mean.  # (T,)
        alpha: Weights of the trials' kernels; 0 in the padding.  # (T, n)
    """

    scaled: Array  # (T, n, W)
    roots: Array  # (T, W)
    amplitude: Array  # (T,)
    mean: Array  # (T,)
    alpha: Array  # (T, n)

    def predict(self, designs: Array) -> Array:
        """Posterior means Z (M, T) at designs (M, W), or (T, M, W) where they differ by task."""
        scaled = designs * self.roots[:, None, :]
        correlation = matern52(squared_distances(scaled, self.scaled))
        weights = self.amplitude[:, None] * self.alpha
        means: Array = self.mean + np.einsum("tmn,tn->mt", correlation, weights, optimize=True)
        return means

    def select(self, tasks: NDArray[np.int64]) -> PriorGPs:
        """The processes of some tasks."""
        fields = (self.scaled, self.roots, self.amplitude, self.mean, self.alpha)
        return PriorGPs(*(array[tasks] for array in fields))


def fit_prior_gps(
    designs: Array,
    values: Array,
    mask: NDArray[np.bool_],
    tuned: NDArray[np.bool_],
    owners: NDArray[np.int64],
    device: str | torch.device | None = None,
) -> GPParameters:
    """Fit T processes by maximum a posteriori, in one batched optimisation.

    Args:
        designs: Padded designs.  # (T, n, W)
        values: Padded rank-normal values.  # (T, n)
        mask: Which rows are trials.  # (T, n)
        tuned: Which dimensions each study tuned.  # (T, D)
        owners: Dimension of each design column.  # (W,)
        device: Where to compute; the CPU by default.
    """
    n_tasks, n_dims = tuned.shape
    if n_tasks == 0:
        return GPParameters(np.zeros((0, n_dims)), np.zeros(0), np.zeros(0))
    # Whoever calls may have switched gradients off, around the training of a network say.
    with torch.inference_mode(False), torch.enable_grad():
        tensors = _Tensors.of(designs, values, mask, tuned, owners, device)
        centre, own, amplitude, noise = _maximised(tensors, n_tasks, n_dims)
    precisions = torch.exp(centre + own) * tensors.tuned
    return GPParameters(
        precisions.detach().cpu().numpy(),
        torch.exp(amplitude).detach().cpu().numpy(),
        (_LEAST_NOISE + torch.exp(noise)).detach().cpu().numpy(),
    )


def _maximised(
    data: _Tensors, n_tasks: int, n_dims: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Log precisions' centre (D,) and shifts (T, D), log amplitude (T,) and log noise (T,)."""
    centre = torch.full_like(data.tuned[0], _typical_log_precision(n_dims))
    own = torch.zeros_like(data.tuned)
    amplitude = torch.zeros_like(data.tuned[:, 0])
    noise = torch.full_like(amplitude, _TYPICAL_LOG_NOISE)
    for unknown in (centre, own, amplitude, noise):
        unknown.requires_grad_()
    optimiser = torch.optim.Adam([centre, own, amplitude, noise], lr=_LEARNING_RATE)
    for _ in range(_STEPS):
        optimiser.zero_grad()
        for first in range(0, n_tasks, _BATCH):
            part = slice(first, first + _BATCH)
            torch.autograd.backward(
                _negative_log_posterior(
                    data.select(part), own[part], amplitude[part], noise[part], centre
                )
            )
        torch.autograd.backward(_centre_penalty(centre, n_dims))
        optimiser.step()
    return centre, own, amplitude, noise


def condition_prior_gps(
    parameters: GPParameters,
    designs: Array,
    values: Array,
    mask: NDArray[np.bool_],
    owners: NDArray[np.int64],
) -> PriorGPs:
    """The processes given their trials (arguments as in :func:`fit_prior_gps`)."""
    roots = np.sqrt(parameters.precisions)[:, owners]
    scaled = designs * roots[:, None, :]
    means = np.zeros(len(designs))
    alphas = np.zeros(values.shape)
    for t, n in enumerate(mask.sum(axis=1)):
        points = scaled[t, :n]
        K = parameters.amplitude[t] * matern52(squared_distances(points, points))
        K[np.diag_indices(n)] += parameters.noise[t]
        solved = np.linalg.solve(K, np.column_stack([values[t, :n], np.ones(n)]))
        means[t] = solved[:, 0].sum() / solved[:, 1].sum()
        alphas[t, :n] = solved[:, 0] - means[t] * solved[:, 1]
    return PriorGPs(scaled, roots, parameters.amplitude, means, alphas)


@dataclass(frozen=True)
class _Tensors:
    designs: torch.Tensor  # (T, n, W)
    values: torch.Tensor  # (T, n)
    mask: torch.Tensor  # (T, n), 1.0 for trials
    tuned: torch.Tensor  # (T, D), 1.0 for tuned
    owners: torch.Tensor  # (W,)

    @classmethod
    def of(
        cls,
        designs: Array,
        values: Array,
        mask: NDArray[np.bool_],
        tuned: NDArray[np.bool_],
        owners: NDArray[np.int64],
        device: str | torch.device | None,
    ) -> _Tensors:
        def put(array: NDArray[Any]) -> torch.Tensor:
            return torch.as_tensor(array, dtype=torch.float64, device=device)

        indices = torch.as_tensor(owners, device=device)
        return cls(put(designs), put(values), put(mask), put(tuned), indices)

    def select(self, tasks: slice) -> _Tensors:
        return _Tensors(
            self.designs[tasks],
            self.values[tasks],
            self.mask[tasks],
            self.tuned[tasks],
            self.owners,
        )


def _typical_log_precision(n_dims: int) -> float:
    # Two random points of the cube are then about one and a half length scales apart.
    return math.log(8.0 / max(n_dims, 1))


def _negative_log_posterior(
    data: _Tensors,
    own: torch.Tensor,
    amplitude: torch.Tensor,
    noise: torch.Tensor,
    centre: torch.Tensor,
) -> torch.Tensor:
    """Restricted likelihood (the constant mean integrated out) and log-normal priors."""
    # Not the root of the masked precision: its gradient at 0 is infinite.
    roots = torch.exp(0.5 * (centre + own)) * data.tuned
    scaled = data.designs * roots[:, None, data.owners]
    squares = (scaled * scaled).sum(-1)
    squared = squares[:, :, None] + squares[:, None, :] - 2.0 * scaled @ scaled.mT
    root = torch.sqrt(5.0 * squared.clamp_min(1e-12))
    correlation = (1.0 + root + root * root / 3.0) * torch.exp(-root)
    pairs = data.mask[:, :, None] * data.mask[:, None, :]
    K = torch.exp(amplitude)[:, None, None] * correlation * pairs
    # Padding rows are independent of all others and have variance 1: they add nothing.
    diagonal = (_LEAST_NOISE + torch.exp(noise))[:, None] * data.mask + (1.0 - data.mask)
    L = torch.linalg.cholesky(K + torch.diag_embed(diagonal))
    sides = torch.stack([data.values * data.mask, data.mask], dim=-1)
    half = torch.linalg.solve_triangular(L, sides, upper=False)
    zz, z1, one = (half[..., 0] ** 2).sum(-1), half.prod(-1).sum(-1), (half[..., 1] ** 2).sum(-1)
    log_det = 2.0 * torch.log(L.diagonal(dim1=-2, dim2=-1)).sum(-1)
    likelihood = 0.5 * (zz - z1 * z1 / one + log_det + torch.log(one))
    penalty = (
        0.5 * ((own / 0.7) ** 2).sum(-1)
        + 0.5 * (amplitude / 0.7) ** 2
        + 0.5 * (noise - _TYPICAL_LOG_NOISE) ** 2
    )
    total: torch.Tensor = (likelihood + penalty).sum()
    return total


def _centre_penalty(centre: torch.Tensor, n_dims: int) -> torch.Tensor:
    penalty: torch.Tensor = 0.5 * ((centre - _typical_log_precision(n_dims)) ** 2).sum()
    return penalty

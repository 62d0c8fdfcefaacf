"""One Gaussian process per prior study, conditioned on its trials.

The constant mean is estimated by generalised least squares, in which a dense cluster of trials
counts little more than one of them: studies run by a good sampler are such clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf
from scipy.linalg.lapack import dpotrs

from optuna_meta._typing import Array
from optuna_meta.surrogate.kernel import matern52
from optuna_meta.surrogate.kernel import matern52_over
from optuna_meta.surrogate.kernel import squared_distances


__all__ = ["GPParameters", "PaddedTasks", "PriorGPs", "condition_prior_gps"]

_BLOCK = 16_384  # Correlations computed at once: three arrays of them stay in a core's cache.


@dataclass(frozen=True)
class PaddedTasks:
    """T prior tasks as arrays, padded to the longest of them.

    Args:
        designs: Their trials; they come before the padding.  # (T, n, W)
        values: The trials' values, comparable across tasks.  # (T, n)
        mask: Which rows are trials.  # (T, n)
        tuned: Which dimensions each task has tuned.  # (T, D)
        owners: Dimension of each design column.  # (W,)
    """

    designs: Array  # (T, n, W)
    values: Array  # (T, n)
    mask: NDArray[np.bool_]  # (T, n)
    tuned: NDArray[np.bool_]  # (T, D)
    owners: NDArray[np.int64]  # (W,)

    def select(self, tasks: NDArray[np.int64]) -> PaddedTasks:
        """Return some tasks, by their indices (t,), padded to the longest of these."""
        n = slice(self.mask[tasks].sum(axis=1).max())
        arrays = (self.designs[tasks, n], self.values[tasks, n], self.mask[tasks, n])
        return PaddedTasks(*arrays, self.tuned[tasks], self.owners)


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
        distance_factors: What a candidate's columns, 1 and its scaled square are multiplied by,
            and summed, to five times the squared scaled distance of a trial.  # (T, W + 2, n)
        precisions: Inverse squared length scale of each column.  # (T, W)
        mean: Constant mean.  # (T,)
        alpha: Weights of the trials' correlations; 0 in the padding.  # (T, n)
    """

    distance_factors: Array  # (T, W + 2, n)
    precisions: Array  # (T, W)
    mean: Array  # (T,)
    alpha: Array  # (T, n)

    def predict(self, designs: Array) -> Array:
        """Return posterior means Z (M, T) at designs (M, W), or (T, M, W), one for each task."""
        n_rows, n_trials = designs.shape[-2], self.alpha.shape[1]
        means = np.empty((len(self.mean), n_rows))
        step = max(1, _BLOCK // max(1, n_trials))
        for first in range(0, n_rows, step):
            rows = slice(first, first + step)
            self._sum_correlations(designs[..., rows, :], means[:, rows])
        return (self.mean[:, None] + means).T

    def select(self, tasks: NDArray[np.int64]) -> PriorGPs:
        """Return the processes of some tasks, by their indices (t,)."""
        return PriorGPs(*(array[tasks] for array in vars(self).values()))

    def _sum_correlations(self, designs: Array, sums: Array) -> None:
        """Put alpha's sums of correlations into (T, M), as many tasks at once as a block holds."""
        n_tasks, width, n_trials = self.distance_factors.shape
        n_rows = designs.shape[-2]
        step = min(n_tasks, max(1, _BLOCK // max(1, n_rows * n_trials)))
        squares = 5.0 * np.matmul(designs * designs, self.precisions[:, :, None])[:, :, 0]
        left, memory = np.ones((step, n_rows, width)), np.empty((3, step, n_rows, n_trials))
        shared = designs.ndim == 2
        if shared:
            left[:, :, :-2] = designs
        for first in range(0, n_tasks, max(1, step)):
            tasks = slice(first, first + step)
            size = len(squares[tasks])
            if not shared:
                left[:size, :, :-2] = designs[tasks]
            left[:size, :, -1] = squares[tasks]
            correlation, root, decay = memory[:, :size]
            np.matmul(left[:size], self.distance_factors[tasks], out=correlation)
            np.abs(correlation, out=correlation)  # A distance of 0 may be rounded to below.
            matern52_over(correlation, root, decay)
            np.matmul(correlation, self.alpha[tasks, :, None], out=sums[tasks, :, None])


def condition_prior_gps(parameters: GPParameters, tasks: PaddedTasks) -> PriorGPs:
    """Condition the processes on their tasks' trials.

    Args:
        parameters: Their hyperparameters.
        tasks: The trials.
    """
    designs, values = tasks.designs, tasks.values
    n_tasks, longest, width = designs.shape
    precisions = parameters.precisions[:, tasks.owners]
    factors = np.ones((n_tasks, width + 2, longest))
    means = np.zeros(n_tasks)
    alphas = np.zeros(values.shape)
    # Task by task: of all together, each array in between would be as large as the result.
    for t, n in enumerate(tasks.mask.sum(axis=1)):
        scaled = designs[t] * np.sqrt(precisions[t])
        _put_distance_factors(factors[t], designs[t], scaled, precisions[t])
        K = parameters.amplitude[t] * matern52(squared_distances(scaled[:n], scaled[:n]))
        K[np.diag_indices(n)] += parameters.noise[t]
        solved = _solve(K, np.column_stack([values[t, :n], np.ones(n)]))
        means[t] = solved[:, 0].sum() / solved[:, 1].sum()
        alphas[t, :n] = parameters.amplitude[t] * (solved[:, 0] - means[t] * solved[:, 1])
    return PriorGPs(factors, precisions, means, alphas)


def _solve(K: Array, columns: Array) -> Array:
    """Return K^-1 times columns (n, m). By LAPACK: SciPy's checks would cost as much."""
    L, info = dpotrf(K, lower=True, overwrite_a=True)
    if info != 0:
        raise np.linalg.LinAlgError(f"Covariance of {len(K)} trials is not positive definite.")
    return np.asarray(dpotrs(L, columns, lower=True)[0])


def _put_distance_factors(
    factors: Array, designs: Array, scaled: Array, precisions: Array
) -> None:
    """Expand 5 p (x - x')^2 = -10 p x x' + 5 p x'^2 + 5 p x^2, a product with (x, 1, 5 p x^2)."""
    factors[:-2] = -10.0 * (designs * precisions).T
    factors[-2] = 5.0 * np.einsum("nw,nw->n", scaled, scaled)

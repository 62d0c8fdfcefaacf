"""Small prior studies as arrays, and an independent covariance, for the tests of the surrogate."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.gaussian_process.kernels import Matern

from optuna_meta._typing import Array
from optuna_meta.outcomes.transforms import rank_normal
from optuna_meta.surrogate.base_fit import fit_prior_gps
from optuna_meta.surrogate.base_gps import GPParameters
from optuna_meta.surrogate.base_gps import PaddedTasks


OWNERS = np.array([0, 0, 1, 2])  # Dimension 0 owns two columns of the design.
N_DIMS = 3
Study = tuple[Array, Array]  # X (n, 4), z (n,)


def studies(lengths: list[int], seed: int = 0) -> list[Study]:
    """Studies whose values depend on dimension 1 alone."""
    rng = np.random.default_rng(seed)
    found = []
    for n in lengths:
        X = rng.random((n, len(OWNERS)))
        found.append((X, rank_normal(np.sin(5.0 * X[:, 2]) + 0.05 * rng.standard_normal(n))))
    return found


def padded(some: list[Study], tuned: Any = None, longest: int | None = None) -> PaddedTasks:
    """Tasks of which the padding holds what must not be read."""
    n_rows = longest or max((len(z) for _, z in some), default=0)
    designs = np.full((len(some), n_rows, len(OWNERS)), 0.25)
    values = np.zeros((len(some), n_rows))
    mask = np.zeros((len(some), n_rows), dtype=bool)
    for t, (X, z) in enumerate(some):
        designs[t, : len(z)], values[t, : len(z)], mask[t, : len(z)] = X, z, True
    tuned = np.ones((len(some), N_DIMS), dtype=bool) if tuned is None else tuned
    return PaddedTasks(designs, values, mask, tuned, OWNERS)


def parameters_of(n_tasks: int, seed: int = 1) -> GPParameters:
    rng = np.random.default_rng(seed)
    precisions = np.exp(rng.uniform(-1.0, 2.0, (n_tasks, N_DIMS)))
    return GPParameters(
        precisions, rng.uniform(0.5, 2.0, n_tasks), rng.uniform(0.01, 0.1, n_tasks)
    )


def fit(some: list[Study], tuned: Any = None, longest: int | None = None) -> GPParameters:
    return fit_prior_gps(padded(some, tuned, longest))


def dense_covariance(parameters: GPParameters, t: int, a: Array, b: Array) -> Array:
    """From sklearn's kernel, without the noise."""
    length_scales = 1.0 / np.sqrt(parameters.precisions[t][OWNERS])
    return parameters.amplitude[t] * Matern(length_scales, nu=2.5)(a, b)

"""The trained surrogate of all prior studies: fitted once, saved, shipped to workers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optuna_meta._files import read_arrays
from optuna_meta._files import write_arrays
from optuna_meta._typing import Array
from optuna_meta.outcomes.outcome import Outcome
from optuna_meta.outcomes.transforms import rank_normal
from optuna_meta.outcomes.transforms import warp_constraint
from optuna_meta.space.search_space import Space
from optuna_meta.studies.prior import Prior
from optuna_meta.studies.prior import prior_from_header
from optuna_meta.studies.prior import prior_header
from optuna_meta.surrogate.base_gps import condition_prior_gps
from optuna_meta.surrogate.base_gps import GPParameters
from optuna_meta.surrogate.base_gps import PriorGPs
from optuna_meta.surrogate.kernel import column_owners
from optuna_meta.surrogate.kernel import design


if TYPE_CHECKING:
    import torch


__all__ = ["FittedPrior", "fit_prior", "representative"]

_FORMAT = "optuna_meta.fitted_prior"
_VERSION = 1
_MOST_TRIALS = 200  # Of one study; a Gaussian process's price grows with their cube.


@dataclass(frozen=True)
class FittedPrior:
    """Prior studies with their trained surrogates.

    Args:
        prior: The records.
        parameters: Hyperparameters of the studies' processes.
        gps: The processes, conditioned on the studies' trials.
    """

    prior: Prior
    parameters: GPParameters = field(repr=False)
    gps: PriorGPs = field(repr=False)

    def __len__(self) -> int:
        return len(self.prior.tasks)

    @property
    def space(self) -> Space:
        """The cube of all prior studies."""
        return self.prior.space

    @property
    def names(self) -> tuple[str, ...]:
        """The prior study of each task."""
        return tuple(task.name for task in self.prior.tasks)

    def predict(self, rows: Array, absent: NDArray[np.bool_] | None = None) -> Array:
        """Values Z (M, T) that the prior studies expect, as normal quantiles of their ranks.

        Args:
            rows: Configurations in the prior's space.  # (M, D)
            absent: Dimensions that the target does not have at all; each prior study then
                answers for the value that its own best trials had.  # (D,)
        """
        if not len(self) or absent is None or not absent.any():
            return self.gps.predict(design(rows, self.space))
        filled = [np.where(absent, typical, rows) for typical in self._typical_rows]
        return self.gps.predict(np.stack([design(r, self.space) for r in filled]))

    @cached_property
    def _typical_rows(self) -> Array:
        return typical_rows(self.prior)

    def select(self, tasks: NDArray[np.int64]) -> FittedPrior:
        """The surrogate of some prior studies, by their indices."""
        prior = replace(self.prior, tasks=tuple(self.prior.tasks[t] for t in tasks))
        fields = (self.parameters.precisions, self.parameters.amplitude, self.parameters.noise)
        parameters = GPParameters(*(array[tasks] for array in fields))
        return FittedPrior(prior, parameters, self.gps.select(tasks))

    def of(self, outcome: Outcome) -> FittedPrior:
        """The surrogate of the tasks that outcome the same."""
        same = [i for i, task in enumerate(self.prior.tasks) if task.outcome.matches(outcome)]
        return self.select(np.array(same, dtype=np.int64))

    def without(self, names: Iterable[str]) -> FittedPrior:
        """The surrogate without the studies of these names."""
        left_out = set(names)
        kept = [i for i, name in enumerate(self.names) if name not in left_out]
        return self.select(np.array(kept, dtype=np.int64))

    def save(self, path: str | Path) -> None:
        """Write records and hyperparameters to a file (safetensors; no pickle)."""
        arrays = {
            "precisions": self.parameters.precisions,
            "amplitude": self.parameters.amplitude,
            "noise": self.parameters.noise,
        }
        for i, task in enumerate(self.prior.tasks):
            arrays[f"{i}.rows"], arrays[f"{i}.values"] = task.rows, task.values
        write_arrays(path, arrays, _FORMAT, _VERSION, prior_header(self.prior))

    @classmethod
    def load(cls, path: str | Path) -> FittedPrior:
        """Read what :meth:`save` wrote.

        Raises:
            ValueError: The file is truncated, damaged, foreign or from a newer version.
        """
        arrays, header = read_arrays(path, _FORMAT, _VERSION)
        parameters = GPParameters(arrays["precisions"], arrays["amplitude"], arrays["noise"])
        return _conditioned(prior_from_header(header, arrays), parameters)


def fit_prior(prior: Prior, device: str | torch.device | None = None) -> FittedPrior:
    """Train the surrogates of all prior studies, once.

    Args:
        prior: The records.
        device: Where to compute, as torch names it; the CPU by default.
    """
    # Torch takes a second to import, and whoever loads a fitted prior needs none of it.
    from optuna_meta.surrogate.base_fit import fit_prior_gps

    data = _padded(prior)
    parameters = fit_prior_gps(
        data.designs, data.values, data.mask, data.tuned, data.owners, device
    )
    return _conditioned(prior, parameters)


def typical_rows(prior: Prior) -> Array:
    """For each study the cells of its best trials: their median, or their commonest choice.

    Returns:
        Rows (T, D); NaN for what a study has not tuned.
    """
    return np.array([_typical_row(t.rows[_best(t.values)], prior.space) for t in prior.tasks])


@dataclass(frozen=True)
class _Padded:
    designs: Array  # (T, n, W)
    values: Array  # (T, n), comparable across studies
    mask: NDArray[np.bool_]  # (T, n)
    tuned: NDArray[np.bool_]  # (T, D)
    owners: NDArray[np.int64]  # (W,)


def _padded(prior: Prior) -> _Padded:
    owners = column_owners(prior.space)
    kept = [representative(task.values, _MOST_TRIALS) for task in prior.tasks]
    longest = max((len(k) for k in kept), default=0)
    n_tasks = len(prior.tasks)
    designs = np.zeros((n_tasks, longest, len(owners)))
    values = np.zeros((n_tasks, longest))
    mask = np.zeros((n_tasks, longest), dtype=bool)
    tuned = np.zeros((n_tasks, len(prior.space.dimensions)), dtype=bool)
    for t, (task, trials) in enumerate(zip(prior.tasks, kept, strict=True)):
        n = len(trials)
        designs[t, :n] = design(task.rows[trials], prior.space)
        scaled = warp_constraint if task.outcome.is_constraint else rank_normal
        values[t, :n] = scaled(task.values)[trials]
        mask[t, :n] = True
        tuned[t] = task.tuned
    return _Padded(designs, values, mask, tuned, owners)


def representative(values: Array, most: int) -> NDArray[np.int64]:
    """Trials to learn from: all of them or, of many, the best half and an even spread of ranks.

    Args:
        values: The trials' values.  # (n,)
        most: How many at most.

    Returns:
        Their indices, in order.
    """
    order = np.argsort(values, kind="stable")
    if len(values) <= most:
        return np.arange(len(values))
    best, rest = order[: most // 2], order[most // 2 :]
    spread = np.linspace(0, len(rest) - 1, most - len(best)).round().astype(int)
    return np.sort(np.concatenate([best, rest[spread]]))


def _conditioned(prior: Prior, parameters: GPParameters) -> FittedPrior:
    data = _padded(prior)
    gps = condition_prior_gps(parameters, data.designs, data.values, data.mask, data.owners)
    return FittedPrior(prior, parameters, gps)


def _best(values: Array) -> NDArray[np.int64]:
    return np.argsort(values, kind="stable")[: max(1, len(values) // 5)]


def _typical_row(rows: Array, space: Space) -> Array:
    typical = np.full(len(space.dimensions), np.nan)
    for i, dimension in enumerate(space.dimensions):
        cells = rows[~np.isnan(rows[:, i]), i]
        if len(cells) and dimension.is_categorical:
            known, counts = np.unique(cells, return_counts=True)
            typical[i] = known[counts.argmax()]
        elif len(cells):
            typical[i] = np.median(cells)
    return typical

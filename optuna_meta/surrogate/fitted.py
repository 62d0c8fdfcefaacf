"""The trained surrogates of all prior studies: fitted once, saved, shipped to workers."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
import optuna

from optuna_meta._files import read_arrays
from optuna_meta._files import write_arrays
from optuna_meta._locks import COMPUTING
from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.outcomes.transforms import rank_normal
from optuna_meta.outcomes.transforms import warp_constraint
from optuna_meta.space.conditions import Condition
from optuna_meta.space.conditions import learn_conditions
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.search_space import Space
from optuna_meta.studies.prior import Prior
from optuna_meta.studies.prior import prior_from_header
from optuna_meta.studies.prior import prior_header
from optuna_meta.studies.prior import task_arrays
from optuna_meta.surrogate.base_gps import condition_prior_gps
from optuna_meta.surrogate.base_gps import GPParameters
from optuna_meta.surrogate.base_gps import PaddedTasks
from optuna_meta.surrogate.base_gps import PriorGPs
from optuna_meta.surrogate.kernel import column_owners
from optuna_meta.surrogate.kernel import default_precisions
from optuna_meta.surrogate.kernel import design


if TYPE_CHECKING:
    import torch


__all__ = ["FittedPrior", "as_fitted", "fit_prior", "representative"]

_FORMAT = "optuna_meta.fitted_prior"
_VERSION = 2
_MOST_TRIALS = 200  # Of one study; a Gaussian process's price grows with their cube.
_BEST = 5  # A fifth of a study's trials say what is typical of its good configurations.


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
    def task_names(self) -> tuple[str, ...]:
        """The prior study of each task."""
        return tuple(task.name for task in self.prior.tasks)

    @property
    def study_names(self) -> tuple[str, ...]:
        """The prior studies, each once."""
        return tuple(dict.fromkeys(self.task_names))

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """Which parameters exist under which values of others, as all studies' trials show."""
        # All objectives of a study have the same trials.
        tasks = [task for task in reversed(self.prior.tasks) if not task.outcome.is_constraint]
        first = {task.name: task.rows for task in tasks}
        return learn_conditions(list(reversed(first.values())), self.space)

    def predict(self, rows: Array, space: Space | None = None) -> Array:
        """Predict the values Z (M, T) of configurations, as normal quantiles of the ranks.

        Args:
            rows: The configurations.  # (M, D)
            space: Their space; the prior's own by default. For dimensions of the prior that it
                lacks, each prior study answers for the value that its own best trials had.
        """
        cube = self.space
        if space is None:
            return self.gps.predict(design(rows, cube))
        absent = np.array([name not in space.names for name in cube.names], dtype=bool)
        rows = cube.translate(rows, space)
        if not len(self) or not absent.any():
            return self.gps.predict(design(rows, cube))
        filled = [np.where(absent, typical, rows) for typical in self._typical_rows]
        return self.gps.predict(np.stack([design(r, cube) for r in filled]))

    def precisions(self, space: Space) -> Array:
        """Return typical inverse squared length scales in the units of another space.  # (D,)"""
        cube, known = self.space, self._typical_precisions
        precisions = default_precisions(len(space.dimensions))
        for i, dimension in enumerate(space.dimensions):
            if dimension.name in cube.names:
                d = cube.index(dimension.name)
                precisions[i] = known[d] * _range_ratio(dimension, cube.dimensions[d]) ** 2
        return precisions

    @cached_property
    def _typical_precisions(self) -> Array:
        """The median of the studies that tuned each dimension.  # (D,)"""
        precisions = self.parameters.precisions
        default = default_precisions(precisions.shape[1])
        known = [column[column > 0.0] for column in precisions.T]
        return np.array(
            [np.median(k) if len(k) else d for k, d in zip(known, default, strict=True)]
        )

    @cached_property
    def _typical_rows(self) -> Array:
        """Of each study the cells of its best trials; NaN for what it has not tuned.  # (T, D)"""
        tasks = self.prior.tasks
        return np.array([_typical_row(t.rows[_best(t.values)], self.space) for t in tasks])

    def select(self, tasks: NDArray[np.int64]) -> FittedPrior:
        """Return the surrogates of some tasks, by their indices (t,)."""
        prior = replace(self.prior, tasks=tuple(self.prior.tasks[t] for t in tasks))
        parameters = GPParameters(*(array[tasks] for array in vars(self.parameters).values()))
        return FittedPrior(prior, parameters, self.gps.select(tasks))

    def of(self, outcome: Outcome) -> FittedPrior:
        """Return the surrogates of the tasks of one outcome."""
        same = [i for i, task in enumerate(self.prior.tasks) if task.outcome.matches(outcome)]
        return self.select(np.array(same, dtype=np.int64))

    def without(self, names: Iterable[str]) -> FittedPrior:
        """Return the surrogates without the studies of these names."""
        left_out = set(names)
        kept = [i for i, name in enumerate(self.task_names) if name not in left_out]
        return self.select(np.array(kept, dtype=np.int64))

    def save(self, path: str | Path) -> None:
        """Write records and hyperparameters to a file (safetensors; no pickle)."""
        arrays = vars(self.parameters) | task_arrays(self.prior)
        write_arrays(path, arrays, _FORMAT, _VERSION, prior_header(self.prior))

    @classmethod
    def load(cls, path: str | Path) -> FittedPrior:
        """Read what :meth:`save` wrote.

        Raises:
            ValueError: The file is truncated, damaged, foreign or from a newer version.
        """
        arrays, header = read_arrays(path, _FORMAT, _VERSION)
        prior = prior_from_header(header, arrays)
        parameters = GPParameters(*(arrays[f.name] for f in fields(GPParameters)))
        return cls(prior, parameters, condition_prior_gps(parameters, _padded(prior)))


def fit_prior(prior: Prior, device: str | torch.device | None = None) -> FittedPrior:
    """Train the surrogates of all prior studies, once.

    Args:
        prior: The records.
        device: Where to compute, as torch names it; the CPU by default.
    """
    # Torch takes a second to import, and whoever loads a fitted prior needs none of it. A child
    # forked in that second by another thread would wait for ever for the rest of it.
    with COMPUTING:
        from optuna_meta.surrogate.base_fit import fit_prior_gps

    # Of many studies an even spread is asked: which, must not depend on the storage's order.
    prior = replace(prior, tasks=tuple(sorted(prior.tasks, key=lambda task: task.name)))
    data = _padded(prior)
    parameters = fit_prior_gps(data, device)
    return FittedPrior(prior, parameters, condition_prior_gps(parameters, data))


def as_fitted(
    priors: FittedPrior | Prior | Sequence[optuna.Study] | None, device: str | None
) -> FittedPrior:
    """Return the trained surrogate of whatever a user passes as prior studies."""
    if isinstance(priors, FittedPrior):
        return priors
    if isinstance(priors, Prior):
        return fit_prior(priors, device)
    several = isinstance(priors, Sequence) and not isinstance(priors, str | bytes)
    if priors is not None and not (several and all(isinstance(s, optuna.Study) for s in priors)):
        kinds = [type(s).__name__ for s in priors] if several else type(priors).__name__
        raise ValueError(
            "prior_studies must be a sequence of studies, a Prior or a FittedPrior, "
            f"got {kinds}; read a storage with Prior.from_storage(url)."
        )
    return fit_prior(Prior.from_studies(priors or ()), device)


def representative(values: Array, most: int) -> NDArray[np.int64]:
    """Choose trials to learn from: all or, of many, the best half and an even spread of ranks.

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


def _padded(prior: Prior) -> PaddedTasks:
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
        comparable = warp_constraint if task.outcome.is_constraint else rank_normal
        values[t, :n] = comparable(task.values)[trials]
        mask[t, :n] = True
        tuned[t] = task.tuned
    return PaddedTasks(designs, values, mask, tuned, owners)


def _best(values: Array) -> NDArray[np.int64]:
    return np.argsort(values, kind="stable")[: max(1, len(values) // _BEST)]


def _typical_row(rows: Array, space: Space) -> Array:
    """Return the rows' median or, of choices, the commonest."""
    typical = np.full(len(space.dimensions), np.nan)
    for i, dimension in enumerate(space.dimensions):
        cells = rows[~np.isnan(rows[:, i]), i]
        if len(cells) and dimension.is_categorical:
            known, counts = np.unique(cells, return_counts=True)
            typical[i] = known[counts.argmax()]
        elif len(cells):
            typical[i] = np.median(cells)
    return typical


def _range_ratio(target: Dimension, cube: Dimension) -> float:
    """Return the length of the target's range in units of the cube's."""
    if target.is_categorical or cube.is_categorical or target.log != cube.log:
        return 1.0
    return target.width / (cube.width or 1.0) or 1.0

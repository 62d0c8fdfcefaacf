"""The trained surrogates of all prior studies: fitted once, saved, shipped to workers."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
import optuna
from optuna.storages import BaseStorage

from optuna_meta._locks import COMPUTING
from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.space.conditions import Condition
from optuna_meta.space.conditions import learn_conditions
from optuna_meta.space.search_space import Space
from optuna_meta.studies.prior import name_set
from optuna_meta.studies.prior import Prior
from optuna_meta.studies.prior_file import refused
from optuna_meta.studies.summary import PriorSummary
from optuna_meta.surrogate.base_gps import condition_prior_gps
from optuna_meta.surrogate.base_gps import GPParameters
from optuna_meta.surrogate.base_gps import PriorGPs
from optuna_meta.surrogate.fitted_file import FittedParts
from optuna_meta.surrogate.fitted_file import read_fitted
from optuna_meta.surrogate.fitted_file import write_fitted
from optuna_meta.surrogate.kernel import default_precisions
from optuna_meta.surrogate.kernel import design
from optuna_meta.surrogate.padding import padded
from optuna_meta.surrogate.reliability import Reliability
from optuna_meta.surrogate.reliability import reliability_of
from optuna_meta.surrogate.typical import typical_row
from optuna_meta.surrogate.units import moved
from optuna_meta.surrogate.units import range_ratio


if TYPE_CHECKING:
    import torch


__all__ = ["FittedPrior", "as_fitted", "as_prior", "fit_prior"]


@dataclass(frozen=True)
class FittedPrior:
    """Prior studies with their trained surrogates.

    Args:
        prior: The records.
        parameters: Hyperparameters of the studies' processes.
        gps: The processes, conditioned on the studies' trials.
        reliabilities: What the tasks of an outcome, by their indices, say of each other, as far
            as it is known: a first suggestion need not ask them then.
        known_conditions: The ``conditions``, if these are known.
    """

    prior: Prior
    parameters: GPParameters = field(repr=False)
    gps: PriorGPs = field(repr=False)
    reliabilities: Mapping[tuple[int, ...], Reliability] = field(default_factory=dict, repr=False)
    known_conditions: tuple[Condition, ...] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.prior.tasks)

    def summary(self) -> PriorSummary:
        """Say what is in it: print it, or let a notebook show it."""
        return self.prior.summary()

    def __repr__(self) -> str:
        return f"Fitted{self.prior!r}"

    def _repr_html_(self) -> str:
        return self.prior._repr_html_()

    @property
    def space(self) -> Space:
        """The cube of all prior studies."""
        return self.prior.space

    @cached_property
    def task_names(self) -> tuple[str, ...]:
        """The prior study of each task."""
        return tuple(task.name for task in self.prior.tasks)

    @cached_property
    def study_names(self) -> tuple[str, ...]:
        """The prior studies, each once."""
        return tuple(dict.fromkeys(self.task_names))

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """Which parameters exist under which values of others, as all studies' trials show."""
        if self.known_conditions is not None:
            return self.known_conditions
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
                precisions[i] = known[d] * range_ratio(dimension, cube.dimensions[d]) ** 2
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
        return np.array([typical_row(t.rows, t.values, self.space) for t in self.prior.tasks])

    def select(self, tasks: NDArray[np.int64]) -> FittedPrior:
        """Return the surrogates of some tasks, by their indices (t,)."""
        prior = replace(self.prior, tasks=tuple(self.prior.tasks[t] for t in tasks))
        parameters = GPParameters(*(array[tasks] for array in vars(self.parameters).values()))
        return FittedPrior(prior, parameters, self.gps.select(tasks))

    def of(self, outcome: Outcome) -> FittedPrior:
        """Return the surrogates of the tasks of one outcome."""
        same = self._tasks_of(outcome)
        if len(same) == len(self):  # Nothing to copy.
            return self
        return self.select(np.array(same, dtype=np.int64))

    def reliability(self, outcome: Outcome) -> Reliability:
        """Return what the tasks of one outcome say of each other."""
        known = self.reliabilities.get(self._tasks_of(outcome))
        return reliability_of(self.of(outcome)) if known is None else known

    def _tasks_of(self, outcome: Outcome) -> tuple[int, ...]:
        tasks = self.prior.tasks
        return tuple(i for i, task in enumerate(tasks) if task.outcome.matches(outcome))

    def without(self, names: Iterable[str]) -> FittedPrior:
        """Return the surrogates without the studies of these names, as :meth:`Prior.without`."""
        left_out = name_set(names)
        kept = [i for i, name in enumerate(self.task_names) if name not in left_out]
        return self.select(np.array(kept, dtype=np.int64))

    def refresh(
        self,
        storage: str | BaseStorage,
        *,
        device: str | torch.device | None = None,
        **options: Any,
    ) -> FittedPrior:
        """Return the surrogates with what is new in a storage; only new studies are fitted.

        Args:
            storage: As :meth:`Prior.from_storage` reads it, with the same options.
            device: Where to compute, as torch names it; the CPU by default.
            **options: Of :meth:`Prior.from_storage`, but ``update``.
        """
        return fit_prior(
            Prior.from_storage(storage, **options, update=self.prior), device, update=self
        )

    def save(self, path: str | Path) -> None:
        """Write records, hyperparameters and what the studies say to a file (no pickle)."""
        known = _weighed(self)  # A selection, or one of an early file, has not been asked yet.
        parts = self.prior, self.parameters, known.reliabilities, known.conditions
        write_fitted(path, FittedParts(*parts))

    @classmethod
    def load(cls, path: str | Path) -> FittedPrior:
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is truncated, damaged, foreign or from a newer version.
        """
        prior, parameters, reliabilities, conditions = read_fitted(path)
        with refused(path):
            gps = condition_prior_gps(parameters, padded(prior))
        return cls(prior, parameters, gps, reliabilities, conditions)


def fit_prior(
    prior: Prior, device: str | torch.device | None = None, *, update: FittedPrior | None = None
) -> FittedPrior:
    """Train the surrogates of all prior studies, once.

    Args:
        prior: The records.
        device: Where to compute, as torch names it; the CPU by default.
        update: What was trained before: tasks that ``prior`` took over from it are not again.
    """
    # Of many studies an even spread is asked: which, must not depend on the storage's order.
    prior = replace(prior, tasks=tuple(sorted(prior.tasks, key=lambda task: task.name)))
    known = _taken_over(prior, update)
    is_fresh = known < 0
    if update and prior.space == update.space and known.tolist() == list(range(len(update))):
        return replace(update, prior=prior)
    data = padded(prior)
    fitted, before = (update.parameters, update.space) if update else (None, Space())
    parameters = moved(fitted, before, prior.space, known)
    if is_fresh.any():
        # Torch takes a second to import, and whoever loads a fitted prior needs none of it. A
        # child forked in that second by another thread would wait for ever for the rest of it.
        with COMPUTING:
            from optuna_meta.surrogate.base_fit import fit_prior_gps

        fresh = data if is_fresh.all() else data.select(np.flatnonzero(is_fresh))
        found = fit_prior_gps(fresh, device, parameters.precisions[~is_fresh])
        for f in fields(GPParameters):
            getattr(parameters, f.name)[is_fresh] = getattr(found, f.name)
    return _weighed(FittedPrior(prior, parameters, condition_prior_gps(parameters, data)))


def _weighed(fitted: FittedPrior) -> FittedPrior:
    """Return the surrogates with what depends on them alone, for every first suggestion."""
    if fitted.reliabilities:
        return fitted
    outcomes = dict.fromkeys(task.outcome for task in fitted.prior.tasks)
    groups = {fitted._tasks_of(outcome): outcome for outcome in outcomes}
    with COMPUTING:
        found = {tasks: fitted.reliability(outcome) for tasks, outcome in groups.items()}
    return replace(fitted, reliabilities=found, known_conditions=fitted.conditions)


def _taken_over(prior: Prior, update: FittedPrior | None) -> NDArray[np.int64]:
    """Find each task among those that were fitted before; -1 where it is new.  # (T,)"""
    # A task that was taken over has the very array of values that it had.
    before = {id(task.values): i for i, task in enumerate(update.prior.tasks)} if update else {}
    return np.array([before.get(id(task.values), -1) for task in prior.tasks], dtype=np.int64)


def as_fitted(
    priors: FittedPrior | Prior | Sequence[optuna.Study | Prior] | None, device: str | None
) -> FittedPrior:
    """Return the trained surrogate of whatever a user passes as prior studies."""
    return priors if isinstance(priors, FittedPrior) else fit_prior(as_prior(priors), device)


def as_prior(priors: FittedPrior | Prior | Sequence[optuna.Study | Prior] | None) -> Prior:
    """Return the records of whatever a user passes as prior studies."""
    if isinstance(priors, FittedPrior):
        return priors.prior
    if isinstance(priors, Prior):
        return priors
    several = isinstance(priors, Sequence) and not isinstance(priors, str | bytes)
    listed = list(priors) if several and priors is not None else []
    known = [prior for prior in listed if isinstance(prior, Prior)]
    studies = [study for study in listed if isinstance(study, optuna.Study)]
    if known and len(known) == len(listed):
        return Prior.joined(known)
    if priors is not None and (not several or len(studies) < len(listed)):
        kinds = [type(s).__name__ for s in listed] if several else type(priors).__name__
        raise ValueError(
            "prior_studies must be a sequence of studies, or one of Priors, a Prior or a "
            f"FittedPrior, got {kinds}; read a storage with Prior.from_storage(url)."
        )
    return Prior.from_studies(studies)

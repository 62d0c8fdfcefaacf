"""Fitted prior studies <-> one file (safetensors; no pickle).

Files of earlier versions lack what the studies say of each other and which parameters are
conditional: that is computed when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import astuple
from dataclasses import fields
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np

from optuna_meta._files import read_arrays
from optuna_meta._files import write_arrays
from optuna_meta._typing import Array
from optuna_meta.space.conditions import Condition
from optuna_meta.space.conditions import parents_first
from optuna_meta.studies.prior import Prior
from optuna_meta.studies.prior_file import prior_header
from optuna_meta.studies.prior_file import prior_parts
from optuna_meta.studies.prior_file import refused
from optuna_meta.studies.prior_file import task_arrays
from optuna_meta.surrogate.base_gps import GPParameters
from optuna_meta.surrogate.reliability import Reliability


__all__ = ["FORMAT", "FittedParts", "VERSION", "read_fitted", "write_fitted"]

FORMAT = "optuna_meta.fitted_prior"
VERSION = 2
_RELIABILITY = "reliability."  # Before the names of its arrays, which are numbered.


class FittedParts(NamedTuple):
    """What a file holds; the arguments of ``FittedPrior`` but the processes.

    Args:
        prior: The records.
        parameters: Hyperparameters of the studies' processes.
        reliabilities: What tasks, by their indices, say of each other, as far as it is known.
        known_conditions: Which parameters are conditional, if that is known.
    """

    prior: Prior
    parameters: GPParameters
    reliabilities: Mapping[tuple[int, ...], Reliability]
    known_conditions: tuple[Condition, ...] | None


def write_fitted(path: str | Path, parts: FittedParts) -> None:
    """Write fitted prior studies; see ``FittedPrior.save``."""
    prior = parts.prior
    arrays = vars(parts.parameters) | task_arrays(prior.tasks)
    for k, (tasks, reliability) in enumerate(parts.reliabilities.items()):
        of_group = {"tasks": np.array(tasks, dtype=np.int64), **reliability._asdict()}
        arrays |= {f"{_RELIABILITY}{k}.{name}": array for name, array in of_group.items()}
    header = prior_header(prior.space, prior.tasks, prior.versions, prior.left_out)
    if parts.known_conditions is not None:
        header["conditions"] = [astuple(condition) for condition in parts.known_conditions]
    write_arrays(path, arrays, FORMAT, VERSION, header)


def read_fitted(path: str | Path) -> FittedParts:
    """Read what :func:`write_fitted` wrote; see ``FittedPrior.load``."""
    arrays, header = read_arrays(path, FORMAT, VERSION)
    with refused(path):
        prior = Prior(*prior_parts(header, arrays))
        n_tasks, n_dims = len(prior.tasks), len(prior.space.dimensions)
        parameters = GPParameters(*(arrays[f.name] for f in fields(GPParameters)))
        _check(parameters, n_tasks, n_dims)
        reliabilities = dict(_reliabilities(arrays, n_tasks))
        listed = header.get("conditions")
        conditions = None if listed is None else _conditions(listed, n_dims)
        return FittedParts(prior, parameters, reliabilities, conditions)


def _check(parameters: GPParameters, n_tasks: int, n_dims: int) -> None:
    """Refuse hyperparameters that are not of so many tasks, or of no process."""
    shapes = [array.shape for array in vars(parameters).values()]
    if shapes != [(n_tasks, n_dims), (n_tasks,), (n_tasks,)]:
        raise ValueError(f"hyperparameters {shapes} for {n_tasks} tasks of {n_dims} parameters")
    sizes = np.column_stack([parameters.precisions + 1.0, parameters.amplitude, parameters.noise])
    if not ((sizes > 0.0) & np.isfinite(sizes)).all():
        raise ValueError("hyperparameters must be positive and finite")


def _reliabilities(
    arrays: Mapping[str, Array], n_tasks: int
) -> Iterator[tuple[tuple[int, ...], Reliability]]:
    names = [name for name in arrays if name.startswith(_RELIABILITY) and name.endswith(".tasks")]
    for name in names:
        prefix, tasks = name.removesuffix("tasks"), arrays[name]
        found = Reliability(*(arrays[f"{prefix}{part}"] for part in Reliability._fields))
        shares = np.stack([*found])
        is_index = tasks.dtype == np.int64 and bool(((tasks >= 0) & (tasks < n_tasks)).all())
        if shares.shape != (2, *tasks.shape) or not is_index:
            raise ValueError(f"{name} and what follows are not of {n_tasks} tasks")
        if not ((shares >= 0.0) & (shares <= 1.0)).all():
            raise ValueError(f"{prefix[:-1]} holds no probabilities")
        yield tuple(tasks.tolist()), found


def _conditions(listed: Sequence[Any], n_dims: int) -> tuple[Condition, ...]:
    found = []
    for child, parent, cells, active, ordered in listed:
        values, is_active = tuple(map(float, cells)), tuple(map(bool, active))
        is_known = {child, parent} <= set(range(n_dims)) and np.isfinite(values).all()
        if not is_known or not 0 < len(values) == len(is_active):
            raise ValueError(f"no condition among {n_dims} parameters: {(child, parent)}")
        found.append(Condition(int(child), int(parent), values, is_active, bool(ordered)))
    if parents_first(found) != tuple(found):
        raise ValueError("conditions that come before those of their parents")
    return tuple(found)

"""Prior studies as frozen records of arrays, in one encoded cube."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import astuple
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from dataclasses import replace
import json
from pathlib import Path
from typing import Any
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage

from optuna_meta._files import read_arrays
from optuna_meta._files import write_arrays
from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.search_space import Space
from optuna_meta.studies.dataframe import read_frame
from optuna_meta.studies.storage import ParameterMapping
from optuna_meta.studies.storage import read_storage
from optuna_meta.studies.storage import read_studies
from optuna_meta.studies.task import RawStudy
from optuna_meta.studies.task import Task
from optuna_meta.studies.task import usable


if TYPE_CHECKING:
    import pandas as pd


__all__ = ["Prior", "prior_from_header", "prior_header", "task_arrays"]

_FORMAT = "optuna_meta.prior"
_VERSION = 2
_LARGEST = 1e300  # A constraint violated without bound.


@dataclass(frozen=True)
class Prior:
    """The prior studies that can serve, in one encoded cube.

    Args:
        space: The union of the studies' search spaces.
        tasks: What the studies say: a task for each outcome of each study.
    """

    space: Space = field(default_factory=Space)
    tasks: tuple[Task, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the prior studies."""
        return tuple(dict.fromkeys(task.name for task in self.tasks))

    @classmethod
    def from_storage(
        cls,
        storage: str | BaseStorage,
        study_names: Sequence[str] | None = None,
        where: Callable[[Any], bool] | None = None,
        *,
        rename: Mapping[str, str] | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> Prior:
        """Read prior studies from a storage, each once.

        Args:
            storage: URL, or any Optuna storage object.
            study_names: The studies to read; all by default.
            where: Called with each study before its trials are read (an object with
                ``study_name``, ``directions`` and ``user_attrs``); true keeps the study.
            rename: New names of parameters by their old ones.
            defaults: Values that studies without these parameters (by their new names) ran with.

        Raises:
            ValueError: The SQLite file or one of ``study_names`` does not exist.
        """
        mapping = ParameterMapping(rename or {}, defaults or {})
        return _encoded(read_storage(storage, study_names, where, mapping), mapping)

    @classmethod
    def from_studies(
        cls,
        studies: Iterable[optuna.Study],
        *,
        rename: Mapping[str, str] | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> Prior:
        """Read prior studies; one that cannot serve is left out with a warning.

        Args:
            studies: The studies; each objective and each constraint of one is learned from.
            rename: New names of parameters by their old ones.
            defaults: Values that studies without these parameters (by their new names) ran with.
        """
        mapping = ParameterMapping(rename or {}, defaults or {})
        return _encoded(read_studies(studies, mapping), mapping)

    @classmethod
    def from_dataframe(
        cls,
        frame: pd.DataFrame,
        *,
        study: str,
        value: str,
        distributions: Mapping[str, BaseDistribution] | None = None,
        direction: str = "minimize",
        meta_features: Mapping[str, Mapping[str, float]] | None = None,
    ) -> Prior:
        """Read prior studies from trials that never were in Optuna.

        Args:
            frame: A row per trial; every column but ``study`` and ``value`` is a parameter, and
                an empty cell says that the trial did not have it.
            study: Column that names the prior study (the task) of a trial.
            value: Column with the objective value.
            distributions: Ranges and choices; by default those that the column shows (linear).
            direction: ``"minimize"`` or ``"maximize"``, for all studies.
            meta_features: Meta-features by study name.

        Raises:
            ValueError: A column is missing or empty, or the direction is unknown.
        """
        raw = read_frame(frame, study, value, distributions or {}, direction, meta_features or {})
        return _encoded(raw)

    def without(self, names: Iterable[str]) -> Prior:
        """Return the prior without the studies of these names, in the same space."""
        left_out = set(names)
        return replace(self, tasks=tuple(t for t in self.tasks if t.name not in left_out))

    def save(self, path: str | Path) -> None:
        """Write the records to a file (safetensors; no pickle)."""
        write_arrays(path, task_arrays(self), _FORMAT, _VERSION, prior_header(self))

    @classmethod
    def load(cls, path: str | Path) -> Prior:
        """Read what :meth:`save` wrote.

        Raises:
            ValueError: The file is truncated, damaged, foreign or from a newer version.
        """
        arrays, header = read_arrays(path, _FORMAT, _VERSION)
        return _with_ordered_numbers(prior_from_header(header, arrays))


def task_arrays(prior: Prior) -> dict[str, Array]:
    """Name the arrays of a prior's tasks for a file."""
    rows = {f"{i}.rows": task.rows for i, task in enumerate(prior.tasks)}
    return rows | {f"{i}.values": task.values for i, task in enumerate(prior.tasks)}


def prior_header(prior: Prior) -> dict[str, Any]:
    """Return what of a prior is not arrays, as JSON values.

    Raises:
        ValueError: A choice is no JSON value, so that no file can hold it.
    """
    return {
        "dimensions": [_dimension_header(d) for d in prior.space.dimensions],
        "tasks": [
            {
                "name": t.name,
                "meta_features": dict(t.meta_features),
                "mark": t.fingerprint,
                "measure": list(astuple(t.outcome)),  # The key that files have had from the first.
            }
            for t in prior.tasks
        ],
    }


def prior_from_header(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> Prior:
    """Return the prior of a header and of the arrays ``{i}.rows`` and ``{i}.values``."""
    dimensions = tuple(
        Dimension(**{**d, "choices": None if d["choices"] is None else tuple(d["choices"])})
        for d in header["dimensions"]
    )
    tasks = tuple(
        Task(
            t["name"],
            arrays[f"{i}.rows"],
            arrays[f"{i}.values"],
            t["meta_features"],
            t["mark"],
            Outcome(*t.get("measure", ())),
        )
        for i, t in enumerate(header["tasks"])
    )
    return Prior(Space(dimensions), tasks)


def _dimension_header(dimension: Dimension) -> dict[str, Any]:
    header = {f.name: getattr(dimension, f.name) for f in fields(dimension)}
    try:
        json.dumps(dimension.choices)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Parameter {dimension.name!r} has choices that no file can hold ({error}): "
            "name them by None, bool, int, float or str."
        ) from error
    return header


def _with_ordered_numbers(prior: Prior) -> Prior:
    """Return a prior, perhaps of version 1, which knew numbers to choose from as categories."""
    dimensions = [
        Dimension.choosing(d.name, d.choices or ()) if d.is_categorical else d
        for d in prior.space.dimensions
    ]
    space = Space(tuple(dimensions))
    if space == prior.space:
        return prior
    tasks = [replace(t, rows=space.translate(t.rows, prior.space)) for t in prior.tasks]
    return Prior(space, tuple(tasks))


def _encoded(raw: Iterable[RawStudy], mapping: ParameterMapping | None = None) -> Prior:
    """Encode the studies that can serve, in the union of their spaces."""
    studies = usable(raw)
    if mapping:
        mapping.warn_of_unknown()
    space = Space.union([study.dimensions for study in studies])
    return Prior(space, tuple(task for study in studies for task in _tasks(study, space)))


def _tasks(study: RawStudy, space: Space) -> Iterator[Task]:
    """Make a task of each outcome of a study of which its trials have different values."""
    rows = space.rows(study.observations.params)
    columns = np.hstack([study.observations.values, study.observations.constraint_values]).T
    for outcome, values in zip(study.outcomes, columns, strict=True):
        known = ~np.isnan(values)
        finite = np.clip(values[known], -_LARGEST, _LARGEST)
        if len(finite) and np.ptp(finite) > 0.0:
            yield Task(
                study.name, rows[known], finite, study.meta_features, study.fingerprint, outcome
            )

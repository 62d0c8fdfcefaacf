"""Prior studies as frozen records of arrays, in one encoded cube."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from pathlib import Path
from typing import Any
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage

from optuna_meta._files import read_arrays
from optuna_meta._files import write_arrays
from optuna_meta._optuna import storage_mark
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.search_space import Space
from optuna_meta.studies.dataframe import read_frame
from optuna_meta.studies.mapping import ParameterMapping
from optuna_meta.studies.packing import packed
from optuna_meta.studies.prior_file import prior_header
from optuna_meta.studies.prior_file import prior_parts
from optuna_meta.studies.prior_file import refused
from optuna_meta.studies.prior_file import task_arrays
from optuna_meta.studies.storage import reached
from optuna_meta.studies.storage import read_storage
from optuna_meta.studies.storage import read_studies
from optuna_meta.studies.storage import Selection
from optuna_meta.studies.summary import PriorSummary
from optuna_meta.studies.summary import summarized
from optuna_meta.studies.task import RawStudy
from optuna_meta.studies.task import Task
from optuna_meta.studies.task import usable


if TYPE_CHECKING:
    import pandas as pd


__all__ = ["Prior"]

_logger = optuna.logging.get_logger("optuna.meta")
_FORMAT = "optuna_meta.prior"
_VERSION = 2
_LARGEST = 1e300  # A constraint violated without bound.


@dataclass(frozen=True)
class Prior:
    """The prior studies that can serve, in one encoded cube.

    Args:
        space: The union of the studies' search spaces.
        tasks: What the studies say: a task for each outcome of each study.
        versions: By the origin of each study that was read, what differs once it has changed.
        left_out: Studies that cannot serve, and why.
    """

    space: Space = field(default_factory=Space)
    tasks: tuple[Task, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict, repr=False)
    left_out: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

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
        update: Prior | None = None,
        patience: float = 30.0,
    ) -> Prior:
        """Read prior studies from a storage, each once.

        A study that is broken is left out with a warning; a storage that does not answer is waited
        for, and what it holds is never left out for that.

        Args:
            storage: URL, path of a journal or of an SQLite file, or any Optuna storage object.
            study_names: The studies to read; all by default.
            where: Called with each study before its trials are read (an object with
                ``study_name``, ``directions`` and ``user_attrs``); true keeps the study.
            rename: New names of parameters by their old ones.
            defaults: Values that studies without these parameters (by their new names) ran with.
            update: What was read before, with the same ``rename`` and ``defaults``: only new and
                changed studies of this storage are read, those that it lacks now are forgotten,
                and those of other storages stay. On a relational database no trial of an
                unchanged study is read.
            patience: Seconds that the storage may leave a question unanswered.

        Raises:
            ConnectionError: The storage was unreachable for longer than that.
            ValueError: The file or one of ``study_names`` does not exist, or the file is damaged.
        """
        mapping = ParameterMapping(rename or {}, defaults or {})
        before = update or cls()
        reached_storage = reached(storage, patience)
        selection = Selection(study_names, where, before.versions, patience)
        raw = read_storage(reached_storage, selection, mapping)
        return _encoded(raw, mapping, before, storage_mark(reached_storage))

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

    def summary(self) -> PriorSummary:
        """Say what is in it: print it, or let a notebook show it."""
        return summarized(self.tasks, self.space.names, self.left_out)

    def __repr__(self) -> str:
        return repr(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def without(self, names: Iterable[str]) -> Prior:
        """Return the prior without the studies of these names, in the same space."""
        left_out = set(names)
        return replace(self, tasks=tuple(t for t in self.tasks if t.name not in left_out))

    def save(self, path: str | Path) -> None:
        """Write the records to a file (safetensors; no pickle)."""
        header = prior_header(self.space, self.tasks, self.versions, self.left_out)
        write_arrays(path, task_arrays(self.tasks), _FORMAT, _VERSION, header)

    @classmethod
    def load(cls, path: str | Path) -> Prior:
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is truncated, damaged, foreign or from a newer version.
        """
        arrays, header = read_arrays(path, _FORMAT, _VERSION)
        with refused(path):
            return _with_ordered_numbers(cls(*prior_parts(header, arrays)))


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
    return replace(prior, space=space, tasks=tuple(tasks))


def _encoded(
    raw: Iterable[RawStudy],
    mapping: ParameterMapping | None = None,
    before: Prior | None = None,
    storage: str = "",
) -> Prior:
    """Encode the studies that can serve, in the union of their spaces.

    Args:
        raw: The studies that were found.
        mapping: What their parameters became.
        before: What was known before.
        storage: Mark of the storage whose studies ``raw`` are, all of them.
    """
    found = [packed(study) for study in raw]
    before = before or Prior()
    same = {study.origin for study in found if study.is_unchanged}
    gone = {study.name for study in found}  # Files of earlier versions know no origins.
    kept = [
        task
        for task in before.tasks
        if task.origin in same
        or not (task.origin.startswith(f"{storage}#") if task.origin else task.name in gone)
    ]
    names = dict.fromkeys(task.name for task in kept)
    studies = list(usable((s for s in found if not s.is_unchanged), names))
    if mapping and not same:
        mapping.warn_of_unknown()
    space = before.space
    if studies:
        space = Space.union([*[space.dimensions] * len(names), *(s.dimensions for s in studies)])
    if repr(space) != repr(before.space):
        kept = [replace(t, rows=space.translate(t.rows, before.space)) for t in kept]
    read_now = {s.origin: s.version for s in found if s.origin and not s.is_unchanged}
    others = {
        origin: version
        for origin, version in before.versions.items()
        if origin in same or not origin.startswith(f"{storage}#")
    }
    tasks = (*kept, *(task for study in studies for task in _tasks(study, space)))
    refused = {study.name: study.rejection_reason for study in found if study.rejection_reason}
    prior = Prior(space, tasks, others | read_now, {**before.left_out, **refused})
    _logger.info(f"{len(found)} studies seen, {len(prior)} prior studies{_known(len(names))}.")
    return prior


def _known(n_names: int) -> str:
    return f", {n_names} of them as they were read before" if n_names else ""


def _tasks(study: RawStudy, space: Space) -> Iterator[Task]:
    """Make a task of each outcome of a study of which its trials have different values."""
    rows = space.rows(list(study.observations.params))
    columns = np.hstack([study.observations.values, study.observations.constraint_values]).T
    for outcome, values in zip(study.outcomes, columns, strict=True):
        known = ~np.isnan(values)
        finite = np.clip(values[known], -_LARGEST, _LARGEST)
        if len(finite) and np.ptp(finite) > 0.0:
            yield Task(
                study.name,
                rows if known.all() else rows[known],
                finite,
                study.meta_features,
                study.fingerprint,
                outcome,
                study.origin,
            )

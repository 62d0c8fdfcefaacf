"""Raw studies -> tasks in one cube, beside those that were read before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import optuna

from optuna_meta.space.dimension import Dimension
from optuna_meta.space.search_space import Space
from optuna_meta.studies.mapping import ParameterMapping
from optuna_meta.studies.packing import packed
from optuna_meta.studies.task import RawStudy
from optuna_meta.studies.task import Task
from optuna_meta.studies.task import usable


__all__ = ["Parts", "encoded", "joined", "with_ordered_numbers"]

# Space, tasks, versions by origin, and why studies are left out, by name.
Parts = tuple[Space, tuple[Task, ...], dict[str, str], dict[str, str]]

_logger = optuna.logging.get_logger("optuna.meta")
_LARGEST = 1e300  # A constraint violated without bound.
_NOTHING: Parts = Space(), (), {}, {}


def encoded(
    raw: Iterable[RawStudy],
    mapping: ParameterMapping | None = None,
    before: tuple[Space, Sequence[Task], Mapping[str, str], Mapping[str, str]] = _NOTHING,
    storage: str = "",
) -> Parts:
    """Encode the studies that can serve, in the union of their spaces.

    Args:
        raw: The studies that were found.
        mapping: What their parameters became.
        before: What was known before.
        storage: Mark of the storage whose studies ``raw`` are, all of them.
    """
    found = [packed(study) for study in raw]
    space, tasks, versions, left_out = before
    same = {study.origin for study in found if study.is_unchanged}
    gone = {study.name for study in found}  # Files of earlier versions know no origins.
    kept = [
        task
        for task in tasks
        if task.origin in same
        or not (task.origin.startswith(f"{storage}#") if task.origin else task.name in gone)
    ]
    names = dict.fromkeys(task.name for task in kept)
    studies = list(usable((s for s in found if not s.is_unchanged), names))
    if mapping and not same:
        mapping.warn_of_unknown()
    union = space
    if studies:
        union = Space.union([*[space.dimensions] * len(names), *(s.dimensions for s in studies)])
    if repr(union) != repr(space):
        kept = [replace(t, rows=union.translate(t.rows, space)) for t in kept]
    read_now = {s.origin: s.version for s in found if s.origin and not s.is_unchanged}
    others = {
        origin: version
        for origin, version in versions.items()
        if origin in same or not origin.startswith(f"{storage}#")
    }
    all_tasks = (*kept, *(task for study in studies for task in _tasks(study, union)))
    n_studies = len({task.name for task in all_tasks})
    _logger.info(f"{len(found)} studies seen, {n_studies} prior studies{_known(len(names))}.")
    read = [study for study in found if not study.is_unchanged]
    serving = {task.name for task in all_tasks}.union(study.name for study in read)
    still = {name: reason for name, reason in left_out.items() if name not in serving}
    refused = {study.name: study.rejection_reason for study in read if study.rejection_reason}
    return union, all_tasks, others | read_now, still | refused


def joined(parts: Sequence[Parts]) -> Parts:
    """Return several priors' parts as those of one, in the union of their spaces."""
    union = Space.union([space.dimensions for space, *_ in parts])
    tasks = [
        replace(task, rows=union.translate(task.rows, space))
        for space, of_space, *_ in parts
        for task in of_space
    ]
    names = [dict.fromkeys(task.name for task in of_prior) for _, of_prior, *_ in parts]
    twice = sorted(n for n, times in Counter(chain(*names)).items() if times > 1)
    if twice:
        raise ValueError(
            f"Several of the priors have studies named {twice}: tell them apart by labels, "
            "Prior.joined({'a': one, 'b': other})."
        )
    versions = {k: v for *_, known, _ in parts for k, v in known.items()}
    left_out = {k: v for *_, known in parts for k, v in known.items()}
    return union, tuple(tasks), versions, left_out


def with_ordered_numbers(
    space: Space, tasks: tuple[Task, ...], versions: dict[str, str], left_out: dict[str, str]
) -> Parts:
    """Return the parts of a prior, perhaps of version 1, to which numbers were categories."""
    dimensions = [
        Dimension.choosing(d.name, d.choices or ()) if d.is_categorical else d
        for d in space.dimensions
    ]
    ordered = Space(tuple(dimensions))
    if ordered == space:
        return space, tasks, versions, left_out
    moved = tuple(replace(t, rows=ordered.translate(t.rows, space)) for t in tasks)
    return ordered, moved, versions, left_out


def _known(n_names: int) -> str:
    return f", {n_names} of them as they were read before" if n_names else ""


def _tasks(study: RawStudy, space: Space) -> Iterator[Task]:
    """Make a task of each outcome of a study of which its trials have different values."""
    rows = space.rows(list(study.observations.params))
    columns = np.hstack([study.observations.values, study.observations.constraint_values]).T
    curves = study.observations.curves
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
                curves[outcome.position].select(known) if not outcome.is_constraint else None,
            )

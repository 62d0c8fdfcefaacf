"""Prior studies <-> arrays and a header, which one file holds."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import astuple
from dataclasses import fields
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from optuna_meta._files import read_arrays
from optuna_meta._files import write_arrays
from optuna_meta._typing import Array
from optuna_meta.outcomes.curves import Curves
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.search_space import Space
from optuna_meta.studies.encoding import Parts
from optuna_meta.studies.encoding import with_ordered_numbers
from optuna_meta.studies.outage import cause_of
from optuna_meta.studies.outage import shown
from optuna_meta.studies.task import Task


__all__ = ["prior_header", "prior_parts", "read_prior", "refused", "task_arrays", "write_prior"]

_FORMAT = "optuna_meta.prior"
_VERSION = 2
_CURVES = "curves."  # Before the names of a task's arrays of curves.
_ARRAYS = ("steps", "values", "complete", "seconds")
_COSTS = "costs."  # Before those of its costs.


def write_prior(
    path: str | Path,
    space: Space,
    tasks: Sequence[Task],
    versions: Mapping[str, str],
    left_out: Mapping[str, str],
) -> None:
    """Write prior studies; see :meth:`optuna_meta.Prior.save`."""
    header = prior_header(space, tasks, versions, left_out)
    write_arrays(path, task_arrays(tasks), _FORMAT, _VERSION, header)


def read_prior(path: str | Path) -> Parts:
    """Read what :func:`write_prior` wrote; see :meth:`optuna_meta.Prior.load`."""
    arrays, header = read_arrays(path, _FORMAT, _VERSION)
    with refused(path):
        return with_ordered_numbers(*prior_parts(header, arrays))


def task_arrays(tasks: Sequence[Task]) -> dict[str, Array]:
    """Name the arrays of tasks for a file."""
    rows = {f"{i}.rows": task.rows for i, task in enumerate(tasks)}
    values = {f"{i}.values": task.values for i, task in enumerate(tasks)}
    return (
        rows | values | {k: a for i, task in enumerate(tasks) for k, a in _curve_arrays(i, task)}
    )


def _curve_arrays(i: int, task: Task) -> Iterator[tuple[str, Array]]:
    if task.curves is not None:
        curves = vars(task.curves)
        for name in _ARRAYS:
            yield f"{i}.{_CURVES}{name}", np.asarray(curves[name], dtype=np.float64)
        for name, costs in task.curves.costs.items():
            yield f"{i}.{_COSTS}{name}", costs


def _curves(
    arrays: Mapping[str, Array], i: int, cost_names: Sequence[str] | None
) -> Curves | None:
    parts = [arrays.get(f"{i}.{_CURVES}{name}") for name in _ARRAYS]
    if any(part is None for part in parts):
        return None  # A file of an earlier version.
    steps, values, complete, seconds = (np.asarray(part) for part in parts)
    if cost_names is None:  # One of before costs had names: what ran until it was stopped.
        seconds = np.where(complete > 0.0, seconds, np.nan)
    costs = {_text(name): arrays[f"{i}.{_COSTS}{name}"] for name in cost_names or ()}
    return Curves(steps, values, complete > 0.0, seconds, costs)


def prior_header(
    space: Space, tasks: Sequence[Task], versions: Mapping[str, str], left_out: Mapping[str, str]
) -> dict[str, Any]:
    """Return what of a prior is not arrays, as JSON values.

    Raises:
        ValueError: A choice is no JSON value, so that no file can hold it.
    """
    return {
        "dimensions": [_dimension_header(d) for d in space.dimensions],
        "tasks": [
            {
                "name": t.name,
                "meta_features": dict(t.meta_features),
                "mark": t.fingerprint,
                "measure": list(astuple(t.outcome)),  # The key that files have had from the first.
                "origin": t.origin,
                "costs": list(t.curves.costs) if t.curves is not None else [],
            }
            for t in tasks
        ],
        "versions": dict(versions),
        "left_out": dict(left_out),
    }


def prior_parts(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> Parts:
    """Return the parts of a prior from a header and the arrays ``{i}.rows``, ``{i}.values``.

    Raises:
        ValueError: The arrays are not those of the header.
        KeyError: Something is missing.
        TypeError: Something is of another type.
    """
    dimensions = tuple(
        Dimension(**{**d, "choices": None if d["choices"] is None else tuple(d["choices"])})
        for d in header["dimensions"]
    )
    tasks = tuple(
        Task(
            _text(t["name"]),
            arrays[f"{i}.rows"],
            arrays[f"{i}.values"],
            {_text(name): float(value) for name, value in t["meta_features"].items()},
            _text(t["mark"]),
            Outcome(*t.get("measure", ())),
            _text(t.get("origin", "")),
            _curves(arrays, i, t.get("costs")),
        )
        for i, t in enumerate(header["tasks"])
    )
    for task in tasks:
        if task.rows.shape[1] != len(dimensions) or task.rows.dtype != np.float64:
            raise ValueError(
                f"task {shown(task.name)} has rows {task.rows.shape} of {task.rows.dtype}, "
                f"wanted are float64 in {len(dimensions)} dimensions"
            )
    versions, left_out = (
        {_text(k): _text(v) for k, v in header.get(key, {}).items()}
        for key in ("versions", "left_out")
    )
    return Space(dimensions), tasks, versions, left_out


@contextmanager
def refused(path: str | Path) -> Iterator[None]:
    """Name the file where its contents, whole as they are, are no prior studies."""
    try:
        yield
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(
            f"{os.fspath(path)!r} is whole, but holds no prior studies that can be used "
            f"({cause_of(error)}): save it again."
        ) from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is wanted, got {shown(value)}")
    return value


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

"""Prior studies -> frozen records of arrays. The only reader of prior studies."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
import os
from pathlib import Path
from typing import Any
from typing import TYPE_CHECKING
import warnings

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from optuna_meta._files import read_arrays
from optuna_meta._files import write_arrays
from optuna_meta._optuna import study_user_attrs
from optuna_meta.features.record import clean_meta_features
from optuna_meta.features.record import read_meta_features
from optuna_meta.space import Array
from optuna_meta.space import Dimension
from optuna_meta.space import Space
from optuna_meta.trials import FINISHED
from optuna_meta.trials import Observations
from optuna_meta.trials import observe


if TYPE_CHECKING:
    import pandas as pd


__all__ = ["Prior", "Task"]

_FORMAT = "optuna_meta.prior"
_VERSION = 1


@dataclass(frozen=True)
class Task:
    """One prior study as arrays.

    Args:
        name: The study's name.
        rows: Cells of the n trials in the prior's space.  # (n, D)
        values: Objective values, lower is better, finite.  # (n,)
        meta_features: Named numbers of the study's data set; empty where none are known.
        mark: Number and start of the study's first usable trial, by which a study recognises
            itself among the priors; empty for trials that never were in Optuna.
    """

    name: str
    rows: Array  # (n, D)
    values: Array  # (n,)
    meta_features: Mapping[str, float] = field(default_factory=dict)
    mark: str = ""

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or self.values.shape != (len(self.rows),):
            raise ValueError(
                f"Task {self.name!r} needs rows (n, D) and values (n,), "
                f"got {self.rows.shape} and {self.values.shape}."
            )
        if not np.isfinite(self.values).all():
            raise ValueError(f"Task {self.name!r} needs finite values.")

    @property
    def tuned(self) -> NDArrayBool:
        """Which dimensions the study has tuned.  # (D,)"""
        return ~np.isnan(self.rows).all(axis=0)


@dataclass(frozen=True)
class Prior:
    """The prior studies that can serve, in one encoded cube.

    Args:
        space: The union of the studies' search spaces.
        tasks: The studies, with different names.
    """

    space: Space = field(default_factory=Space)
    tasks: tuple[Task, ...] = ()

    def __len__(self) -> int:
        return len(self.tasks)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the prior studies."""
        return tuple(task.name for task in self.tasks)

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
            defaults: Values that trials without these parameters have run with.

        Raises:
            ValueError: The SQLite file or one of ``study_names`` does not exist.
        """
        opened = _open(storage)
        frozen = {study.study_name: study for study in opened.get_all_studies()}
        names = list(frozen) if study_names is None else list(study_names)
        if unknown := [name for name in names if name not in frozen]:
            known = ", ".join(map(repr, list(frozen)[:10])) or "no study at all"
            raise ValueError(
                f"The storage has no study named {', '.join(map(repr, unknown))}; it has {known}."
            )
        chosen = [name for name in names if where is None or where(frozen[name])]
        studies = (optuna.load_study(study_name=name, storage=opened) for name in chosen)
        return cls.from_studies(studies, rename=rename, defaults=defaults)

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
            studies: Single-objective studies.
            rename: New names of parameters by their old ones.
            defaults: Values that trials without these parameters have run with.
        """
        adapt = _Adapt(dict(rename or {}), dict(defaults or {}))
        return cls._from_raw(_read_all(studies, adapt))

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
        """Prior studies from trials that never were in Optuna.

        Args:
            frame: A row per trial; every column but ``study`` and ``value`` is a parameter, and
                an empty cell says that the trial did not have it.
            study: Column that names the prior study (the task) of a trial.
            value: Column with the objective value.
            distributions: Ranges and choices; by default those that the column shows (linear).
            direction: ``"minimize"`` or ``"maximize"``, for all studies.
            meta_features: Meta-features by study name.

        Raises:
            ValueError: A column is missing, or the direction is unknown.
        """
        names = [str(column) for column in frame.columns]
        if absent := [c for c in (study, value, *(distributions or {})) if c not in names]:
            raise ValueError(f"The frame has no column {absent}; its columns are {names}.")
        if direction not in ("minimize", "maximize"):
            raise ValueError(f"direction must be 'minimize' or 'maximize', got {direction!r}.")
        columns = {
            name: _column([_scalar(v) for v in frame[name]])
            for name in names
            if name not in (study, value)
        }
        known = {n: _column_distribution(n, values) for n, values in columns.items()}
        known |= dict(distributions or {})
        raw = _split_frame(frame, study, value, columns, known, direction)
        features = {name: dict(m) for name, m in (meta_features or {}).items()}
        return cls._from_raw(
            replace(r, meta_features=clean_meta_features(features.get(r.name, {}))) for r in raw
        )

    @classmethod
    def _from_raw(cls, raw: Iterable[_Raw]) -> Prior:
        usable = []
        for study in raw:
            if reason := _cannot_serve(study):
                _leave_out(study.name, reason)
            else:
                usable.append(study)
        space = Space.union([study.dimensions for study in usable])
        names: set[str] = set()
        tasks = []
        for study in usable:
            name = _unique(study.name, names)
            names.add(name)
            rows = space.rows(study.observations.params)
            values = study.observations.values
            tasks.append(Task(name, rows, values, study.meta_features, study.mark))
        return cls(space, tuple(tasks))

    def without(self, names: Iterable[str]) -> Prior:
        """The prior without the studies of these names, in the same space."""
        left_out = set(names)
        return replace(self, tasks=tuple(t for t in self.tasks if t.name not in left_out))

    def save(self, path: str | Path) -> None:
        """Write the records to a file (safetensors; no pickle)."""
        arrays = {}
        for i, task in enumerate(self.tasks):
            arrays[f"{i}.rows"], arrays[f"{i}.values"] = task.rows, task.values
        write_arrays(path, arrays, _FORMAT, _VERSION, prior_header(self))

    @classmethod
    def load(cls, path: str | Path) -> Prior:
        """Read what :meth:`save` wrote.

        Raises:
            ValueError: The file is truncated, damaged, foreign or from a newer version.
        """
        arrays, header = read_arrays(path, _FORMAT, _VERSION)
        return prior_from_header(header, arrays)


NDArrayBool = np.ndarray[Any, np.dtype[np.bool_]]


def prior_header(prior: Prior) -> dict[str, Any]:
    """What of a prior is not arrays, as JSON values."""
    return {
        "dimensions": [vars(d) for d in prior.space.dimensions],
        "tasks": [
            {"name": t.name, "meta_features": dict(t.meta_features), "mark": t.mark}
            for t in prior.tasks
        ],
    }


def prior_from_header(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> Prior:
    """The prior of a header and of the arrays ``{i}.rows`` and ``{i}.values``."""
    dimensions = tuple(
        Dimension(**{**d, "choices": None if d["choices"] is None else tuple(d["choices"])})
        for d in header["dimensions"]
    )
    tasks = tuple(
        Task(t["name"], arrays[f"{i}.rows"], arrays[f"{i}.values"], t["meta_features"], t["mark"])
        for i, t in enumerate(header["tasks"])
    )
    return Prior(Space(dimensions), tasks)


def mark_of(trials: Sequence[FrozenTrial]) -> str:
    """Number and start of the first trial: the same for a study wherever it is read from."""
    if not trials or trials[0].datetime_start is None:
        return ""
    return f"{trials[0].number}@{trials[0].datetime_start.isoformat()}"


@dataclass(frozen=True)
class _Adapt:
    rename: dict[str, str]
    defaults: dict[str, Any]

    def params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return self.defaults | {self.rename.get(n, n): v for n, v in params.items()}

    def dimensions(self, observations: Observations) -> list[Dimension]:
        """Each trial's dimensions, renamed; the same range twice is one."""
        seen: dict[str, dict[str, tuple[str, BaseDistribution]]] = {}
        for distributions in observations.distributions:
            for old, distribution in distributions.items():
                new = self.rename.get(old, old)
                seen.setdefault(new, {})[repr(distribution)] = (new, distribution)
        found = [
            Dimension.from_distribution(n, d) for each in seen.values() for n, d in each.values()
        ]
        absent = [n for n in self.defaults if n not in seen]
        return found + [_single(n, self.defaults[n]) for n in absent]


@dataclass(frozen=True)
class _Raw:
    name: str
    observations: Observations
    dimensions: Sequence[Dimension] = ()
    meta_features: Mapping[str, float] = field(default_factory=dict)
    mark: str = ""
    problem: str = ""


def _open(storage: str | BaseStorage) -> BaseStorage:
    if isinstance(storage, str):
        _require_sqlite_file(storage)
    return optuna.storages.get_storage(storage)


def _require_sqlite_file(url: str) -> None:
    """SQLAlchemy would create the missing file, and a typing error would read as "no priors"."""
    scheme, _, path = url.partition(":///")
    path = path.split("?")[0]
    if scheme.startswith("sqlite") and path not in ("", ":memory:") and not os.path.exists(path):
        raise ValueError(
            f"No SQLite file at {path!r} (from the URL {url!r}, seen from {os.getcwd()!r}). "
            "Prior studies are read from an existing file: check the path."
        )


def _read_all(studies: Iterable[optuna.Study], adapt: _Adapt) -> Iterable[_Raw]:
    for study in studies:
        try:
            yield _read(study, adapt)
        except Exception as error:  # Whatever a broken study raises, it costs only that study.
            empty = Observations((), (), np.zeros(0))
            yield _Raw(study.study_name, empty, problem=f"reading it failed: {error!r}")


def _read(study: optuna.Study, adapt: _Adapt) -> _Raw:
    name = study.study_name
    if len(study.directions) != 1:
        problem = f"it has {len(study.directions)} objectives where one is wanted"
        return _Raw(name, Observations((), (), np.zeros(0)), problem=problem)
    trials = study.get_trials(deepcopy=False, states=FINISHED)
    observed = observe(trials, study.direction)
    adapted = replace(observed, params=tuple(adapt.params(p) for p in observed.params))
    return _Raw(
        name,
        adapted,
        adapt.dimensions(observed),
        _meta_features(study),
        mark_of(trials),
    )


def _meta_features(study: optuna.Study) -> dict[str, float]:
    try:
        return read_meta_features(study_user_attrs(study)) or {}
    except ValueError as error:
        warnings.warn(
            f"The meta-features of prior study {study.study_name!r} are not used: {error}",
            stacklevel=2,
        )
        return {}


def _cannot_serve(raw: _Raw) -> str:
    """Why a study is no use as a prior; empty where it is one."""
    if raw.problem:
        return raw.problem
    values = raw.observations.values
    if len(values) == 0:
        return "it has no finished trial with a value"
    if not any(len(params) for params in raw.observations.params):
        return "its trials have no parameters"
    if values.min() == values.max():
        return f"all its {len(values)} usable trials have one value, {values[0]:g}"
    return ""


def _leave_out(name: str, reason: str) -> None:
    warnings.warn(f"Prior study {name!r} is left out: {reason}.", stacklevel=2)


def _unique(name: str, taken: set[str]) -> str:
    candidates = (name if i == 1 else f"{name} ({i})" for i in range(1, len(taken) + 2))
    return next(candidate for candidate in candidates if candidate not in taken)


def _single(name: str, value: Any) -> Dimension:
    """A dimension that holds one value; the studies that tuned it widen it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Dimension(name, choices=(value,))
    return Dimension(name, value, value, integer=isinstance(value, int))


def _scalar(value: Any) -> Any:
    """A Python scalar of a frame's cell; ``None`` where it is empty."""
    value = value.item() if isinstance(value, np.generic) else value
    is_empty = value is None or value != value or type(value).__name__ in ("NAType", "NaTType")
    return None if is_empty else value


def _column(values: list[Any]) -> list[Any]:
    """A column's values; integers that an empty cell turned into floats are integers again."""
    present = [v for v in values if v is not None]
    whole = all(isinstance(v, float) and v.is_integer() for v in present)
    if whole and len(present) < len(values):
        return [None if v is None else int(v) for v in values]
    return values


def _column_distribution(name: str, values: Sequence[Any]) -> BaseDistribution:
    present = [v for v in values if v is not None]
    numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in present)
    if not present:
        raise ValueError(f"Parameter column {name!r} is empty: drop it.")
    if not numeric:
        return CategoricalDistribution(tuple(dict.fromkeys(present)))
    if all(isinstance(v, int) for v in present):
        return IntDistribution(min(present), max(present))
    return FloatDistribution(float(min(present)), float(max(present)))


def _split_frame(
    frame: pd.DataFrame,
    study: str,
    value: str,
    columns: Mapping[str, Sequence[Any]],
    distributions: Mapping[str, BaseDistribution],
    direction: str,
) -> Iterable[_Raw]:
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(frame[study]):
        groups.setdefault(str(name), []).append(i)
    values = [_scalar(v) for v in frame[value]]
    for name, members in groups.items():
        trials = [
            _frame_trial(
                {n: column[i] for n, column in columns.items() if column[i] is not None},
                distributions,
                values[i],
                number,
            )
            for number, i in enumerate(members)
            if values[i] is not None
        ]
        observed = observe(trials, StudyDirection[direction.upper()])
        used = {n for params in observed.params for n in params}
        dimensions = [Dimension.from_distribution(n, distributions[n]) for n in sorted(used)]
        yield _Raw(name, observed, dimensions)


def _frame_trial(
    params: Mapping[str, Any],
    distributions: Mapping[str, BaseDistribution],
    value: float,
    number: int,
) -> FrozenTrial:
    trial = optuna.trial.create_trial(value=float(value))
    trial.number = number
    trial.params = dict(params)
    trial.distributions = {n: distributions[n] for n in params}
    return trial

"""Trials in a data frame, that never were in Optuna -> raw studies."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import TYPE_CHECKING

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from optuna_meta.features.record import clean_meta_features
from optuna_meta.outcomes.observations import observe
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.dimension import plain
from optuna_meta.studies.task import RawStudy


if TYPE_CHECKING:
    import pandas as pd


__all__ = ["read_frame"]


def read_frame(
    frame: pd.DataFrame,
    study: str,
    value: str,
    distributions: Mapping[str, BaseDistribution],
    direction: str,
    meta_features: Mapping[str, Mapping[str, float]],
) -> Iterator[RawStudy]:
    """Read the studies of a frame; see :meth:`optuna_meta.Prior.from_dataframe`."""
    _check(frame, (study, value, *distributions), direction)
    columns = {str(name): [_cell(v) for v in frame[name]] for name in frame.columns}
    studies, values = columns.pop(study), columns.pop(value)
    columns = {name: _whole(column) for name, column in columns.items()}
    known = {n: distributions.get(n) or _spanned(n, column) for n, column in columns.items()}
    trials = [_trial(columns, known, v, i) for i, v in enumerate(values)]
    for name in dict.fromkeys(studies):
        if name is None:
            raise ValueError(f"Column {study!r} is empty in some rows: name their study.")
        own = [t for t, s in zip(trials, studies, strict=True) if s == name and t is not None]
        observed = observe(own, [StudyDirection[direction.upper()]])
        tuned = sorted({n for params in observed.params for n in params})
        dimensions = [Dimension.from_distribution(n, known[n]) for n in tuned]
        features = clean_meta_features(meta_features.get(str(name), {}))
        yield RawStudy(str(name), observed, dimensions=dimensions, meta_features=features)


def _check(frame: pd.DataFrame, wanted: Sequence[str], direction: str) -> None:
    names = [str(column) for column in frame.columns]
    if absent := [name for name in wanted if name not in names]:
        raise ValueError(f"The frame has no column {absent}; its columns are {names}.")
    if len(set(names)) < len(names):
        raise ValueError(f"The frame's columns need different names, got {names}.")
    if direction not in ("minimize", "maximize"):
        raise ValueError(f"direction must be 'minimize' or 'maximize', got {direction!r}.")


def _cell(value: Any) -> Any:
    """Return a Python scalar of a frame's cell; ``None`` where it is empty."""
    value = plain(value)
    is_empty = value is None or type(value).__name__ in ("NAType", "NaTType")
    return None if is_empty or value != value else value


def _whole(column: list[Any]) -> list[Any]:
    """Return a column's values; integers that an empty cell turned into floats are such again."""
    present = [v for v in column if v is not None]
    whole = all(isinstance(v, float) and v.is_integer() for v in present)
    if whole and len(present) < len(column):
        return [None if v is None else int(v) for v in column]
    return column


def _spanned(name: str, column: Sequence[Any]) -> BaseDistribution:
    """Return the range or the choices that a column shows."""
    present = [v for v in column if v is not None]
    if not present:
        raise ValueError(f"Parameter column {name!r} is empty: drop it.")
    return Dimension.spanning(name, present).distribution()


def _trial(
    columns: Mapping[str, Sequence[Any]],
    distributions: Mapping[str, BaseDistribution],
    value: Any,
    row: int,
) -> FrozenTrial | None:
    """Return the trial of a row; ``None`` where it has no value."""
    if value is None:
        return None
    trial = optuna.trial.create_trial(value=float(value))
    trial.number = row
    trial.params = {n: column[row] for n, column in columns.items() if column[row] is not None}
    trial.distributions = {n: distributions[n] for n in trial.params}
    return trial

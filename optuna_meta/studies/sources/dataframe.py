"""Trials in a data frame -> found studies."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import TYPE_CHECKING

from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_meta.studies.outage import shown
from optuna_meta.studies.sources.cells import cell
from optuna_meta.studies.sources.cells import number
from optuna_meta.studies.sources.cells import spells_a_value
from optuna_meta.studies.sources.cells import whole
from optuna_meta.studies.sources.found import direction_of
from optuna_meta.studies.sources.found import FoundStudy
from optuna_meta.studies.sources.found import FoundTrial
from optuna_meta.studies.sources.found import ReadOptions
from optuna_meta.studies.sources.frame_columns import parameter_columns
from optuna_meta.studies.sources.frame_columns import PREFIX


if TYPE_CHECKING:
    import pandas as pd


__all__ = ["read_frame"]

_STATES = {
    name: state for state in TrialState for name in (state.name, f"TrialState.{state.name}")
}


def read_frame(
    frame: pd.DataFrame,
    study: str | None,
    value: str | Sequence[str] | None,
    direction: str | Sequence[str],
    options: ReadOptions,
    only_study: str = "frame",
) -> list[FoundStudy]:
    """Read the studies of a frame; see :meth:`optuna_meta.Prior.from_dataframe`.

    Args:
        frame: A row per trial.
        study: Column that names the study of a trial; one study where it is ``None``.
        value: Columns with the objectives' values.
        direction: Of each.
        options: Of all readers.
        only_study: What the study is called where no column names it.

    Raises:
        ValueError: A column is missing, or holds what would be misread.
    """
    columns = _columns(frame)
    is_export = any(name.startswith(PREFIX) for name in columns)
    values = _value_columns(columns, value, is_export)
    directions = _directions(direction, values)
    given = options.get("distributions") or {}
    names = parameter_columns(columns, [*values, *([study] if study else [])], options)
    if absent := [n for n in (study, *given) if n and n not in columns and n not in names]:
        raise ValueError(f"The frame has no column {absent}; its columns are {list(columns)}.")
    params = {n: whole(columns[c]) for n, c in names.items()}
    _check_text({n: column for n, column in params.items() if n not in given})
    results = [_numbers(name, columns[name]) for name in values]
    states = _states(columns.get("state") if is_export else None, len(frame))
    owners = columns[study] if study else [only_study] * len(frame)
    if None in owners:
        raise ValueError(f"Column {study!r} is empty in some rows: name their study.")
    if study is None and is_export:
        _check_one_study(columns.get("number", []))
    metrics = _metric_names(values)
    trials: dict[str, list[FoundTrial]] = {str(name): [] for name in owners}
    for i, owner in enumerate(owners):
        trials[str(owner)].append(_trial(params, [column[i] for column in results], states[i], i))
    return [FoundStudy(name, own, directions, metrics) for name, own in trials.items()]


def _columns(frame: pd.DataFrame) -> dict[str, list[Any]]:
    parts = [name if isinstance(name, tuple) else (name,) for name in frame.columns]
    names = ["_".join(str(part) for part in name if part != "") for name in parts]
    if len(set(names)) < len(names):
        raise ValueError(f"The frame's columns need different names, got {names}.")
    return {name: [cell(v) for v in frame.iloc[:, i]] for i, name in enumerate(names)}


def _value_columns(
    columns: Mapping[str, Any], value: str | Sequence[str] | None, is_export: bool
) -> list[str]:
    if value is None and is_export:
        value = [n for n in columns if n == "value" or n.startswith("values_")]
    wanted = [value] if isinstance(value, str) else list(value or ())
    if not wanted:
        raise ValueError(
            f"value= must name the column with the objective value; there are {list(columns)}."
        )
    if absent := [name for name in wanted if name not in columns]:
        raise ValueError(f"The frame has no column {absent}; its columns are {list(columns)}.")
    return wanted


def _directions(direction: str | Sequence[str], values: Sequence[str]) -> list[StudyDirection]:
    words = [direction] * len(values) if isinstance(direction, str) else list(direction)
    if len(words) != len(values):
        raise ValueError(
            f"direction must have one word for each of the value columns {list(values)}, "
            f"got {words}."
        )
    return [direction_of(word) for word in words]


def _metric_names(values: Sequence[str]) -> list[str] | None:
    """Return the metric names that an export of several named objectives tells."""
    names = [name.removeprefix("values_") for name in values]
    is_named = len(values) > 1 and not any(name.isdecimal() for name in names)
    return names if is_named else None


def _check_text(columns: Mapping[str, Sequence[Any]]) -> None:
    """Refuse text of which some spells numbers: whether these were numbers, nothing can tell."""
    for name, column in columns.items():
        present = [v for v in column if v is not None]
        if not present:
            raise ValueError(f"Parameter column {name!r} is empty: drop it.")
        spelled = [v for v in present if spells_a_value(v)]
        words = [v for v in present if isinstance(v, str) and v not in spelled]
        if spelled and words:
            raise ValueError(
                f"Parameter column {name!r} holds text, {shown(words[0])}, and text that spells a "
                f"value, {shown(spelled[0])}: name its choices as the objective has them, "
                f"distributions={{{name!r}: CategoricalDistribution([...])}}."
            )


def _numbers(name: str, column: Sequence[Any]) -> list[float | None]:
    numbers = [number(value) for value in column]
    for i, value in enumerate(column):
        if numbers[i] is None and value is not None and value not in ("nan", "inf", "-inf"):
            raise ValueError(
                f"Value column {name!r} holds {shown(value)} in row {i}: a number is wanted; "
                "leave the cell empty where the trial has none."
            )
    return numbers


def _states(column: Sequence[Any] | None, n_rows: int) -> list[TrialState]:
    if column is None:
        return [TrialState.COMPLETE] * n_rows
    if unknown := [state for state in column if state not in _STATES]:
        raise ValueError(
            f"Column 'state' holds {shown(unknown[0])}: wanted is one of "
            f"{', '.join(state.name for state in TrialState)}; drop a column that is not its."
        )
    return [_STATES[state] for state in column]


def _check_one_study(numbers: Sequence[Any]) -> None:
    if len(set(numbers)) < len(numbers):
        raise ValueError(
            "Column 'number' repeats, so that these are trials of several studies: name them in a "
            "column, frame.assign(study=...), and pass study='study'."
        )


def _trial(
    params: Mapping[str, Sequence[Any]], values: list[float | None], state: TrialState, row: int
) -> FoundTrial:
    own = {name: column[row] for name, column in params.items() if column[row] is not None}
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return FoundTrial(own, (), TrialState.FAIL)
    # The value of a pruned trial is the last that it reported; at which step, is not exported.
    curve = {0: known[0]} if state == TrialState.PRUNED else {}
    return FoundTrial(own, known, state, curve)

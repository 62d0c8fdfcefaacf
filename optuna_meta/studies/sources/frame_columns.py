"""Which columns of a table are parameters; what would be misread is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import re
from typing import Any

from optuna_meta.studies.outage import shown
from optuna_meta.studies.sources.found import ReadOptions


__all__ = ["PREFIX", "parameter_columns"]

PREFIX = "params_"  # Of parameters in what `Study.trials_dataframe` returns.
_BOOKKEEPING = re.compile(
    r"number|value|values_.*|state|duration|datetime_(start|complete)|(user|system)_attrs_.*"
    r"|Unnamed: \d+|_?trial_id|run_id|trial|trial_number|constraints(_.*)?"
)
_SKLEARN = re.compile(r"(mean|std)_(test|fit|score)_.*|rank_test_.*")
_FEW = 10  # Texts that never repeat name runs; of fewer trials they may be categories.


def parameter_columns(
    columns: Mapping[str, Sequence[Any]], others: Sequence[str], options: ReadOptions
) -> dict[str, str]:
    """Return the columns of the parameters, by the parameters' names.

    Args:
        columns: The cells of all columns, by name.
        others: Columns of studies and values.
        options: Of all readers: ``parameters`` and ``distributions`` name what is one for sure.

    Raises:
        ValueError: A column is neither a parameter for sure nor known to be none.
    """
    rest = [name for name in columns if name not in others]
    is_export = any(name.startswith(PREFIX) for name in rest)
    names = {name.removeprefix(PREFIX) if is_export else name: name for name in rest}
    wanted = options.get("parameters")
    if wanted is not None:
        if absent := [name for name in wanted if name not in names]:
            raise ValueError(f"The frame has no column {absent}; its columns are {list(columns)}.")
        return {name: names[name] for name in wanted}
    if any(_SKLEARN.fullmatch(name) for name in rest):
        raise ValueError(
            "These columns are scikit-learn's cv_results_: read them by Prior.from_sklearn(frame)."
        )
    if is_export:
        return _exported(names)
    for name in rest:
        if name not in (options.get("distributions") or {}):
            _check(name, columns[name], rest)
    return names


def _exported(names: Mapping[str, str]) -> dict[str, str]:
    params = {name: column for name, column in names.items() if column.startswith(PREFIX)}
    rest = [column for column in names.values() if not column.startswith(PREFIX)]
    if unknown := [column for column in rest if not _BOOKKEEPING.fullmatch(column)]:
        raise ValueError(
            f"Column {unknown[0]!r} is none of those that trials_dataframe() writes beside "
            f"'{PREFIX}...': rename it to '{PREFIX}{unknown[0]}' if it is a parameter, pass "
            f"study={unknown[0]!r} if it names the study, or drop it."
        )
    return params


def _check(name: str, column: Sequence[Any], names: Sequence[str]) -> None:
    """Refuse a column that is likely no parameter."""
    present = [v for v in column if v is not None]
    found = ""
    if _BOOKKEEPING.fullmatch(name):
        found = "is the name of a trial's number, state or time"
    elif any(hasattr(v, "isoformat") or hasattr(v, "total_seconds") for v in present):
        found = "holds times"
    elif len(present) > _FEW and all(isinstance(v, str) for v in present):
        is_name = len(set(present)) == len(present)
        found = f"holds text that never repeats, as {shown(present[0])}" if is_name else ""
    if found:
        others = [other for other in names if other != name][:3]
        raise ValueError(
            f"Column {name!r} {found}: drop it, frame.drop(columns=[{name!r}]), or name what the "
            f"parameters are, parameters={others}."
        )

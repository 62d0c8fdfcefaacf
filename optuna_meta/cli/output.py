"""Records -> text, in the formats of Optuna's own commands."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import json
import math
from typing import Any

import yaml


__all__ = ["FORMATS", "write"]

FORMATS = ("value", "table", "json", "yaml")
_MOST_DIGITS = 6


def write(records: Sequence[Mapping[str, Any]], form: str) -> None:
    """Print records, all with the same keys.

    Args:
        records: The records.
        form: One of :data:`FORMATS`.
    """
    plain = [{name: _plain(value) for name, value in record.items()} for record in records]
    if form == "json":
        print(json.dumps(plain, indent=2, ensure_ascii=False))
    elif form == "yaml":
        print(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), end="")
    elif form == "value":
        for record in plain:
            print("\t".join(_cell(value) for value in record.values()))
    else:
        for line in _table(plain):
            print(line)


def _plain(value: Any) -> Any:
    """Return what JSON and YAML can say; NaN is missing there."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.{_MOST_DIGITS}g}"
    if isinstance(value, dict):
        return ", ".join(f"{name}={_cell(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return " ".join(str(value).split())


def _table(records: Sequence[Mapping[str, Any]]) -> list[str]:
    names = list(records[0]) if records else []
    rows = [[_cell(record[name]) for name in names] for record in records]
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    is_number = [
        all(isinstance(r[n], int | float | None) and not isinstance(r[n], bool) for r in records)
        for n in names
    ]
    rule = "+" + "".join(f"{'-' * (width + 2)}+" for width in widths)

    def line(cells: Sequence[str]) -> str:
        padded = (
            f" {cell:>{width}} |" if right else f" {cell:<{width}} |"
            for cell, width, right in zip(cells, widths, is_number, strict=True)
        )
        return "|" + "".join(padded)

    return [rule, line(names), rule, *map(line, rows), rule] if names else []

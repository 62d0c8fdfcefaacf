"""What stands in a cell of a table, or in a logged text -> a value, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import math
from typing import Any

from optuna_meta.space.dimension import plain


__all__ = ["cell", "flat", "is_scalar", "literal", "number", "spells_a_value", "whole"]

_WORDS = {"True": True, "true": True, "False": False, "false": False, "None": None}


def cell(value: Any) -> Any:
    """Return a Python scalar of a table's cell; ``None`` where it is empty."""
    value = plain(value)
    is_empty = value is None or type(value).__name__ in ("NAType", "NaTType", "MaskedConstant")
    return None if is_empty or (isinstance(value, float) and value != value) else value


def is_scalar(value: Any) -> bool:
    """Tell whether something can be a parameter's value as it is."""
    return value is None or isinstance(value, bool | int | float | str)


def literal(text: Any) -> Any:
    """Return the value that a text spells: a finite number, a truth value, none; else itself."""
    if not isinstance(text, str):
        return cell(text)
    if text in _WORDS:
        return _WORDS[text]
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if math.isfinite(value) else text
    return text


def spells_a_value(value: Any) -> bool:
    """Tell whether something is a text that stands for something else."""
    return isinstance(value, str) and not isinstance(literal(value), str)


def number(value: Any) -> float | None:
    """Return a cell's number; ``None`` where it has none."""
    value = literal(value)
    return float(value) if isinstance(value, int | float) else None


def whole(column: Sequence[Any]) -> list[Any]:
    """Return a column's values; integers that an empty cell turned into floats are such again."""
    present = [v for v in column if v is not None]
    is_whole = all(isinstance(v, float) and v.is_integer() for v in present)
    if is_whole and len(present) < len(column):
        return [None if v is None else int(v) for v in column]
    return list(column)


def flat(config: Mapping[str, Any], separator: str) -> dict[str, Any]:
    """Return the leaves of a nested configuration, by their paths."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            inner = flat(value, separator)
            found |= {f"{name}{separator}{key}": leaf for key, leaf in inner.items()}
        else:
            found[str(name)] = plain(value)
    return found

"""What users pass as hyperparameters, numbers and notes -> what JSON holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor


__all__ = ["as_json", "as_text", "as_value", "whole_number"]


def as_value(number: Any) -> float:
    """Return a number of Python, NumPy or torch as a float."""
    return float(number.item() if hasattr(number, "item") else number)


def whole_number(number: Any) -> int:
    """Return a number of Python, NumPy or torch as an int.

    Raises:
        ValueError: It is not whole.
    """
    value = number.item() if hasattr(number, "item") else number
    if int(value) != value:
        raise ValueError(f"A whole number is wanted, got {number!r}.")
    return int(value)


def as_json(value: Any) -> Any:
    """Return numbers, text and arrays, nested in any way, as JSON holds them.

    Raises:
        ValueError: Something else is among them.
    """
    return _as_json(value, strict=True)


def as_text(value: Any) -> Any:
    """Return the same; whatever else there is by its name, as Optuna takes it for a parameter."""
    return _as_json(value, strict=False)


def _as_json(value: Any, strict: bool) -> Any:
    if isinstance(value, np.ndarray | np.generic | Tensor):
        value = value.tolist()
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_as_json(part, strict) for part in value]
    if isinstance(value, Mapping):
        return {str(key): _as_json(part, strict) for key, part in value.items()}
    if strict:
        raise ValueError(
            f"The metadata of a checkpoint must be plain JSON, got a {type(value).__name__}: "
            "convert it to numbers, text, lists and dictionaries."
        )
    named = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
    return named if named[-1] != "." else repr(value)

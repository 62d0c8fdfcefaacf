"""Meta-features as a user attribute of a study.

The attribute holds plain numbers, and ``None`` for a missing value: NaN is no JSON, so a browser
that reads a study's attributes would fail on it.
"""

from __future__ import annotations

from collections.abc import Mapping
import math
import numbers
from typing import Any

import numpy as np
import optuna


__all__ = [
    "META_FEATURES_KEY",
    "clean_meta_features",
    "read_meta_features",
    "record_meta_features",
]

META_FEATURES_KEY = "optuna_meta:meta_features"


def clean_meta_features(mapping: Mapping[str, object]) -> dict[str, float]:
    """Return the meta-features as Python floats, NaN where a value is missing.

    Args:
        mapping: A real number (bools count as 0 and 1) or None by the name of the feature.

    Raises:
        ValueError: If a name is empty or no str, or a value is infinite or no real number.
    """
    if not isinstance(mapping, Mapping):
        raise ValueError(
            f"Meta-features must be a mapping of names to numbers, got {_show(mapping)}. "
            "Pass a dict such as {'nr_inst': 150}."
        )
    return {_clean_name(name): _clean_value(name, value) for name, value in mapping.items()}


def _clean_name(name: object) -> str:
    if isinstance(name, str) and name:
        return str(name)
    raise ValueError(
        f"The name of a meta-feature must be a str that is not empty, got {_show(name)}. "
        "Rename it."
    )


def _clean_value(name: str, value: object) -> float:
    if value is None:
        return math.nan
    if not isinstance(value, numbers.Real | np.bool_):
        raise ValueError(
            f"Meta-feature {name!r} must be a real number, got {_show(value)}. Encode it as a "
            "number, or pass None where it is missing."
        )
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise ValueError(
            f"Meta-feature {name!r} must be finite, got {_show(value)}. Bound it, take its "
            "logarithm, or pass None where it is missing."
        )
    return number


def record_meta_features(study: optuna.Study, mapping: Mapping[str, object]) -> None:
    """Write the meta-features on the study, in place of those it had.

    Args:
        study: The study whose data set the meta-features describe.
        mapping: As :func:`clean_meta_features` takes it.

    Raises:
        ValueError: If the mapping is none of meta-features; the study is then left as it was.
    """
    features = clean_meta_features(mapping)
    stored = {name: None if math.isnan(value) else value for name, value in features.items()}
    study.set_user_attr(META_FEATURES_KEY, stored)


def read_meta_features(user_attrs: Mapping[str, Any]) -> dict[str, float] | None:
    """Return the meta-features among a study's user attributes, None where there are none.

    Args:
        user_attrs: The ``user_attrs`` of a study.

    Raises:
        ValueError: If the attribute is not what :func:`record_meta_features` writes.
    """
    if META_FEATURES_KEY not in user_attrs:
        return None
    try:
        return clean_meta_features(user_attrs[META_FEATURES_KEY])
    except ValueError as error:
        raise ValueError(
            f"The user attribute {META_FEATURES_KEY!r} is malformed: {error} "
            "Write it anew with record_meta_features."
        ) from error


def _show(value: object) -> str:
    text = repr(value)
    shown = text if len(text) <= 60 else text[:57] + "..."
    return f"{shown} of type {type(value).__name__}"

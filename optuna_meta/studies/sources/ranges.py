"""The values that trials had -> the ranges that they may come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_meta.space.dimension import as_number
from optuna_meta.space.dimension import choice_key
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.scale import scale_of


__all__ = ["RULE", "as_choice", "shown_range", "told"]

_LEAST_SPAN = 20  # Of 300 uniform samples of ten values 3 in 100 look logarithmic, of thirty none.
RULE = (
    "numbers are ranges from the least to the largest seen, logarithmic where these are positive, "
    f"{_LEAST_SPAN} times apart or more, and the values lie more evenly so; text and truth values "
    "are categories; distributions= overrules"
)


def shown_range(name: str, values: Sequence[Any]) -> BaseDistribution:
    """Return the range or the choices that a parameter's values show.

    Args:
        name: The parameter's name.
        values: At least one.
    """
    dimension = Dimension.spanning(name, values)
    if dimension.is_categorical or not _is_logarithmic(values):
        return dimension.distribution()
    if dimension.integer:
        return IntDistribution(int(dimension.low), int(dimension.high), log=True)
    return FloatDistribution(dimension.low, dimension.high, log=True)


def _is_logarithmic(values: Sequence[Any]) -> bool:
    numbers = np.unique([as_number(value) for value in values])
    is_wide = numbers[0] > 0.0 and numbers[-1] >= _LEAST_SPAN * numbers[0]
    return bool(is_wide and scale_of(numbers)[0])


def as_choice(distribution: BaseDistribution, value: Any) -> Any:
    """Return the choice that a text spells, where choices are given; anything else as it is."""
    if not isinstance(distribution, CategoricalDistribution) or not isinstance(value, str):
        return value
    by_text = {str(choice): choice for choice in reversed(distribution.choices)}
    known = {choice_key(choice) for choice in distribution.choices}
    return value if choice_key(value) in known else by_text.get(value, value)


def told(name: str, distribution: BaseDistribution) -> str:
    """Return a range in words."""
    if isinstance(distribution, CategoricalDistribution):
        return f"{name} one of {', '.join(map(repr, distribution.choices[:10]))}"
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    log = " (logarithmic)" if distribution.log else ""
    return f"{name} {distribution.low:g} to {distribution.high:g}{log}"

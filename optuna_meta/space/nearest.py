"""An external value -> the nearest value of a distribution."""

from __future__ import annotations

import math
from typing import Any

from optuna.distributions import BaseDistribution

from optuna_meta.space.dimension import as_number
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.dimension import NOTHING
from optuna_meta.space.dimension import plain
from optuna_meta.space.dimension import UNSEEN


__all__ = ["nearest"]


def nearest(distribution: BaseDistribution, value: Any) -> Any:
    """Return the value of a distribution that is nearest to an external value.

    Returns:
        A Python scalar or choice; ``NOTHING`` where none corresponds (a category that the
        distribution lacks, or no number for numbers).
    """
    dimension = Dimension.from_distribution("", distribution)
    if dimension.choices is not None:
        cells = dimension.snap(dimension.encode([value]))
        is_known = not (math.isnan(cells[0]) or (dimension.is_categorical and cells[0] == UNSEEN))
        return dimension.value(float(cells[0])) if is_known else NOTHING
    number = as_number(value)
    if not math.isfinite(number):
        return NOTHING
    inside = min(max(plain(value), dimension.low), dimension.high)
    if not dimension.step:
        return float(inside)
    return dimension.value(dimension.snap(dimension.encode([inside]))[0])

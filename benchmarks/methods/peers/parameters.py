"""Optuna distributions of several studies, brought together; values made to fit into one."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from benchmarks.tasks.task import Params


__all__ = ["Distributions", "choice_key", "fit", "fitted", "merge"]

Distributions = Mapping[str, BaseDistribution]


def choice_key(choice: Any) -> str:
    """What tells choices apart: 1, 1.0 and True are equal for Python, yet different choices."""
    return repr(choice)


def fit(params: Params, distributions: Distributions) -> dict[str, Any]:
    """The nearest allowed values; a choice that is unknown, or no parameter, is left out."""
    return {
        name: allowed[0]
        for name, value in params.items()
        if name in distributions and (allowed := fitted(value, distributions[name]))
    }


def fitted(value: Any, distribution: BaseDistribution) -> tuple[Any, ...]:
    """The nearest allowed value, alone in a tuple; an empty tuple where there is none."""
    if isinstance(distribution, CategoricalDistribution):
        same = [c for c in distribution.choices if choice_key(c) == choice_key(value)]
        return tuple(same[:1])
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        return ()
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high, step = distribution.low, distribution.high, distribution.step
    inside = min(max(value, low), high)
    if step is not None and not distribution.log:
        inside = min(low + round((inside - low) / step) * step, high)
    return (round(inside) if isinstance(distribution, IntDistribution) else float(inside),)


def merge(spaces: Iterable[Distributions]) -> dict[str, BaseDistribution]:
    """The widest range and all choices of each parameter.

    A parameter that is a number here and a category there means different things, so it is left
    out.
    """
    by_name: dict[str, list[BaseDistribution]] = {}
    for space in spaces:
        for name, distribution in space.items():
            if distribution not in by_name.setdefault(name, []):
                by_name[name].append(distribution)
    merged = {name: _merged(by_name[name]) for name in sorted(by_name)}
    return {name: d for name, d in merged.items() if d is not None}


def _merged(different: Sequence[BaseDistribution]) -> BaseDistribution | None:
    if len(different) == 1:
        return different[0]
    categories = [d for d in different if isinstance(d, CategoricalDistribution)]
    if categories:
        choices = {choice_key(c): c for d in categories for c in d.choices}
        same_kind = len(categories) == len(different)
        return CategoricalDistribution(tuple(choices.values())) if same_kind else None
    numbers = [d for d in different if isinstance(d, FloatDistribution | IntDistribution)]
    low, high = min(d.low for d in numbers), max(d.high for d in numbers)
    log = any(d.log for d in numbers) and low > 0
    if all(isinstance(d, IntDistribution) for d in numbers):
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(float(low), float(high), log=log)

"""Groups of meta-features: which are asked for, and their computation within a budget."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import math

from optuna_meta.features.budget import Budget


__all__ = ["chosen", "compute"]


def chosen(names: Iterable[str], groups: Iterable[str] | None) -> list[str]:
    """Returns the names of the groups asked for, in their own order; all of them for None.

    Raises:
        ValueError: If one is unknown.
    """
    names = list(names)
    if groups is None:
        return names
    asked = [groups] if isinstance(groups, str) else list(groups)
    if unknown := [group for group in asked if group not in names]:
        raise ValueError(
            f"groups must be among {', '.join(map(repr, names))}, got {unknown[0]!r}. "
            "Pass None for all of them."
        )
    return [name for name in names if name in asked]


def compute(
    prefix: str,
    names: Mapping[str, Sequence[str]],
    steps: Mapping[str, Callable[[], Mapping[str, float]]],
    groups: Iterable[str] | None,
    budget: Budget | None,
) -> dict[str, float]:
    """Returns the features of the groups asked for, NaN where one does not apply.

    Args:
        prefix: Of the names of all features.
        names: The names of each group's features, without the prefix.
        steps: How to compute each group: to some of these names.
        groups: The groups asked for; None for all.
        budget: Whose time bounds the steps, in the order of the groups; None for no bound.

    Raises:
        ValueError: If a group is unknown.
    """
    asked = chosen(names, groups)
    features: dict[str, float] = {}
    for group in (budget or Budget()).steps(asked, f"{prefix.rstrip('.')} meta-features"):
        features |= steps[group]()
    return {prefix + name: _finite(features.get(name)) for group in asked for name in names[group]}


def _finite(value: float | None) -> float:
    return math.nan if value is None or not math.isfinite(value) else float(value)

"""Configurations <-> rows of cells.

A *row* is one configuration: a cell (see :mod:`optuna_meta.space.dimension`) for each dimension.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
import math
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution

from optuna_meta._typing import Array
from optuna_meta.space.dimension import as_number
from optuna_meta.space.dimension import different
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.dimension import NOTHING
from optuna_meta.space.dimension import UNSEEN
from optuna_meta.space.scale import unit_of


__all__ = ["Space", "translate_cells"]


@dataclass(frozen=True)
class Space:
    """Dimensions in order; a row has a cell for each.

    Args:
        dimensions: The parameters, with different names.
    """

    dimensions: tuple[Dimension, ...] = ()

    @classmethod
    def from_distributions(cls, distributions: Mapping[str, BaseDistribution]) -> Space:
        """Return the space of named Optuna distributions, sorted by name."""
        return cls(
            tuple(Dimension.from_distribution(n, d) for n, d in sorted(distributions.items()))
        )

    @classmethod
    def union(cls, dimensions: Iterable[Sequence[Dimension]]) -> Space:
        """Merge studies into one cube: widest ranges, all choices, log where any says log.

        Args:
            dimensions: For each study its dimensions. Where studies disagree on the kind of a
                parameter, the kind of most studies wins.
        """
        studies = [_merged_by_name(study) for study in dimensions]
        merged = _merged_by_name([d for study in studies for d in study.values()])
        return cls(tuple(merged[name] for name in sorted(merged)))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the dimensions."""
        return tuple(dimension.name for dimension in self.dimensions)

    @cached_property
    def size(self) -> float:
        """Number of different rows if every parameter is active; ``inf`` for a continuum."""
        return math.prod(dimension.size for dimension in self.dimensions)

    def index(self, name: str) -> int:
        """Return the position of the parameter ``name``."""
        return self.names.index(name)

    def row(self, params: Mapping[str, Any]) -> Array:
        """Encode a configuration as a row (D,); NaN for what it lacks."""
        return np.asarray(self.rows([params])[0])

    def rows(self, configurations: Sequence[Mapping[str, Any]]) -> Array:
        """Encode n configurations as rows (n, D)."""
        columns = [
            d.encode([params.get(d.name, NOTHING) for params in configurations])
            for d in self.dimensions
        ]
        return np.array(columns).reshape(len(columns), len(configurations)).T.copy()

    def params(self, row: Array) -> dict[str, Any]:
        """Return the configuration of a row (D,), without what is absent or unseen."""
        cells = zip(self.dimensions, row, strict=True)
        return {
            d.name: d.value(c)
            for d, c in cells
            if not (math.isnan(c) or (d.is_categorical and c == UNSEEN))
        }

    def translate(self, rows: Array, source: Space) -> Array:
        """Translate rows (n, D') of another space into this one (n, D), by name and value."""
        target = np.full((len(rows), len(self.dimensions)), np.nan)
        places = {name: j for j, name in enumerate(source.names)}
        for i, dimension in enumerate(self.dimensions):
            if (j := places.get(dimension.name)) is not None:
                target[:, i] = translate_cells(rows[:, j], source.dimensions[j], dimension)
        return target

    def snap(self, rows: Array) -> Array:
        """Move rows (n, D) to the nearest valid ones."""
        columns = [d.snap(rows[:, i]) for i, d in enumerate(self.dimensions)]
        return np.column_stack(columns) if columns else rows


def _merged_by_name(dimensions: Iterable[Dimension]) -> dict[str, Dimension]:
    by_name: dict[str, list[Dimension]] = {}
    for dimension in dimensions:
        by_name.setdefault(dimension.name, []).append(dimension)
    return {name: _merged(same) for name, same in by_name.items()}


def _merged(dimensions: Sequence[Dimension]) -> Dimension:
    categorical = sum(d.is_categorical for d in dimensions)
    if 2 * categorical > len(dimensions):
        return _merged_choices([d for d in dimensions if d.choices is not None])
    numeric = [d for d in dimensions if not d.is_categorical]
    lists = [d for d in numeric if d.choices is not None]
    if not lists:
        return _merged_ranges(numeric)
    wide = [d for d in numeric if d.choices is None and d.low < d.high]
    listed = [n for d in numeric if d not in wide for n in d.choices or (d.value(0.0),)]
    whole = Dimension.of_numbers(numeric[0].name, listed)
    return _merged_ranges([*wide, whole]) if wide else whole


def _merged_ranges(numeric: Sequence[Dimension]) -> Dimension:
    log, unit = any(d.log for d in numeric), 0.0
    if log:
        # A single value such as 0, "it was off", does not make the others' scale linear.
        numeric = [d for d in numeric if d.low < d.high or d.low > 0]
    low, high = min(d.low for d in numeric), max(d.high for d in numeric)
    if log and all(d.low > 0 or d.choices for d in numeric) and low <= 0:
        # Nor does one on a list: the logarithm goes through zero.
        numbers = [number for d in numeric for number in d.choices or (d.low, d.high)]
        unit = unit_of(np.array([as_number(number) for number in numbers]))
    log = log and (low > 0 or unit > 0)
    integer = all(d.integer for d in numeric)
    step = _common_step(numeric, integer, log)
    return Dimension(numeric[0].name, low, high, log, step, integer, unit=unit)


def _common_step(dimensions: Sequence[Dimension], integer: bool, log: bool) -> float:
    """Return the step of the finest grid that has all grids' values, 0 where there is none."""
    wide = [d for d in dimensions if d.low < d.high] or dimensions
    shifts = [d.low - wide[0].low for d in dimensions]
    if integer:
        strides = [max(1, int(d.step)) for d in wide] + [int(shift) for shift in shifts]
        return 1.0 if log else float(math.gcd(*strides))
    step = wide[0].step
    if log or step <= 0 or {d.step for d in wide} != {step}:
        return 0.0
    n_steps = [shift / step for shift in shifts]
    aligned = all(math.isfinite(n) and abs(n - round(n)) < 1e-8 for n in n_steps)
    return step if aligned else 0.0


def _merged_choices(dimensions: Sequence[Dimension]) -> Dimension:
    choices = different(choice for d in dimensions for choice in d.choices or ())
    return Dimension(dimensions[0].name, choices=choices)


def translate_cells(cells: Array, source: Dimension, target: Dimension) -> Array:
    """Translate cells (n,) of one dimension into another, by value."""
    if source == target and not source.integer and _same_choices(source, target):
        return cells
    if source.is_categorical:
        # One slot more: the index -1 of an unseen choice reads the last one.
        unseen = UNSEEN if target.is_categorical else math.nan
        table = np.append(target.encode(source.choices or ()), unseen)
        present = ~np.isnan(cells)
        index = np.where(present, cells, 0).astype(int)
        return np.where(present, table[index], np.nan)
    numbers = source.numbers(cells)
    if source.integer:
        numbers = np.round(numbers)
    if not target.is_categorical:
        return target.cells(numbers)
    # A number that was encoded and decoded differs from the choice by rounding.
    choices = np.array([as_number(choice) for choice in target.choices or ()])
    with np.errstate(over="ignore"):  # Of the largest floats: infinite, and not close.
        same = np.isclose(numbers[:, None], choices, rtol=1e-9, atol=0.0)
    found = np.where(same.any(axis=1), same.argmax(axis=1), UNSEEN)
    return np.where(np.isnan(cells), np.nan, found)


def _same_choices(a: Dimension, b: Dimension) -> bool:
    """Tell whether equal choices are of equal kinds, as 1 and True are not."""
    return [type(c) for c in a.choices or ()] == [type(c) for c in b.choices or ()]

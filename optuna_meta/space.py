"""Parameters <-> rows of cells.

A *cell* is one parameter's coordinate: the position of a number in its range (0 at ``low``, 1 at
``high``, on the log scale where the dimension is logarithmic; outside [0, 1] where the value is
out of range), the index of a choice, ``UNSEEN`` for a choice that the dimension does not know, or
NaN where the parameter is absent. A *row* is one configuration: a cell for each dimension.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution


__all__ = ["Array", "Dimension", "NOTHING", "Space", "UNSEEN", "choice_key", "nearest"]

Array = NDArray[np.float64]

UNSEEN = -1.0
NOTHING = object()
_MAX_STEPS = 1_000_000  # A finer grid than this is a continuum for every purpose here.


def choice_key(value: Any) -> tuple[str, Any]:
    """A hashable identity of a choice: 1 and 1.0 are the same choice, 1 and True are not."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, int | float):
        return ("number", "nan" if value != value else value)
    if value is None or isinstance(value, str):
        return (type(value).__name__, value)
    return ("other", json.dumps(value, default=repr, sort_keys=True))


@dataclass(frozen=True)
class Dimension:
    """One parameter: a numeric range, or choices.

    Args:
        name: The parameter's name.
        low: Smallest value (numeric).
        high: Largest value (numeric).
        log: Whether cells are linear in the logarithm.
        step: Distance of the grid's values, 0 for a continuum.
        integer: Whether values are ``int``.
        choices: The categories; ``None`` for a numeric dimension.
    """

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    step: float = 0.0
    integer: bool = False
    choices: tuple[Any, ...] | None = None

    def __post_init__(self) -> None:
        if self.choices is not None:
            if not self.choices:
                raise ValueError(f"Parameter {self.name!r} needs at least one choice, got none.")
            return
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ValueError(
                f"Parameter {self.name!r} needs finite bounds with low <= high, "
                f"got low={self.low}, high={self.high}."
            )
        if self.log and self.low <= 0:
            raise ValueError(
                f"Parameter {self.name!r} is logarithmic but has low={self.low} <= 0."
            )

    @classmethod
    def from_distribution(cls, name: str, distribution: BaseDistribution) -> Dimension:
        """The dimension of an Optuna distribution."""
        match distribution:
            case CategoricalDistribution():
                return cls(name, choices=tuple(distribution.choices))
            case IntDistribution(low=low, high=high, log=log, step=step):
                return cls(name, low, high, log, float(step), integer=True)
            case FloatDistribution(low=low, high=high, log=log, step=step):
                return cls(name, low, high, log, float(step or 0.0))
        raise ValueError(
            f"Parameter {name!r} has an unknown distribution {distribution!r}; "
            "expected a float, int or categorical distribution."
        )

    def distribution(self) -> BaseDistribution:
        """The Optuna distribution of the dimension."""
        if self.choices is not None:
            return CategoricalDistribution(self.choices)
        if self.integer:
            step = 1 if self.log else max(1, int(self.step))
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=step)
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step or None)

    @property
    def is_categorical(self) -> bool:
        """Whether the dimension has choices in place of a range."""
        return self.choices is not None

    @property
    def width(self) -> float:
        """Length of the range on the cells' scale, in units of the value (or of its logarithm)."""
        return self._scaled(self.high) - self._scaled(self.low)

    @property
    def size(self) -> float:
        """Number of different values, ``inf`` for a continuum."""
        if self.choices is not None:
            return len(self.choices)
        if self.step <= 0:
            return 1 if self.low == self.high else math.inf
        n = math.floor((self.high - self.low) / self.step + 1e-8) + 1
        return n if n <= _MAX_STEPS else math.inf

    def cell(self, value: Any) -> float:
        """The cell of an external value; NaN where a number was wanted and something else came."""
        if self.choices is not None:
            keys = [choice_key(choice) for choice in self.choices]
            key = choice_key(value)
            return float(keys.index(key)) if key in keys else UNSEEN
        if isinstance(value, bool) or not isinstance(value, int | float):
            return math.nan
        number = float(value)
        if not math.isfinite(number) or (self.log and number <= 0):
            return math.nan
        return (self._scaled(number) - self._scaled(self.low)) / (self.width or 1.0)

    def value(self, cell: float) -> Any:
        """The external value of a cell: a Python scalar, or the choice object itself."""
        if self.choices is not None:
            return self.choices[int(cell)]
        number = self.numbers(np.array([cell]))[0]
        return round(number) if self.integer else float(number)

    def cells(self, numbers: Array) -> Array:
        """Cells (n,) of numbers (n,); numeric dimensions only."""
        if self.log:
            with np.errstate(divide="ignore", invalid="ignore"):
                scaled = np.where(numbers > 0, np.log(numbers), np.nan)
        else:
            scaled = numbers
        cells: Array = (scaled - self._scaled(self.low)) / (self.width or 1.0)
        return cells

    def numbers(self, cells: Array) -> Array:
        """Numbers (n,) of cells (n,); numeric dimensions only."""
        scaled = self._scaled(self.low) + cells * self.width
        if self.log:
            # A cell of 1 must give ``high`` itself, not its rounded logarithm's exponential.
            edges = np.where(cells == 1.0, self.high, np.exp(np.minimum(scaled, 700.0)))
            return np.where(cells == 0.0, self.low, edges)
        return np.where(cells == 1.0, self.high, scaled)

    def snap(self, cells: Array) -> Array:
        """The nearest valid cells (n,): within the range and, where there is one, on the grid."""
        if self.choices is not None:
            return cells
        inside = np.clip(cells, 0.0, 1.0)
        if self.step <= 0:
            return inside
        last = math.floor((self.high - self.low) / self.step + 1e-8)
        index = np.clip(np.round((self.numbers(inside) - self.low) / self.step), 0, last)
        return self.cells(self.low + index * self.step)

    def _scaled(self, number: float) -> float:
        return math.log(number) if self.log else number


@dataclass(frozen=True)
class Space:
    """Dimensions in order; a row has a cell for each.

    Args:
        dimensions: The parameters, with different names.
    """

    dimensions: tuple[Dimension, ...] = ()

    @classmethod
    def from_distributions(cls, distributions: Mapping[str, BaseDistribution]) -> Space:
        """The space of named Optuna distributions, sorted by name."""
        return cls(
            tuple(Dimension.from_distribution(n, d) for n, d in sorted(distributions.items()))
        )

    @classmethod
    def union(cls, dimensions: Iterable[Sequence[Dimension]]) -> Space:
        """One cube for several studies: widest ranges, all choices, log where any says log.

        Args:
            dimensions: For each study its dimensions. Where studies disagree on the kind of a
                parameter, the kind of most studies wins.
        """
        by_name: dict[str, list[Dimension]] = {}
        for study in dimensions:
            for dimension in study:
                by_name.setdefault(dimension.name, []).append(dimension)
        return cls(tuple(_merged(by_name[name]) for name in sorted(by_name)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the dimensions."""
        return tuple(dimension.name for dimension in self.dimensions)

    @property
    def size(self) -> float:
        """Number of different rows if every parameter is active; ``inf`` for a continuum."""
        return math.prod(dimension.size for dimension in self.dimensions)

    def index(self, name: str) -> int:
        """Position of the parameter ``name``."""
        return self.names.index(name)

    def row(self, params: Mapping[str, Any]) -> Array:
        """Row (D,) of a configuration; NaN for what it lacks."""
        missing = object()
        values = ((d, params.get(d.name, missing)) for d in self.dimensions)
        return np.array([math.nan if v is missing else d.cell(v) for d, v in values])

    def rows(self, configurations: Sequence[Mapping[str, Any]]) -> Array:
        """Rows (n, D) of n configurations."""
        rows = [self.row(params) for params in configurations]
        return np.array(rows).reshape(len(rows), len(self.dimensions))

    def params(self, row: Array) -> dict[str, Any]:
        """The configuration of a row, without what is absent or unseen."""
        cells = zip(self.dimensions, row, strict=True)
        return {
            d.name: d.value(c)
            for d, c in cells
            if not (math.isnan(c) or (d.is_categorical and c == UNSEEN))
        }

    def translate(self, rows: Array, source: Space) -> Array:
        """Rows (n, D) of this space for rows (n, D') of another, matched by name and value."""
        target = np.full((len(rows), len(self.dimensions)), np.nan)
        for i, dimension in enumerate(self.dimensions):
            if dimension.name in source.names:
                j = source.index(dimension.name)
                target[:, i] = _translated(rows[:, j], source.dimensions[j], dimension)
        return target

    def snap(self, rows: Array) -> Array:
        """The nearest valid rows (n, D)."""
        columns = [d.snap(rows[:, i]) for i, d in enumerate(self.dimensions)]
        return np.column_stack(columns) if columns else rows


def nearest(distribution: BaseDistribution, value: Any) -> Any:
    """The value of a distribution that is nearest to an external value.

    Returns:
        A Python scalar or choice; ``NOTHING`` where none corresponds (a choice that the
        distribution lacks, or no number for a numeric distribution).
    """
    dimension = Dimension.from_distribution("", distribution)
    if dimension.is_categorical:
        cell = dimension.cell(value)
        return NOTHING if cell == UNSEEN else dimension.value(cell)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return NOTHING
    inside = min(max(value, dimension.low), dimension.high)
    if not dimension.step:
        return float(inside)
    return dimension.value(dimension.snap(np.array([dimension.cell(inside)]))[0])


def _merged(dimensions: Sequence[Dimension]) -> Dimension:
    categorical = sum(d.is_categorical for d in dimensions)
    if 2 * categorical > len(dimensions):
        return _merged_choices([d for d in dimensions if d.is_categorical])
    numeric = [d for d in dimensions if not d.is_categorical]
    low, high = min(d.low for d in numeric), max(d.high for d in numeric)
    steps = {d.step for d in numeric}
    return Dimension(
        numeric[0].name,
        low,
        high,
        log=any(d.log for d in numeric) and low > 0,
        step=steps.pop() if len(steps) == 1 and len({d.low for d in numeric}) == 1 else 0.0,
        integer=all(d.integer for d in numeric),
    )


def _merged_choices(dimensions: Sequence[Dimension]) -> Dimension:
    choices: dict[tuple[str, Any], Any] = {}
    for dimension in dimensions:
        for choice in dimension.choices or ():
            choices.setdefault(choice_key(choice), choice)
    return replace(dimensions[0], choices=tuple(choices.values()))


def _translated(cells: Array, source: Dimension, target: Dimension) -> Array:
    if not source.is_categorical and not target.is_categorical:
        return target.cells(source.numbers(cells))
    if source.choices is not None:
        # One slot more: the index -1 of an unseen choice reads the last one.
        unseen = UNSEEN if target.is_categorical else math.nan
        table = np.array([target.cell(choice) for choice in source.choices] + [unseen])
        present = ~np.isnan(cells)
        index = np.where(present, cells, 0).astype(int)
        return np.where(present, table[index], np.nan)
    return np.array([c if math.isnan(c) else target.cell(source.value(c)) for c in cells])

"""One parameter <-> cells.

A *cell* is one parameter's coordinate: the position of a number in its range (0 at ``low``, 1 at
``high``, on the log scale where the dimension is logarithmic; outside [0, 1] where the value is
out of range), the index of a choice, ``UNSEEN`` for a choice that the dimension does not know, or
NaN where the parameter is absent.
"""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Sequence
from dataclasses import dataclass
import json
import math
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_meta._typing import Array


__all__ = ["Dimension", "NOTHING", "UNSEEN", "as_number", "choice_key", "nearest", "plain"]

UNSEEN = -1.0  # The cell of a choice that the dimension does not know.
NOTHING = object()
_MAX_STEPS = 1_000_000  # A finer grid than this is a continuum for every purpose here.
_FARTHEST = 1e9  # Cells beyond are as far away: squares of any number would overflow.
_HUGE = 1e307  # Differences of larger floats may be infinite.
_EXACT = 2**53  # Larger integers are no floats.


def plain(value: Any) -> Any:
    """Return the Python scalar of a numpy one; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def choice_key(value: Any) -> tuple[str, Any]:
    """Return a choice's hashable identity: 1 and 1.0 are the same choice, 1 and True are not."""
    value = plain(value)
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, int | float):
        return ("number", "nan" if value != value else value)
    if value is None or isinstance(value, str):
        return (type(value).__name__, value)
    return ("other", json.dumps(value, default=repr, sort_keys=True))


def as_number(value: Any) -> float:
    """Return a number as a float; NaN for all else, truth values included."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # An integer beyond all floats.
        return math.nan


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
        """Return the dimension of an Optuna distribution."""
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

    @classmethod
    def spanning(cls, name: str, values: Sequence[Any]) -> Dimension:
        """Return the linear range, or the choices, of a parameter's values."""
        if any(not isinstance(v, int | float) or isinstance(v, bool) for v in values):
            return cls(name, choices=tuple({choice_key(v): v for v in values}.values()))
        integer = all(isinstance(v, int) for v in values)
        return cls(name, min(values), max(values), integer=integer, step=1.0 * integer)

    def distribution(self) -> BaseDistribution:
        """Return the Optuna distribution of the dimension."""
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
        n_steps = (self.high - self.low) / self.step
        return math.floor(n_steps + 1e-8) + 1 if n_steps < _MAX_STEPS else math.inf

    def encode(self, values: Sequence[Any]) -> Array:
        """Return cells (n,) of n external values; ``NOTHING`` stands for an absent parameter."""
        if self.choices is None:
            return self.cells(np.array([as_number(value) for value in values], dtype=float))
        index: dict[Hashable, float] = {NOTHING: math.nan}
        for i, choice in reversed(list(enumerate(self.choices))):
            index[choice_key(choice)] = float(i)
        keys = [NOTHING if value is NOTHING else choice_key(value) for value in values]
        return np.array([index.get(key, UNSEEN) for key in keys], dtype=float)

    def value(self, cell: float) -> Any:
        """Return the external value of a cell: a Python scalar, or the choice object itself."""
        if self.choices is not None:
            return self.choices[int(cell)]
        number = float(self.numbers(np.array([cell]))[0])
        if not self.integer:
            return number
        if not 0.0 <= cell <= 1.0:
            return round(number)
        low, high, step = int(self.low), int(self.high), max(1, int(self.step))
        if max(-low, high) > _EXACT and not self.log:
            return low + step * round(float(cell) * ((high - low) // step))
        return min(max(round(number), low), high)

    def cells(self, numbers: Array) -> Array:
        """Return the cells (n,) of numbers (n,), NaN for what has none."""
        low, high = float(self.low), float(self.high)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            scaled = np.log(numbers) if self.log else numbers * self._unit
            cells = (scaled - self._scaled(low)) / (self.width or 1.0)
        # The edges are exact, whichever way a logarithm is rounded.
        edges = np.where(numbers == low, 0.0, np.where(numbers == high, 1.0, cells))
        return np.where(np.isfinite(scaled), np.clip(edges, -_FARTHEST, _FARTHEST), np.nan)

    def numbers(self, cells: Array) -> Array:
        """Return the numbers (n,) of cells (n,), in the range for a cell in [0, 1]."""
        low, high = float(self.low), float(self.high)
        with np.errstate(over="ignore"):
            numbers = self._scaled(low) + cells * self.width
            numbers = np.exp(np.minimum(numbers, 700.0)) if self.log else numbers / self._unit
        inside = (cells >= 0.0) & (cells <= 1.0)
        numbers = np.where(inside, np.clip(numbers, low, high), numbers)
        # A cell of 1 must give ``high`` itself, not its rounded logarithm's exponential.
        return np.where(cells == 0.0, low, np.where(cells == 1.0, high, numbers))

    def snap(self, cells: Array) -> Array:
        """Move cells (n,) to the nearest valid ones, in the range and on the grid, if any."""
        if self.choices is not None:
            return cells
        inside = np.clip(cells, 0.0, 1.0)
        if self.step <= 0:
            return inside
        n_steps = (self.high - self.low) / self.step
        if n_steps > _EXACT:  # Floats are the coarser grid.
            return inside
        low, last = float(self.low), math.floor(n_steps + 1e-8)
        index = np.clip(np.round((self.numbers(inside) - low) / self.step), 0, last)
        return self.cells(np.minimum(low + index * self.step, float(self.high)))

    @property
    def _unit(self) -> float:
        """What numbers are multiplied by: differences of the largest floats would overflow."""
        return 0.25 if max(-self.low, self.high) > _HUGE else 1.0

    def _scaled(self, number: float) -> float:
        return math.log(number) if self.log else float(number) * self._unit


def nearest(distribution: BaseDistribution, value: Any) -> Any:
    """Return the value of a distribution that is nearest to an external value.

    Returns:
        A Python scalar or choice; ``NOTHING`` where none corresponds (a choice that the
        distribution lacks, or no number for a numeric distribution).
    """
    dimension = Dimension.from_distribution("", distribution)
    if dimension.is_categorical:
        cell = float(dimension.encode([value])[0])
        return NOTHING if cell == UNSEEN else dimension.value(cell)
    value = plain(value)
    if not math.isfinite(as_number(value)):
        return NOTHING
    inside = min(max(value, dimension.low), dimension.high)
    if not dimension.step:
        return float(inside)
    return dimension.value(dimension.snap(dimension.encode([inside]))[0])

"""One parameter <-> cells.

A *cell* is one parameter's coordinate: the position of a number in its range (0 at ``low``, 1 at
``high``, on the log scale where the dimension is logarithmic; outside [0, 1] where the value is
out of range), the index of a choice, ``UNSEEN`` for a choice that the dimension does not know, or
NaN where the parameter is absent. Choices that are numbers have the cells of numbers: then another
list of choices, or a range, has the same value in the same place.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from functools import lru_cache
import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_meta._typing import Array
from optuna_meta.space.scale import scale_of
from optuna_meta.space.scale import scaled
from optuna_meta.space.scale import unscaled


__all__ = ["Dimension", "NOTHING", "UNSEEN", "as_number", "choice_key", "different", "plain"]

UNSEEN = -1.0  # The cell of a choice that the dimension does not know.
NOTHING = object()
_MAX_STEPS = 1_000_000  # A finer grid than this is a continuum for every purpose here.
_FARTHEST = 1e9  # Cells beyond are as far away: squares of any number would overflow.
_HUGE = 1e307  # Differences of larger floats may be infinite.
_EXACT = 2**53  # Larger integers are no floats.
_TOLD_APART = 1e-6  # Nearer cells could be one value that was rounded.


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


def different(
    choices: Iterable[Any], identity: Callable[[Any], Hashable] = choice_key
) -> tuple[Any, ...]:
    """Return the choices in order, of equal ones the first, as Optuna does."""
    first: dict[Hashable, Any] = {}
    for choice in choices:
        first.setdefault(identity(choice), choice)
    return tuple(first.values())


def as_number(value: Any) -> float:
    """Return a number as a float; NaN for all else, truth values and too large ones included."""
    value = plain(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        return float(value) if is_number else math.nan
    except OverflowError:
        return math.nan


@dataclass(frozen=True)
class Dimension:
    """One parameter: a numeric range, ordered numbers to choose from, or categories.

    Args:
        name: The parameter's name.
        low: Smallest value (numeric).
        high: Largest value (numeric).
        log: Whether cells are linear in the logarithm.
        step: Distance of the grid's values, 0 for a continuum.
        integer: Whether values are ``int``.
        choices: The values to choose from, in the user's order; ``None`` for a range.
        ordered: Whether the choices are numbers on the scale from low to high.
        unit: Where not 0, the logarithm is that of magnitudes and goes through zero: linear below
            about this number, logarithmic above.
    """

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    step: float = 0.0
    integer: bool = False
    choices: tuple[Any, ...] | None = None
    ordered: bool = False
    unit: float = 0.0

    def __post_init__(self) -> None:
        if self.choices is not None and not self.choices:
            raise ValueError(f"Parameter {self.name!r} needs at least one choice, got none.")
        if self.is_categorical:
            return
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ValueError(
                f"Parameter {self.name!r} needs finite bounds with low <= high, "
                f"got low={self.low}, high={self.high}."
            )
        if self.log and self.low <= 0 and not self.unit:
            raise ValueError(
                f"Parameter {self.name!r} is logarithmic but has low={self.low} <= 0."
            )

    @classmethod
    def from_distribution(cls, name: str, distribution: BaseDistribution) -> Dimension:
        """Return the dimension of an Optuna distribution."""
        match distribution:
            case CategoricalDistribution():
                return cls.choosing(name, distribution.choices)
            case IntDistribution(low=low, high=high, log=log, step=step):
                return cls(name, low, high, log, float(step), integer=True)
            case FloatDistribution(low=low, high=high, log=log, step=step):
                return cls(name, low, high, log, float(step or 0.0))
        raise ValueError(
            f"Parameter {name!r} has an unknown distribution {distribution!r}; "
            "expected a float, int or categorical distribution."
        )

    @classmethod
    def choosing(cls, name: str, choices: Sequence[Any]) -> Dimension:
        """Return the dimension of choices: ordered where all are numbers that cells tell apart."""
        # Neither truth values nor members of an enumeration, which are names.
        if all(type(plain(choice)) in (int, float) for choice in choices):
            return _choosing_numbers(name, tuple(choices), tuple(map(type, choices)))
        return cls(name, choices=different(choices))

    @classmethod
    def of_numbers(cls, name: str, choices: Iterable[Any]) -> Dimension:
        """Return the dimension of finite numbers to choose from, on the scale that they show."""
        choices = different(choices, as_number)
        numbers = sorted(map(as_number, choices))
        log, unit = scale_of(np.array(numbers))
        integer = all(isinstance(plain(choice), int) for choice in choices)
        return cls(name, numbers[0], numbers[-1], log, 0.0, integer, choices, True, unit)

    @classmethod
    def spanning(cls, name: str, values: Sequence[Any]) -> Dimension:
        """Return the linear range, or the choices, of a parameter's values."""
        if any(not isinstance(v, int | float) or isinstance(v, bool) for v in values):
            return cls(name, choices=different(values))
        integer = all(isinstance(v, int) for v in values)
        return cls(name, min(values), max(values), integer=integer, step=1.0 * integer)

    def distribution(self) -> BaseDistribution:
        """Return the Optuna distribution of the dimension."""
        if self.choices is not None:
            return CategoricalDistribution(self.choices)
        log = self.log and self.low > 0
        if self.integer:
            whole = 1 if log else max(1, int(self.step))
            return IntDistribution(int(self.low), int(self.high), log=log, step=whole)
        # A grid finer than floats is none.
        is_grid = self.step > 0 and (self.high - self.low) / self.step <= _EXACT
        return FloatDistribution(self.low, self.high, log=log, step=self.step if is_grid else None)

    @property
    def is_categorical(self) -> bool:
        """Whether the dimension has choices without an order."""
        return self.choices is not None and not self.ordered

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

    @cached_property
    def ladder(self) -> Array:
        """Cells of all values of a finite dimension, in order.  # (size,)"""
        if self.ordered:
            return self.cells(np.array([as_number(choice) for choice in self._ascending]))
        if self.choices is not None:
            return np.arange(len(self.choices), dtype=np.float64)
        numbers = self.low + self.step * np.arange(int(self.size), dtype=np.float64)
        return self.snap(self.cells(numbers.astype(np.float64)))

    @cached_property
    def _ascending(self) -> tuple[Any, ...]:
        """The choices in the order of the ladder."""
        return tuple(sorted(self.choices or (), key=as_number))

    def encode(self, values: Sequence[Any]) -> Array:
        """Return cells (n,) of n external values; ``NOTHING`` stands for an absent parameter."""
        if not self.is_categorical:
            return self.cells(np.array([as_number(value) for value in values], dtype=float))
        numbered = reversed(list(enumerate(self.choices or ())))  # The first of equal ones stays.
        index: dict[Hashable, float] = {choice_key(c): float(i) for i, c in numbered}
        index[NOTHING] = math.nan
        keys = [NOTHING if value is NOTHING else choice_key(value) for value in values]
        return np.array([index.get(key, UNSEEN) for key in keys], dtype=float)

    def value(self, cell: float) -> Any:
        """Return the external value of a cell: a Python scalar, or the choice object itself."""
        if self.ordered:
            return self._ascending[int(self.rungs(np.array([cell]))[0])]
        if self.choices is not None:
            return self.choices[int(cell)]
        number = float(self.numbers(np.array([cell]))[0])
        if not self.integer:
            return number
        if not 0.0 <= cell <= 1.0:
            return round(number)
        low, high, step = int(self.low), int(self.high), max(1, int(self.step))
        if max(-low, high) > _EXACT and not self.log:
            return low + step * round(Fraction(float(cell)) * ((high - low) // step))
        return min(max(round(number), low), high)

    def cells(self, numbers: Array) -> Array:
        """Return the cells (n,) of numbers (n,), NaN for what has none."""
        low, high = float(self.low), float(self.high)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            places = scaled(numbers * self._factor, self.log, self.unit)
            cells = (places - self._scaled(low)) / (self.width or 1.0)
        # The edges are exact, whichever way a logarithm is rounded.
        edges = np.where(numbers == low, 0.0, np.where(numbers == high, 1.0, cells))
        return np.where(np.isfinite(places), np.clip(edges, -_FARTHEST, _FARTHEST), np.nan)

    def numbers(self, cells: Array) -> Array:
        """Return the numbers (n,) of cells (n,), in the range for a cell in [0, 1]."""
        low, high = float(self.low), float(self.high)
        with np.errstate(over="ignore"):
            places = self._scaled(low) + cells * self.width
            numbers = unscaled(places, self.log, self.unit) / self._factor
        inside = (cells >= 0.0) & (cells <= 1.0)
        numbers = np.where(inside, np.clip(numbers, low, high), numbers)
        # A cell of 1 must give ``high`` itself, not its rounded logarithm's exponential.
        return np.where(cells == 0.0, low, np.where(cells == 1.0, high, numbers))

    def snap(self, cells: Array) -> Array:
        """Move cells (n,) to the nearest valid ones, in the range and on the grid, if any."""
        if self.is_categorical:
            return cells
        inside = np.clip(cells, 0.0, 1.0)
        if self.ordered:
            return np.where(np.isnan(cells), np.nan, self.ladder[self.rungs(inside)])
        if self.step <= 0:
            return inside
        n_steps = (self.high - self.low) / self.step
        if n_steps > _EXACT:  # Floats are the coarser grid.
            return inside
        low, last = float(self.low), math.floor(n_steps + 1e-8)
        index = np.clip(np.round((self.numbers(inside) - low) / self.step), 0, last)
        return self.cells(np.minimum(low + index * self.step, float(self.high)))

    def rungs(self, cells: Array) -> NDArray[np.int64]:
        """Return which cell of the ladder (size,) is nearest to each cell (n,), by its index."""
        return np.searchsorted(0.5 * (self.ladder[1:] + self.ladder[:-1]), cells)

    def _scaled(self, number: float) -> float:
        if self.log and not self.unit:
            return math.log(number)  # Not numpy's, which may round otherwise.
        return float(scaled(np.array(float(number) * self._factor), self.log, self.unit))

    @property
    def _factor(self) -> float:
        """What numbers are multiplied by: differences of the largest floats would overflow."""
        return 0.25 if max(-self.low, self.high) > _HUGE and not self.log else 1.0


@lru_cache(maxsize=1000)  # Every trial asks for each of its parameters several times.
def _choosing_numbers(name: str, choices: tuple[Any, ...], _: tuple[type, ...]) -> Dimension:
    """Return the dimension of numbers; their types tell apart what is equal, as 1 and 1.0."""
    choices = different(choices)
    if all(math.isfinite(as_number(choice)) for choice in choices):
        found = Dimension.of_numbers(name, choices)
        if found.size == len(choices) and (np.diff(found.ladder) > _TOLD_APART).all():
            return found
    return Dimension(name, choices=choices)

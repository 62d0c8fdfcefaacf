"""Search spaces of several studies, brought together, drawn from, and turned into rows."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from benchmarks.tasks.base import Array
from benchmarks.tasks.base import Params


Distributions = Mapping[str, BaseDistribution]

_MIDDLE = 0.5  # stands for a number that is inactive, as the RGPE paper's imputation does
_STEPS = (0.01, 0.3)  # shortest and longest step to a neighbour, as shares of a range
_CHANGES = 2.0  # parameters changed at a step, on average
_NOTHING = object()  # None may be a choice


def choice_keys(distribution: CategoricalDistribution) -> dict[str, Any]:
    """Return choices by what tells them apart: 1, 1.0 and True are equal, yet different."""
    return {repr(choice): choice for choice in distribution.choices}


def fit(params: Params, distributions: Distributions) -> dict[str, Any]:
    """Return the nearest allowed values, without choices that are unknown or no parameter."""
    near = {n: fitted(v, distributions[n]) for n, v in params.items() if n in distributions}
    return {name: value for name, found in near.items() for value in found}


def fitted(value: Any, distribution: BaseDistribution) -> tuple[Any, ...]:
    """Return the nearest allowed value, alone in a tuple; an empty tuple where there is none."""
    if isinstance(distribution, CategoricalDistribution):
        return tuple(c for key, c in choice_keys(distribution).items() if key == repr(value))
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        return ()
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high, step = distribution.low, distribution.high, distribution.step
    inside = min(max(value, low), high)
    if step is not None and not distribution.log:
        inside = min(low + round((inside - low) / step) * step, high)
    return (round(inside) if isinstance(distribution, IntDistribution) else float(inside),)


def merge(spaces: Iterable[Distributions]) -> dict[str, BaseDistribution]:
    """Return widest ranges and all choices, without what is a number here, a category there."""
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
        choices = {key: c for d in categories for key, c in choice_keys(d).items()}
        same_kind = len(categories) == len(different)
        return CategoricalDistribution(tuple(choices.values())) if same_kind else None
    numbers = [d for d in different if isinstance(d, FloatDistribution | IntDistribution)]
    low, high = min(d.low for d in numbers), max(d.high for d in numbers)
    log = any(d.log for d in numbers) and low > 0
    if all(isinstance(d, IntDistribution) for d in numbers):
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(float(low), float(high), log=log)


class Encoder:
    """Turns numbers into [0, 1] of their range (or beyond), choices into their index."""

    def __init__(self, distributions: Distributions) -> None:
        self.distributions = dict(distributions)
        kinds = [isinstance(d, CategoricalDistribution) for d in self.distributions.values()]
        self.categorical = np.array(kinds, dtype=bool)  # (width,)

    def rows(self, configurations: Sequence[Params]) -> Array:
        """Return rows (n, width); an inactive number is 0.5, an inactive or unknown choice -1."""
        columns = [
            _cells([params.get(name, _NOTHING) for params in configurations], distribution)
            for name, distribution in self.distributions.items()
        ]
        return np.array(columns).reshape(len(columns), len(configurations)).T.copy()

    def one_hot(self, rows: Array) -> Array:
        """Return rows (n, width) with a column for each choice, for models of numbers only."""
        columns = [rows[:, ~self.categorical]]
        for i, distribution in enumerate(self.distributions.values()):
            if isinstance(distribution, CategoricalDistribution):
                columns.append(rows[:, [i]] == np.arange(len(distribution.choices)))
        return np.hstack(columns).astype(float)


class Space:
    """Where configurations are drawn; inactive beside a choice is what was never seen with it."""

    def __init__(self, distributions: Distributions, configurations: Iterable[Params]) -> None:
        self.distributions = dict(distributions)
        self._seen: dict[tuple[str, str], set[str]] = {}  # (category, choice) -> names beside it
        for params in configurations:
            for name in params:
                if isinstance(self.distributions.get(name), CategoricalDistribution):
                    key = (name, repr(params[name]))
                    self._seen.setdefault(key, set()).update(params)

    def random(self, n: int, rng: np.random.Generator) -> list[dict[str, Any]]:
        return [self.active(params) for params in self._drawn(n, rng)]

    def neighbours(
        self, bases: Sequence[Params], n: int, rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        """Draw configurations that differ from one of ``bases`` in a few parameters."""
        n_names = max(len(self.distributions), 1)
        fresh = self._drawn(n, rng)
        picks = rng.integers(len(bases), size=n)
        moved = rng.random((n, n_names)) < min(0.5, _CHANGES / n_names)
        lengths = np.exp(rng.uniform(np.log(_STEPS[0]), np.log(_STEPS[1]), size=n))
        sizes = lengths * rng.standard_normal(n)
        return [
            self.active(self._moved(bases[pick], other, mask, size))
            for pick, other, mask, size in zip(picks, fresh, moved, sizes, strict=True)
        ]

    def adopted(self, configurations: Iterable[Params]) -> list[dict[str, Any]]:
        """Return other studies' configurations, moved to the nearest values allowed here."""
        return [self.active(fit(params, self.distributions)) for params in configurations]

    def active(self, params: Params) -> dict[str, Any]:
        """Return a configuration without what is inactive in it."""
        keys = [(name, repr(value)) for name, value in params.items()]
        beside = [self._seen[key] for key in keys if key in self._seen]
        return {name: v for name, v in params.items() if all(name in names for names in beside)}

    def _drawn(self, n: int, rng: np.random.Generator) -> list[dict[str, Any]]:
        columns = [_draw(d, n, rng) for d in self.distributions.values()]
        rows = zip(*columns, strict=True)
        return [dict(zip(self.distributions, row, strict=True)) for row in rows]

    def _moved(self, base: Params, fresh: Params, mask: Any, size: float) -> dict[str, Any]:
        result = dict(fresh)
        for (name, distribution), changed in zip(self.distributions.items(), mask, strict=True):
            if name in base and not changed:
                result[name] = base[name]
            elif name in base and not isinstance(distribution, CategoricalDistribution):
                cell = _cells([base[name]], distribution)[0] + size
                result[name] = _value(min(max(cell, 0.0), 1.0), distribution)
        return result


class FlatSpace:
    """A search space without conditions and with choices as text, for packages that need it so."""

    def __init__(self, distributions: Distributions) -> None:
        self.distributions = dict(distributions)

    def flat(self, params: Params) -> dict[str, Any]:
        """Return all parameters: the middle or first value of what a configuration lacks."""
        known = fit(params, self.distributions)
        result = {}
        for name, d in self.distributions.items():
            if isinstance(d, CategoricalDistribution):
                result[name] = repr(known.get(name, d.choices[0]))
            else:
                result[name] = known[name] if name in known else _value(0.5, d)
        return result

    def params(self, config: Params) -> dict[str, Any]:
        """Return the configuration behind a flat one, in plain Python values."""
        return {
            name: choice_keys(d)[config[name]]
            if isinstance(d, CategoricalDistribution)
            else np.asarray(config[name]).item()
            for name, d in self.distributions.items()
        }


def _draw(distribution: BaseDistribution, n: int, rng: np.random.Generator) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return [distribution.choices[i] for i in rng.integers(len(distribution.choices), size=n)]
    return [_value(cell, distribution) for cell in rng.random(n).tolist()]


def _cells(values: Sequence[Any], distribution: BaseDistribution) -> Array:
    if isinstance(distribution, CategoricalDistribution):
        index = {key: i for i, key in enumerate(choice_keys(distribution))}
        return np.array([index.get(repr(value), -1) for value in values], dtype=float)
    low, high, log = _range(distribution)
    usable = [not isinstance(v, bool) and isinstance(v, int | float) for v in values]
    numbers = np.array([float(v) if u else low for v, u in zip(values, usable, strict=True)])
    if log:
        low, high, numbers = np.log(low), np.log(high), np.log(np.maximum(numbers, 1e-300))
    cells = (numbers - low) / ((high - low) or 1.0)
    return np.where(usable, cells, _MIDDLE)


def _value(cell: float, distribution: BaseDistribution) -> Any:
    low, high, log = _range(distribution)
    number = low * (high / low) ** cell if log else low + cell * (high - low)
    return fitted(number, distribution)[0]


def _range(distribution: BaseDistribution) -> tuple[float, float, bool]:
    """Return low, high and log; rounding must give the ends as much room as the rest."""
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    margin = 0.5 * (distribution.step or 0.0)
    return distribution.low - margin, distribution.high + margin, distribution.log

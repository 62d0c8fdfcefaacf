"""A search space as far as it has been shown: random configurations, and rows for models."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from benchmarks.methods.peers.parameters import choice_key
from benchmarks.methods.peers.parameters import Distributions
from benchmarks.methods.peers.parameters import fit
from benchmarks.methods.peers.parameters import fitted
from benchmarks.tasks.task import Params


__all__ = ["Encoder", "Space"]

_MIDDLE = 0.5  # stands for a number that is inactive, as the RGPE paper's imputation does
_STEPS = (0.01, 0.3)  # shortest and longest step to a neighbour, as shares of a range
_CHANGES = 2.0  # parameters changed at a step, on average

_NOTHING = object()  # None may be a choice
_Shown = dict[tuple[str, str], set[str]]  # (category's name, choice) -> names seen beside it


class Encoder:
    """Configurations -> rows: numbers to [0, 1] of their range, choices to their index.

    Args:
        distributions:
            The parameters. Their ranges set the scale only: numbers outside are allowed.
    """

    def __init__(self, distributions: Distributions) -> None:
        self.distributions = dict(distributions)
        self.categorical = np.array(
            [isinstance(d, CategoricalDistribution) for d in self.distributions.values()], bool
        )  # (width,)

    def rows(self, configurations: Sequence[Params]) -> NDArray[np.float64]:
        """Rows (n, width); an inactive number is 0.5, an inactive or unknown choice -1."""
        columns = [
            _cells([params.get(name, _NOTHING) for params in configurations], distribution)
            for name, distribution in self.distributions.items()
        ]
        return np.array(columns).reshape(len(columns), len(configurations)).T.copy()

    def one_hot(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows (n, width) with a column for each choice, for models of numbers only."""
        columns = [rows[:, ~self.categorical]]
        for i, distribution in enumerate(self.distributions.values()):
            if isinstance(distribution, CategoricalDistribution):
                columns.append(rows[:, [i]] == np.arange(len(distribution.choices)))
        return np.hstack(columns).astype(float)


class Space:
    """Where configurations are drawn from.

    A parameter counts as inactive beside a choice that was seen, but never together with it.

    Args:
        distributions:
            All parameters, active or not.
        configurations:
            What was seen, to learn from it which parameters are active together.
    """

    def __init__(self, distributions: Distributions, configurations: Iterable[Params]) -> None:
        self.distributions = dict(distributions)
        self._shown: _Shown = {}
        categories = [
            n for n, d in self.distributions.items() if isinstance(d, CategoricalDistribution)
        ]
        for params in configurations:
            for name in categories:
                if name in params:
                    key = (name, choice_key(params[name]))
                    self._shown.setdefault(key, set()).update(params)

    def random(self, n: int, rng: np.random.Generator) -> list[dict[str, Any]]:
        """Random configurations."""
        return [self.active(params) for params in self._drawn(n, rng)]

    def neighbours(
        self, bases: Sequence[Params], n: int, rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        """Configurations that differ from one of ``bases`` in a few parameters."""
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
        """Configurations of other studies, moved to the nearest values that are allowed here."""
        return [self.active(fit(params, self.distributions)) for params in configurations]

    def active(self, params: Params) -> dict[str, Any]:
        """A configuration without what is inactive in it."""
        beside = [
            shown
            for name, value in params.items()
            if (shown := self._shown.get((name, choice_key(value)))) is not None
        ]
        return {name: v for name, v in params.items() if all(name in shown for shown in beside)}

    def _drawn(self, n: int, rng: np.random.Generator) -> list[dict[str, Any]]:
        columns = [_draw(d, n, rng) for d in self.distributions.values()]
        names = list(self.distributions)
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]

    def _moved(
        self, base: Params, fresh: Params, mask: NDArray[np.bool_], size: float
    ) -> dict[str, Any]:
        result = dict(fresh)
        for (name, distribution), changed in zip(self.distributions.items(), mask, strict=True):
            if name not in base:
                continue
            if not changed:
                result[name] = base[name]
            elif not isinstance(distribution, CategoricalDistribution):
                cell = _cells([base[name]], distribution)[0] + size
                result[name] = _value(min(max(cell, 0.0), 1.0), distribution)
        return result


def _draw(distribution: BaseDistribution, n: int, rng: np.random.Generator) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return [distribution.choices[i] for i in rng.integers(len(distribution.choices), size=n)]
    return [_value(cell, distribution) for cell in rng.random(n).tolist()]


def _cells(values: Sequence[Any], distribution: BaseDistribution) -> NDArray[np.float64]:
    if isinstance(distribution, CategoricalDistribution):
        index = {choice_key(choice): i for i, choice in enumerate(distribution.choices)}
        return np.array([index.get(choice_key(value), -1) for value in values], dtype=float)
    low, high = _ends(distribution)
    usable = [not isinstance(v, bool) and isinstance(v, int | float) for v in values]
    numbers = np.array([float(v) if u else low for v, u in zip(values, usable, strict=True)])
    if distribution.log:  # type: ignore[attr-defined]
        low, high, numbers = np.log(low), np.log(high), np.log(np.maximum(numbers, 1e-300))
    cells = (numbers - low) / ((high - low) or 1.0)
    return np.where(usable, cells, _MIDDLE)


def _value(cell: float, distribution: BaseDistribution) -> Any:
    low, high = _ends(distribution)
    if distribution.log:  # type: ignore[attr-defined]
        number = low * (high / low) ** cell
    else:
        number = low + cell * (high - low)
    return fitted(number, distribution)[0]


def _ends(distribution: BaseDistribution) -> tuple[float, float]:
    """The ends of a range; rounding must give the ends as much room as the rest."""
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    margin = 0.5 * (distribution.step or 0.0)
    return distribution.low - margin, distribution.high + margin

"""The configurations that a user allows, where only those of a list can be run."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
import math
from typing import Any

from optuna.distributions import BaseDistribution

from optuna_meta._optuna import contains
from optuna_meta.candidates import positions
from optuna_meta.dimension import choice_key
from optuna_meta.dimension import plain
from optuna_meta.space import Array
from optuna_meta.space import Dimension
from optuna_meta.space import Space


__all__ = ["Given", "read_candidates"]


@dataclass(frozen=True)
class Given:
    """Configurations to choose from.

    Args:
        configurations: Parameters by name, different ones; some may lack conditional parameters.
    """

    configurations: tuple[Mapping[str, Any], ...]

    @property
    def names(self) -> set[str]:
        """All parameters that any of them has."""
        return {dimension.name for dimension in self._dimensions}

    def space(
        self,
        shown: Mapping[str, BaseDistribution],
        expected: Mapping[str, BaseDistribution],
    ) -> Space:
        """The space of their parameters.

        Args:
            shown: The target's distributions, as far as it has shown them.
            expected: Those of the prior studies, widened where the configurations go beyond.
        """
        ranges = []
        for own in self._dimensions:
            known = shown.get(own.name) or expected.get(own.name)
            if known is None:
                ranges.append([own])
            else:
                dimension = Dimension.from_distribution(own.name, known)
                ranges.append([dimension] if own.name in shown else [dimension, own])
        return Space.union([[d for same in ranges for d in same]])

    def fitting(self, shown: Mapping[str, BaseDistribution]) -> Given:
        """Those that the target can run: their values lie in the distributions that it asks.

        Raises:
            ValueError: There is none.
        """
        kept = [
            params
            for params in self.configurations
            if all(contains(shown[n], v) for n, v in params.items() if n in shown)
        ]
        if not kept:
            raise ValueError(
                f"None of the {len(self.configurations)} candidates lies in the distributions "
                f"that the study asks: {dict(shown)}. Correct candidates= or the objective."
            )
        return Given(tuple(kept))

    def rows(self, space: Space) -> Array:
        """Their rows (C, D) in a space."""
        return space.rows(self.configurations)

    def at(self, row: Array, space: Space) -> Mapping[str, Any]:
        """The configuration of a row (D,) in a space."""
        return self.configurations[int(positions(row[None], self.rows(space))[0])]

    @cached_property
    def _dimensions(self) -> tuple[Dimension, ...]:
        names = dict.fromkeys(name for params in self.configurations for name in params)
        return tuple(
            _dimension(n, [params[n] for params in self.configurations if n in params])
            for n in names
        )


def read_candidates(candidates: Sequence[Mapping[str, Any]]) -> Given:
    """The configurations of a user's list.

    Raises:
        ValueError: The list is empty, or an entry is no configuration.
    """
    wanted = 'a sequence of configurations such as [{"lr": 0.1, "kernel": "rbf"}]'
    if isinstance(candidates, Mapping | str) or not isinstance(candidates, Sequence):
        raise ValueError(f"candidates must be {wanted}, got {type(candidates).__name__}.")
    if not candidates:
        raise ValueError(f"candidates must be {wanted}, got none; leave it out to allow all.")
    for i, params in enumerate(candidates):
        if not isinstance(params, Mapping) or not params:
            raise ValueError(f"candidates must be {wanted}, got {params!r} at position {i}.")
        for name, value in params.items():
            if isinstance(plain(value), float) and not math.isfinite(value):
                raise ValueError(f"Candidate {i} needs a finite {name!r}, got {value}.")
    different = {
        tuple(sorted((n, choice_key(v)) for n, v in params.items())): params
        for params in reversed(candidates)
    }
    kept = reversed(different.values())
    return Given(tuple({str(n): plain(v) for n, v in params.items()} for params in kept))


def _dimension(name: str, values: Sequence[Any]) -> Dimension:
    """The range or the choices that a parameter's values show."""
    numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if not numeric:
        return Dimension(name, choices=tuple({choice_key(v): v for v in values}.values()))
    integer = all(isinstance(v, int) for v in values)
    return Dimension(name, min(values), max(values), integer=integer, step=1.0 * integer)

"""The configurations that a user allows, where only those of a list can be run."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution

from optuna_meta._optuna import contains
from optuna_meta._typing import Array
from optuna_meta.space.dimension import choice_key
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.dimension import plain
from optuna_meta.space.search_space import Space


__all__ = ["CandidateList", "NoCandidateError", "read_candidates"]


class NoCandidateError(ValueError):
    """No candidate can be run: the user's list and objective do not go together."""


@dataclass(frozen=True)
class CandidateList:
    """Configurations to choose from.

    Args:
        configurations: Parameters by name, different ones; some may lack conditional parameters,
            or have ``None`` for them: that is a value only where the target has it as a choice.
    """

    configurations: tuple[Mapping[str, Any], ...]

    @cached_property
    def names(self) -> frozenset[str]:
        """All parameters that any of them has."""
        return frozenset(name for params in self.configurations for name in params)

    def space(
        self,
        search_space: Mapping[str, BaseDistribution],
        expected: Mapping[str, BaseDistribution],
    ) -> Space:
        """Return the space of their parameters.

        Args:
            search_space: The target's distributions, where all trials have had the same.
            expected: Others, widened where the configurations go beyond.
        """
        listed = [span for span in self._spans if span.name not in search_space]
        ranges = {n: d for n, d in {**expected, **search_space}.items() if n in self.names}
        others = [Dimension.from_distribution(n, d) for n, d in ranges.items()]
        return Space.union([[*listed, *others]])

    def eligible(
        self,
        search_space: Mapping[str, BaseDistribution],
        fixed_params: Mapping[str, Any],
        used: Collection[int],
        is_exact: bool,
    ) -> NDArray[np.int64]:
        """Find those to choose from, by index: unused ones in the space, if there are any.

        Where none has the values that are fixed, as when a user has enqueued others, these are
        left out of account.

        Args:
            search_space: The distributions that the trial asks for, or is expected to.
            fixed_params: Values that the trial already has.
            used: Those that other trials have run or will run.
            is_exact: Whether it asks for the distributions in fact: then no others serve.

        Raises:
            NoCandidateError: There is none.
        """
        everyone = range(len(self.configurations))
        inside = {i for i in everyone if self._lies_in(i, search_space)}
        if is_exact and not inside:
            raise NoCandidateError(
                f"None of the {len(everyone)} candidates lies in the distributions that the "
                f"study asks: {dict(search_space)}. Correct candidates= or the objective."
            )
        kept = sorted(inside) if is_exact else list(everyone)
        wanted = {n: choice_key(v) for n, v in fixed_params.items() if n in self.names}
        agreeing = [i for i in kept if wanted.items() <= self._all_keys(i).items()] or kept
        unused = [i for i in agreeing if i in inside and i not in used]
        return np.array(unused or agreeing, dtype=np.int64)

    def _lies_in(self, index: int, search_space: Mapping[str, BaseDistribution]) -> bool:
        """Tell whether a candidate's values lie in the distributions, as far as there are any."""
        params = self.configurations[index]
        return all(_lies_in(search_space[n], v) for n, v in params.items() if n in search_space)

    def tried(self, configurations: Iterable[Mapping[str, Any]]) -> set[int]:
        """Find those that are among the configurations of trials, by index."""
        keys = (
            frozenset(_keys({n: v for n, v in params.items() if n in self.names}).items())
            for params in configurations
        )
        return {self._index[key] for key in keys if key in self._index}

    def rows(self, space: Space, indices: Iterable[int]) -> Array:
        """Encode candidates in a space, as rows (n, D)."""
        choices = {d.name: d.choices or () for d in space.dimensions}
        chosen = (self.configurations[i] for i in indices)
        return space.rows(
            [
                {n: v for n, v in params.items() if v is not None or None in choices.get(n, ())}
                for params in chosen
            ]
        )

    def _all_keys(self, index: int) -> dict[str, tuple[str, Any]]:
        params = self.configurations[index]
        return {name: choice_key(params.get(name)) for name in self.names}

    @cached_property
    def _index(self) -> dict[frozenset[tuple[str, tuple[str, Any]]], int]:
        return {frozenset(_keys(p).items()): i for i, p in enumerate(self.configurations)}

    @cached_property
    def _spans(self) -> tuple[Dimension, ...]:
        columns: dict[str, list[Any]] = {}
        for params in self.configurations:
            for name, value in params.items():
                columns.setdefault(name, []).append(value)
        return tuple(_span(name, values) for name, values in columns.items())


def read_candidates(candidates: Sequence[Mapping[str, Any]]) -> CandidateList:
    """Read the configurations of a user's list.

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
            if isinstance(plain(value), float) and math.isinf(value):
                raise ValueError(f"Candidate {i} needs a finite {name!r}, got {value}.")
        if not _keys(_present(params)):
            raise ValueError(f"Candidate {i} has no parameter: {params!r}.")
    present = [_present(params) for params in reversed(candidates)]
    different = {frozenset(_keys(params).items()): params for params in present}
    return CandidateList(tuple(reversed(different.values())))


def _present(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a candidate without a table's empty cells: a NaN of any kind."""
    return {str(n): plain(v) for n, v in params.items() if not _is_empty(plain(v))}


def _is_empty(value: Any) -> bool:
    is_nan = isinstance(value, float) and math.isnan(value)
    return is_nan or type(value).__name__ in ("NAType", "NaTType")


def _keys(params: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """Return what tells candidates apart; ``None`` may say that the parameter is absent."""
    return {name: choice_key(value) for name, value in params.items() if value is not None}


def _span(name: str, values: Sequence[Any]) -> Dimension:
    """Return the range or the choices of values, of which ``None`` is one among categories."""
    span = Dimension.spanning(name, [v for v in values if v is not None] or [None])
    return Dimension.spanning(name, values) if span.is_categorical else span


def _lies_in(distribution: BaseDistribution, value: Any) -> bool:
    """Tell whether a value can be served exactly or, on a grid, as the nearest one."""
    if value is None:  # Or absent.
        return True
    if isinstance(distribution, CategoricalDistribution):
        return choice_key(value) in map(choice_key, distribution.choices)
    return contains(distribution, value)

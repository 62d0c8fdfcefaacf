"""What was read of a study's finished trials: they never change, so each is read once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.search_space import intersection_search_space
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._optuna import contains
from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import key_of
from optuna_meta.space.dimension import choice_key
from optuna_meta.space.dimension import nearest
from optuna_meta.space.dimension import NOTHING
from optuna_meta.space.search_space import Space


__all__ = ["fitting", "Memory", "Plan", "Plans"]

_MOST_SPACES = 4


@dataclass
class Memory:
    """Finished trials of one study, encoded."""

    _complete: list[Hashable] = field(default_factory=list)
    _common: dict[str, BaseDistribution] = field(default_factory=dict)
    _rows: OrderedDict[str, dict[Hashable, Array]] = field(default_factory=OrderedDict)

    def common_space(self, trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
        """The parameters that all complete trials have in common, in one range."""
        complete = [t for t in trials if t.state == TrialState.COMPLETE]
        keys, n_known = [key_of(t) for t in complete], len(self._complete)
        if n_known and keys[:n_known] == self._complete:
            new = intersection_search_space(complete[n_known:])
            if len(keys) > n_known:
                self._common = {n: d for n, d in self._common.items() if new.get(n) == d}
        else:
            self._common = intersection_search_space(complete)
        self._complete = keys
        return {name: d for name, d in self._common.items() if not d.single()}

    def rows(
        self, space: Space, keys: Sequence[Hashable], params: Sequence[Mapping[str, Any]]
    ) -> Array:
        """Rows (n, D) of n finished trials.

        Args:
            space: The space of the rows.
            keys: What tells the trials apart.
            params: Their configurations.
        """
        name = repr(space)
        known = self._rows.setdefault(name, {})
        self._rows.move_to_end(name)
        if len(self._rows) > _MOST_SPACES:
            self._rows.popitem(last=False)
        new = {key: p for key, p in zip(keys, params, strict=True) if key not in known}
        known.update(zip(new, space.rows(list(new.values())), strict=True))
        return np.array([known[key] for key in keys]).reshape(len(keys), len(space.dimensions))


_MOST_PLANS = 1000  # Plans of trials that never end would pile up.


@dataclass(frozen=True)
class Plan:
    """What one trial will be asked for, as far as it was foreseen.

    Args:
        params: The configuration.
        offered: Parameters that Optuna, or a wrapper, was offered to ask for jointly.
        renewed: Parameters for which the rest was planned anew.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    offered: frozenset[str] = frozenset()
    renewed: frozenset[str] = frozenset()

    def holds(self, name: str, distribution: BaseDistribution, given: Mapping[str, Any]) -> bool:
        """Whether the plan has a value in the asked range, and foresaw the values given so far."""
        kept = (
            choice_key(self.params[n]) == choice_key(given[n]) for n in given if n in self.params
        )
        value = self.params.get(name, NOTHING)
        if value is NOTHING or not contains(distribution, value) or not all(kept):
            return False
        return nearest(distribution, value) is not NOTHING  # To Optuna, True lies in [0, 1].


@dataclass
class Plans:
    """The plans of trials that have not ended."""

    _plans: OrderedDict[tuple[str, int], Plan] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._plans)

    def get(self, study_name: str, number: int) -> Plan | None:
        """The trial's plan, if it has one."""
        return self._plans.get((study_name, number))

    def put(self, study_name: str, number: int, plan: Plan) -> None:
        """Keep a plan; of too many the oldest is forgotten."""
        self._plans[(study_name, number)] = plan
        if len(self._plans) > _MOST_PLANS:
            self._plans.popitem(last=False)

    def drop(self, study_name: str, number: int) -> None:
        """Forget a plan, if there is one."""
        self._plans.pop((study_name, number), None)


def fitting(distribution: BaseDistribution, value: Any) -> Any:
    """The distribution's value nearest to ``value``, or ``NOTHING``."""
    if value is NOTHING:
        return NOTHING
    found = nearest(distribution, value)
    return found if found is not NOTHING and contains(distribution, found) else NOTHING

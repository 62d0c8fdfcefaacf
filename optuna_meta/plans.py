"""Plans of running trials: whole configurations, served parameter by parameter."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import Any

from optuna.distributions import BaseDistribution

from optuna_meta._optuna import contains
from optuna_meta.dimension import choice_key
from optuna_meta.space import nearest
from optuna_meta.space import NOTHING


__all__ = ["fitting", "Plan", "Plans"]

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

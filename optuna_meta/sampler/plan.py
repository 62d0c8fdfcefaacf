"""What one trial will be asked for, and the attribute of the trial that tells other workers."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
import json
import math
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.trial import FrozenTrial

from optuna_meta._optuna import contains
from optuna_meta.space.dimension import choice_key
from optuna_meta.space.dimension import NOTHING
from optuna_meta.space.nearest import nearest


__all__ = ["PLAN_KEY", "Offer", "Plan", "plan_of", "servable"]

# User attribute of all that a plan is: each write of one takes a storage several statements.
# Studies of earlier versions have a system attribute of this name, of the configuration alone.
PLAN_KEY = "optuna_meta:plan"
_MOST_BYTES = 2048  # Of it: every reader of a study loads those of all trials.
_LEAST_BYTES = 600  # Beside a configuration that is as long itself.
# What goes first where it is longer, but for so much of it: the best and the worst agreement.
_SHORTENED = (
    ("agreement", 2),
    ("shares", 0),
    ("agreement", 0),
    ("events", 0),
    ("predicted", 0),
    ("leaned_on", 0),
)
# What it begins with: to optuna-dashboard's table it is a text, which shows these at a glance.
_FIRST = ("source", "trust", "leaned_on")


@dataclass(frozen=True)
class Offer:
    """What a trial was offered to ask for jointly, until it does.

    Args:
        names: The parameters; a wrapper may withhold some.
        trials: The study's trials, on which the offer rests.
    """

    names: frozenset[str]
    trials: Sequence[FrozenTrial]


@dataclass(frozen=True)
class Plan:
    """What one trial will be asked for, as far as it was foreseen.

    Args:
        params: The configuration.
        reason: What the record tells of the suggestion beside it: source, trust and study.
        renewed: Parameters for which the rest was planned anew.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    reason: Mapping[str, Any] = field(default_factory=dict)
    renewed: frozenset[str] = frozenset()

    def holds(self, name: str, distribution: BaseDistribution, params: Mapping[str, Any]) -> bool:
        """Tell whether it has a value in the asked range, and foresaw the parameters so far.

        The nearest one of a grid is as good: to plan anew for each parameter takes its time.
        """
        value = self.params.get(name, NOTHING)
        found = NOTHING if value is NOTHING else nearest(distribution, value)
        if found is NOTHING or not self.agrees(params):
            return False
        if isinstance(distribution, FloatDistribution | IntDistribution):
            return bool(distribution.low <= value <= distribution.high)
        return contains(distribution, value)

    def agrees(self, params: Mapping[str, Any]) -> bool:
        """Tell whether it foresaw these values, as far as it has any of the parameters."""
        known = (n for n in params if n in self.params)
        return all(choice_key(self.params[n]) == choice_key(params[n]) for n in known)

    def record(self) -> dict[str, Any]:
        """Return what the attribute holds, in the order in which a table shows its beginning."""
        first = {key: self.reason[key] for key in _FIRST if key in self.reason}
        return _bounded({**first, "params": dict(self.params), **self.reason})


def plan_of(trial: FrozenTrial) -> Plan | None:
    """Return the plan that is recorded on a trial, if any."""
    record = trial.user_attrs.get(PLAN_KEY)
    if record is None:
        params = trial.system_attrs.get(PLAN_KEY)
        return None if params is None else Plan(params)
    if not isinstance(record, Mapping) or not isinstance(record.get("params"), Mapping):
        return None  # Somebody else's.
    return Plan(record["params"], {k: v for k, v in record.items() if k != "params"})


def servable(distribution: BaseDistribution, value: Any) -> Any:
    """Return the distribution's value nearest to ``value``, or ``NOTHING``."""
    if value is NOTHING:
        return NOTHING
    found = nearest(distribution, value)
    return found if found is not NOTHING and contains(distribution, found) else NOTHING


def _bounded(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record without what strict JSON can't hold, and without what is too long for it.

    The configuration, the source and the trust stay in any case; what matters least goes first.
    """
    kept = {key: value for key, value in record.items() if key == "params" or _is_strict(value)}
    kept["params"] = {n: v for n, v in record.get("params", {}).items() if _is_strict(v)}
    most = max(_MOST_BYTES, _size({"params": kept["params"]}) + _LEAST_BYTES)
    if kept.get("agreement") and _size(kept) > most:  # How much is clear hangs on how many it was.
        kept.setdefault("compared", len(kept["agreement"]))
    for key, least in _SHORTENED:
        while len(kept.get(key) or ()) > least and _size(kept) > most:
            kept[key] = _shortened(kept[key])
    return {key: value for key, value in kept.items() if value or key not in dict(_SHORTENED)}


def _shortened(value: Any) -> Any:
    """Return a value with its last entry left out."""
    if isinstance(value, dict):
        return dict(list(value.items())[:-1])
    return value[:-1] if isinstance(value, list) else None


def _is_strict(value: Any) -> bool:
    """Tell whether there is no number in a value that strict JSON cannot say."""
    if isinstance(value, Mapping):
        return all(map(_is_strict, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_strict, value))
    return not (isinstance(value, float) and not math.isfinite(value))


def _size(record: Mapping[str, Any]) -> int:
    return len(json.dumps(record, default=str))

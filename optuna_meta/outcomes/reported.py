"""One trial -> what it reported on its way, lower is better, by step."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import math

from optuna.trial import FrozenTrial


__all__ = ["CURVE_KEY", "curve_of", "reports_of", "split", "steps_of"]

# User attribute of a trial of several objectives, whose reports Optuna does not keep.
CURVE_KEY = "optuna_meta:curve"


def curve_of(trial: FrozenTrial, sign: float = 1.0) -> dict[int, float]:
    """Read values by step, lower is better; NaN left out, infinite ones the worst there is."""
    return {
        step: math.inf if math.isinf(value) else sign * value
        for step, value in trial.intermediate_values.items()
        if not math.isnan(value)
    }


def reports_of(trial: FrozenTrial, signs: Sequence[float]) -> dict[int, tuple[float, ...]]:
    """Read the K values by step, lower is better, infinite where one diverged.

    Args:
        trial: The trial.
        signs: Of each objective, 1 where lower is better, -1 where higher is.
    """
    if len(signs) == 1:
        return {step: (value,) for step, value in curve_of(trial, signs[0]).items()}
    record = trial.user_attrs.get(CURVE_KEY)
    if not isinstance(record, Mapping):
        return {}
    pairs = zip(record.get("steps", ()), record.get("values", ()), strict=False)
    return {
        int(step): tuple(
            float("inf") if math.isinf(v) else s * v for s, v in zip(signs, values, strict=True)
        )
        for step, values in pairs
        if len(values) == len(signs) and not any(math.isnan(v) for v in values)
    }


def steps_of(trial: FrozenTrial) -> Sequence[int]:
    """Return the steps at which a trial reported, of several objectives those that are kept."""
    record = trial.user_attrs.get(CURVE_KEY)
    if trial.intermediate_values or not isinstance(record, Mapping):
        return tuple(trial.intermediate_values)
    return tuple(map(int, record.get("steps", ())))


def split(
    reports: Mapping[int, tuple[float, ...]], n_objectives: int
) -> tuple[dict[int, float], ...]:
    """Return the values by step of each objective."""
    return tuple({step: v[k] for step, v in reports.items()} for k in range(n_objectives))

"""One run of MLflow -> a found trial."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from collections.abc import Sequence
import json
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.distributions import json_to_distribution
from optuna.trial import TrialState

from optuna_meta.studies.sources.cells import literal
from optuna_meta.studies.sources.found import FoundTrial
from optuna_meta.studies.sources.ranges import as_choice


__all__ = ["DIRECTION_TAGS", "trial_of", "value_metrics"]

DIRECTION_TAGS = ("optuna.study_direction", "direction")
_RANGES, _CURVE, _RANGE_SUFFIX = "param_directions", "intermediate_value", "_distribution"
_ENDS = {"FINISHED": TrialState.COMPLETE, "FAILED": TrialState.FAIL, "KILLED": TrialState.PRUNED}
_KINDS = {
    kind.__name__: kind for kind in (CategoricalDistribution, FloatDistribution, IntDistribution)
}


def value_metrics(
    runs: Sequence[Any], metric: str | None, directions: Sequence[Any] | None
) -> list[str]:
    """Return the metrics that are the runs' values.

    Raises:
        ValueError: No run has the metric, or it is not named where it must be.
    """
    known = sorted({name for run in runs for name in run.data.metrics})
    several = [f"value_{i}" for i in range(len(directions or ()))]
    named = [metric] if metric else several if set(several) & set(known) else ["value"]
    if not set(named) <= set(known):
        wanted = f"no run has the metric {metric!r}" if metric else "metric= must name the value"
        raise ValueError(f"{wanted}; there are {known[:20]}")
    return named


def trial_of(client: Any, run: Any, metrics: Sequence[str], has_curve: bool) -> FoundTrial | None:
    """Return the trial of a run; ``None`` where the run has not ended."""
    tags = run.data.tags
    state = _ENDS.get(run.info.status)
    if "state" in tags and "number" in tags:  # Of Optuna's callback, which finishes all runs.
        state = TrialState.__members__.get(tags["state"].removeprefix("TrialState."), state)
    if state is None or not state.is_finished():
        return None
    ranges = _ranges(tags)
    params = {name: _value(text, ranges.get(name)) for name, text in run.data.params.items()}
    ranges = {name: ranges[name] for name in params if name in ranges}
    values = [run.data.metrics[name] for name in metrics if name in run.data.metrics]
    curve = _curve(client, run) if has_curve else {}
    if state == TrialState.PRUNED and values and not curve:
        curve = {0: values[0]}  # The last that it reported.
    return FoundTrial(params, values if len(values) == len(metrics) else (), state, curve, ranges)


def _curve(client: Any, run: Any) -> dict[int, float]:
    return {m.step: m.value for m in client.get_metric_history(run.info.run_id, _CURVE)}


def _ranges(tags: Mapping[str, str]) -> dict[str, BaseDistribution]:
    """Return the ranges that the tags of an Optuna trial tell."""
    written = json.loads(tags[_RANGES]) if _RANGES in tags else {}
    found = {name: json_to_distribution(text) for name, text in written.items()}
    for tag, text in tags.items():
        if tag.endswith(_RANGE_SUFFIX) and (distribution := _spelled(text)):
            found[tag.removesuffix(_RANGE_SUFFIX)] = distribution
    return found


def _spelled(text: str) -> BaseDistribution | None:
    """Return the distribution whose text this is, as ``FloatDistribution(high=1.0, low=0.0)``."""
    try:
        call = ast.parse(text, mode="eval").body
        assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        arguments = {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg}
        return _KINDS[call.func.id](**arguments)
    except (AssertionError, KeyError, SyntaxError, TypeError, ValueError):
        return None


def _value(text: str, distribution: BaseDistribution | None) -> Any:
    """Return the value that a parameter's text stands for, in its range if that is known."""
    if isinstance(distribution, CategoricalDistribution):
        return as_choice(distribution, text)
    value = literal(text)
    is_float = isinstance(distribution, FloatDistribution)
    return float(value) if is_float and isinstance(value, int) else value

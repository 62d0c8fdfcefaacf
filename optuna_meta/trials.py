"""Trials of one study -> configurations with one comparable value each.

Complete trials keep their value. Failed trials and NaN are left out, as Optuna's own samplers do.
A pruned trial gets the final value that its curve makes likely: the quantile it held, at the last
step that it shares with complete trials, among their final values; never better than its curve.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import math
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta.scaling import finite_values
from optuna_meta.space import Array


__all__ = ["FINISHED", "Observations", "observe"]

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Observations:
    """What a study's finished trials say, in the order of the trials.

    Args:
        params: The configurations, n of them.
        distributions: For each configuration its parameters' distributions.
        values: Objective values, lower is better, finite.  # (n,)
    """

    params: tuple[Mapping[str, Any], ...]
    distributions: tuple[Mapping[str, BaseDistribution], ...]
    values: Array  # (n,)

    def __len__(self) -> int:
        return len(self.params)


def observe(
    trials: Sequence[FrozenTrial], direction: StudyDirection, *, failures: bool = False
) -> Observations:
    """The observations of a single-objective study's trials.

    Args:
        trials: Trials of any state.
        direction: The study's.
        failures: Whether trials that ended without any value rank last, in place of being left
            out: a study that goes on must not go on failing in the same place.
    """
    sign = -1.0 if direction == StudyDirection.MAXIMIZE else 1.0
    complete = [t for t in trials if t.state == TrialState.COMPLETE and _has_value(t)]
    pruned = [t for t in trials if t.state == TrialState.PRUNED and _curve(t, sign)]
    values = finite_values(np.array([_value(t, sign) for t in complete], dtype=float))
    finals = {t.number: float(v) for t, v in zip(complete, values, strict=True)}
    curves = [(_curve(t, sign), finals[t.number]) for t in complete]
    one_measure = _is_one_measure(curves)
    likely = {t.number: _likely_final(_curve(t, sign), curves, one_measure) for t in pruned}
    failed = [t for t in trials if failures and _has_failed(t)]
    kept = sorted([*complete, *pruned, *failed], key=lambda t: t.number)
    known = finals | likely | {t.number: math.inf for t in failed}
    values = np.array([known[t.number] for t in kept], dtype=float)
    return Observations(
        tuple(t.params for t in kept),
        tuple(t.distributions for t in kept),
        finite_values(values),
    )


def _value(trial: FrozenTrial, sign: float) -> float:
    """The trial's value, lower is better; infinite where it violates a constraint."""
    if any(violation > 0 for violation in trial.constraints.values()):
        return math.inf
    return sign * float(trial.values[0])


def _has_failed(trial: FrozenTrial) -> bool:
    """Whether the trial has ended and says of its configuration only that it is no good."""
    if not trial.params:
        return False
    silent = trial.state == TrialState.PRUNED and not _curve(trial, 1.0)
    return silent or trial.state == TrialState.FAIL


def _has_value(trial: FrozenTrial) -> bool:
    return trial.values is not None and not math.isnan(trial.values[0])


def _curve(trial: FrozenTrial, sign: float) -> dict[int, float]:
    """Reported values by step, lower is better; NaN left out, infinite ones the worst there is."""
    reported = sorted(trial.intermediate_values.items())
    return {
        step: math.inf if math.isinf(value) else sign * value
        for step, value in reported
        if not math.isnan(value)
    }


def _likely_final(
    curve: Mapping[int, float],
    complete: Sequence[tuple[Mapping[int, float], float]],
    one_measure: bool,
) -> float:
    """The final value (lower is better) that a pruned trial's curve makes likely."""
    shown = min(curve.values())
    for step in sorted(curve, reverse=True):
        peers = [(c[step], final) for c, final in complete if step in c]
        if peers:
            likely = _same_quantile(curve[step], peers)
            return max(likely, shown) if one_measure else likely
    finals = [final for _, final in complete]
    # Nothing to compare with: a pruner stops what is worse than the middle.
    return max(float(np.median(finals)), shown) if finals else shown


def _same_quantile(value: float, peers: Sequence[tuple[float, float]]) -> float:
    at_step, finals = np.array(peers).T
    better = int(np.sum(at_step < value))
    # With k better peers at this step it ranked k-th from the best (from 0): so does its final.
    return float(np.sort(finals)[min(better, len(finals) - 1)])


def _is_one_measure(complete: Sequence[tuple[Mapping[int, float], float]]) -> bool:
    """Whether curves report what the final value measures: most finals lie on their own curve."""
    curves = [(list(c.values()), final) for c, final in complete if c]
    slack = 1e-9 * max((abs(final) for _, final in curves), default=0.0)
    within = [min(c) - slack <= final <= max(c) + slack for c, final in curves]
    return 2 * sum(within) >= len(within)

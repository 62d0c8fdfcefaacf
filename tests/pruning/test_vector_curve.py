"""Curves of several objectives are written seldom, bounded, in numbers that databases take."""

from __future__ import annotations

import json
import math

from optuna_meta.pruning.vector_curve import VectorCurve


def test_few_writes_and_little_lost() -> None:
    curve, written = VectorCurve(), []
    for step in range(1_000):
        curve.append(step, (1.0, 2.0))
        if curve.is_due:
            written.append(step)
    assert written[:4] == [0, 1, 2, 3]
    assert len(written) < 35
    assert written[-1] > 750


def test_a_record_is_bounded_and_ends_with_the_last_step() -> None:
    curve = VectorCurve()
    for step in range(5_000):
        curve.append(step, (step / 3.0, -step / 7.0, 1.0))
    record = curve.record()
    assert record["steps"][-1] == 4_999
    assert len(json.dumps(record)) < 8_000


def test_odd_values_are_left_out_or_made_finite() -> None:
    curve = VectorCurve()
    for step, values in enumerate([(math.nan, 1.0), (math.inf, -math.inf), (1.0, 2.0)]):
        curve.append(step, values)
    record = curve.record()
    assert record["steps"] == [1, 2]
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert curve.reports((1.0, -1.0)) == {1: (math.inf, math.inf), 2: (1.0, -2.0)}


def test_the_first_report_of_a_step_counts() -> None:
    curve = VectorCurve()
    curve.append(3, (1.0, 1.0))
    curve.append(3, (2.0, 2.0))
    assert curve.reports((1.0, 1.0)) == {3: (1.0, 1.0)}

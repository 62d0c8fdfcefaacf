from __future__ import annotations

import pytest

from benchmarks.cost import features as feature_speed
from benchmarks.cost.features import Work


@pytest.mark.parametrize("kind", feature_speed._MAKERS)
def test_a_line_of_the_table_is_measured(kind: str) -> None:
    timing = feature_speed.measure_features(Work(kind, 300, 6))
    assert 0.0 < timing.again <= timing.first + 0.1
    assert 0.0 < timing.memory < 200.0
    assert feature_speed._line(timing).startswith(f"| {kind} | 300 x 6 | {timing.first:.2f} |")

from __future__ import annotations

import math
import time
from typing import Any

import pytest

from optuna_meta.features.groups import Budget


def test_without_a_limit_all_steps_come_in_their_order() -> None:
    assert list(Budget().steps(["b", "a", "c"])) == ["b", "a", "c"]


def test_without_time_no_step_starts() -> None:
    budget = Budget(0)
    assert not budget.allows()
    assert list(budget.steps(["a"])) == []


def test_no_step_starts_after_the_end_and_a_running_one_is_not_interrupted() -> None:
    budget = Budget(0.05)
    done = []
    for name in budget.steps(["quick", "slow", "never"]):
        if name == "slow":
            time.sleep(0.06)
        done.append(name)
    assert done == ["quick", "slow"]
    assert not budget.allows()


@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False)])
def test_a_bar_appears_on_long_work_where_asked_for(
    progress: bool, shown: bool, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr("optuna_meta.features.groups._DELAY", 0.0)
    assert list(Budget(progress=progress).steps(["one", "two"], "reading")) == ["one", "two"]
    captured = capsys.readouterr()
    assert ("reading" in captured.err) == shown
    assert captured.out == ""


def test_short_work_shows_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(Budget(progress=True).steps(["one"])) == ["one"]
    assert capsys.readouterr().err.strip() == ""


@pytest.mark.parametrize("max_seconds", [-1, -0.5, math.nan])
def test_a_limit_is_no_negative_number(max_seconds: float) -> None:
    with pytest.raises(ValueError, match="max_seconds must be a number of at least 0 or None"):
        Budget(max_seconds)

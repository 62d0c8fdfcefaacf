from __future__ import annotations

import math
import time
from typing import Any

import pytest

from optuna_meta.features.groups import Budget
from optuna_meta.features.groups import Extractor
from optuna_meta.features.groups import Steps


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


def prepare(numbers: list[float], *, seed: int, budget: Budget, scale: float = 1.0) -> Steps:
    return {
        "sums": lambda: {"sum": scale * sum(numbers), "seed": seed, "endless": math.inf},
        "extremes": lambda: {"least": min(numbers), "sum": -1.0, "unlisted": 0.0},
    }


GROUPS = {"sums": ("sum", "endless", "missing", "seed"), "extremes": ("least",)}
DESCRIBE = Extractor("numbers.", GROUPS, prepare)


def same(features: dict[str, float], expected: dict[str, float]) -> bool:
    return list(features) == list(expected) and bool(
        features == pytest.approx(expected, rel=0, nan_ok=True)
    )


def test_features_are_those_that_their_groups_list() -> None:
    sums = {"numbers.sum": 6.0, "numbers.endless": math.nan, "numbers.missing": math.nan}
    sums["numbers.seed"] = 5.0
    assert same(DESCRIBE([1, 2, 3], seed=5), {**sums, "numbers.least": 1.0})
    assert same(DESCRIBE([1, 2, 3], seed=5, groups=["sums"]), sums)
    assert same(DESCRIBE([1, 2, 3], groups="extremes"), {"numbers.least": 1.0})
    assert DESCRIBE([1, 2, 3], scale=2.0)["numbers.sum"] == 12.0


def test_without_time_the_names_are_there() -> None:
    names = [f"numbers.{name}" for group in GROUPS.values() for name in group]
    assert same(DESCRIBE([1], budget=Budget(0)), dict.fromkeys(names, math.nan))


def test_an_unknown_group_is_refused_before_anything_is_read() -> None:
    nothing: Any = None
    with pytest.raises(ValueError, match="groups must be among 'sums', 'extremes', got 'means'"):
        DESCRIBE(nothing, groups=["sums", "means"])

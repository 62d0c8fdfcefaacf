from __future__ import annotations

import optuna
import pytest

from optuna_meta.outcomes.outcome import constraint_keys
from optuna_meta.outcomes.outcome import Measure
from optuna_meta.outcomes.outcome import objectives


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (Measure(), Measure(), True),
        (Measure("loss"), Measure(), True),
        (Measure("loss"), Measure("loss", 1, 2), True),
        (Measure("loss"), Measure("time"), False),
        (Measure("", 1, 2), Measure("time", 1, 2), True),
        (Measure("", 0, 2), Measure("", 1, 2), False),
        (Measure(), Measure("", 0, 2), False),
        (Measure.constraint("size"), Measure.constraint("size"), True),
        (Measure.constraint("size"), Measure.constraint("time"), False),
        (Measure.constraint("size"), Measure("size"), False),
        (Measure.constraint(""), Measure(""), False),
    ],
)
def test_measures_match_by_name_else_by_position(a: Measure, b: Measure, same: bool) -> None:
    assert a.matches(b) == b.matches(a) == same


def test_objectives_have_the_names_that_are_set() -> None:
    assert objectives(1) == (Measure(),)
    assert objectives(2, ["a", "b"]) == (Measure("a", 0, 2), Measure("b", 1, 2))


def test_constraint_keys_are_those_of_any_trial() -> None:
    trials = [
        optuna.trial.create_trial(value=1.0, constraints=constraints)
        for constraints in ({"b": 1.0}, {}, {"a": 0.0, "b": -1.0})
    ]
    assert constraint_keys(trials) == ("a", "b")
    assert constraint_keys([]) == ()

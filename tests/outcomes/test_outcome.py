from __future__ import annotations

import optuna
import pytest

from optuna_meta.outcomes.outcome import constraint_keys
from optuna_meta.outcomes.outcome import objectives
from optuna_meta.outcomes.outcome import Outcome


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (Outcome(), Outcome(), True),
        (Outcome("loss"), Outcome(), True),
        (Outcome("loss"), Outcome("loss", 1, 2), True),
        (Outcome("loss"), Outcome("time"), False),
        (Outcome("", 1, 2), Outcome("time", 1, 2), True),
        (Outcome("", 0, 2), Outcome("", 1, 2), False),
        (Outcome(), Outcome("", 0, 2), False),
        (Outcome.constraint("size"), Outcome.constraint("size"), True),
        (Outcome.constraint("size"), Outcome.constraint("time"), False),
        (Outcome.constraint("size"), Outcome("size"), False),
        (Outcome.constraint(""), Outcome(""), False),
    ],
)
def test_measures_match_by_name_else_by_position(a: Outcome, b: Outcome, same: bool) -> None:
    assert a.matches(b) == b.matches(a) == same


def test_objectives_have_the_names_that_are_set() -> None:
    assert objectives(1) == (Outcome(),)
    assert objectives(2, ["a", "b"]) == (Outcome("a", 0, 2), Outcome("b", 1, 2))


def test_constraint_keys_are_those_of_any_trial() -> None:
    trials = [
        optuna.trial.create_trial(value=1.0, constraints=constraints)
        for constraints in ({"b": 1.0}, {}, {"a": 0.0, "b": -1.0})
    ]
    assert constraint_keys(trials) == ("a", "b")
    assert constraint_keys([]) == ()

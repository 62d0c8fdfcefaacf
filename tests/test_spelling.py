"""Names that are nowhere, and those that may be meant."""

from __future__ import annotations

import pytest

from optuna_meta._spelling import meant
from optuna_meta._spelling import named


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("rate", "model.rate"),
        ("lr", "learning_rate"),
        ("Loss", "loss"),
        ("learningrate", "learning_rate"),
        ("x", None),
    ],
)
def test_the_most_alike_is_meant_if_any_is(name: str, found: str | None) -> None:
    assert meant(name, ["depth", "learning_rate", "loss", "model.rate"]) == found


def test_nothing_is_meant_of_nothing() -> None:
    assert meant("lr", []) is None


def test_a_name_is_told_with_what_may_be_meant_and_all_there_are() -> None:
    assert named("los", ["x", "loss"]) == "'los' (did you mean 'loss'?); there are ['loss', 'x']"
    assert named("y", ["x"]) == "'y'; there are ['x']"

"""Reports are read from Optuna's values or, of several objectives, from an attribute."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

from optuna_meta.outcomes.reported import CURVE_KEY
from optuna_meta.outcomes.reported import reports_of
from optuna_meta.outcomes.reported import split


def trial(record: Any) -> optuna.trial.FrozenTrial:
    return optuna.trial.create_trial(values=[0.0, 0.0], user_attrs={CURVE_KEY: record})


def test_each_objective_has_its_sign() -> None:
    found = reports_of(trial({"steps": [1, 5], "values": [[1.0, 2.0], [3.0, 4.0]]}), (1.0, -1.0))
    assert found == {1: (1.0, -2.0), 5: (3.0, -4.0)}
    assert split(found, 2) == ({1: 1.0, 5: 3.0}, {1: -2.0, 5: -4.0})


def test_of_one_objective_they_are_optunas() -> None:
    one = optuna.trial.create_trial(value=1.0, intermediate_values={0: 2.0, 1: 3.0})
    assert reports_of(one, (-1.0,)) == {0: (-2.0,), 1: (-3.0,)}


@pytest.mark.parametrize(
    "record", [None, [], "x", {}, {"steps": [1]}, {"steps": [1], "values": [[1.0]]}]
)
def test_what_is_no_record_says_nothing(record: Any) -> None:
    assert reports_of(trial(record), (1.0, 1.0)) == {}

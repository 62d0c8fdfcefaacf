"""What a trial keeps of why it is what it is."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import optuna
import pytest

from optuna_meta.sampler.plan import Plan
from optuna_meta.sampler.plan import PLAN_KEY
from optuna_meta.sampler.record import read_record
from optuna_meta.sampler.record import record_of
from optuna_meta.suggest.comparison import Comparison
from optuna_meta.suggest.request import Suggestion


def trial_with(written: Any) -> optuna.trial.FrozenTrial:
    return optuna.trial.create_trial(value=0.0, user_attrs={PLAN_KEY: written})


def test_a_record_is_read_back() -> None:
    written = {
        "params": {"x": 1.0},
        "source": "prior studies and own trials",
        "trust": 0.9,
        "shares": {"a": 0.5, "b": -0.1},
        "agreement": {"a": [0.8, 12], "b": [-0.7, 12]},
        "predicted": [[1.0, 0.5, 1.5]],
        "leaned_on": "a",
        "events": ["dropped: c"],
    }
    record = read_record(trial_with(written))
    assert record is not None
    assert record.shares == {"a": 0.5, "b": -0.1}
    assert record.agreement == {"a": (0.8, 12), "b": (-0.7, 12)}
    assert record.predicted == ((1.0, 0.5, 1.5),)
    assert record.events == ("dropped: c",)
    assert not record.is_probe


def test_a_record_of_an_earlier_version_tells_what_it_has() -> None:
    written = {"params": {}, "source": "test of the prior studies", "trust": 0.8}
    record = read_record(trial_with(written))
    assert record is not None
    assert record.is_probe and record.leaned_on is None and not record.shares


@pytest.mark.parametrize("written", [None, "text", {"params": {"x": 1.0}}])
def test_trials_without_a_reason_have_no_record(written: Any) -> None:
    assert read_record(trial_with(written)) is None


@pytest.mark.parametrize(
    ("more", "leaders"),
    [
        ({}, ()),
        ({"leaned_on": "a"}, ("a",)),
        (
            {"leaned_on": "a", "shares": {"a": 0.3, "b": 0.299, "c": -0.28, "d": 0.2}},
            ("a", "b", "c"),
        ),
        ({"leaned_on": "a", "shares": {"a": 0.3, "b": 0.2}}, ("a",)),
        ({"leaned_on": "a", "shares": {"a": 0.2, "its twin": 0.2, "b": 0.3}}, ("a", "its twin")),
    ],
)
def test_leaders_are_all_of_nearly_equal_shares(
    more: dict[str, Any], leaders: tuple[str, ...]
) -> None:
    record = read_record(trial_with({"source": "prior studies", "trust": 0.8, **more}))
    assert record is not None and record.leaders == leaders


def test_what_is_judged_of_prior_studies_stays_in_a_record_that_is_too_long() -> None:
    """However long their names are: the best and the worst agreement, and of how many they are."""
    names = [f"{i} of {'many ' * 16}" for i in range(12)]
    correlations = np.linspace(-0.9, 0.7, 12)
    shares, weights = np.full(12, 0.05), np.full(12, 1 / 12)
    compared = Comparison(correlations, 20, True)
    made = Suggestion(np.zeros(1), 20, 0.9, weights, shares, compared, tuple(range(12)))
    written = Plan({"x": 1.0}, record_of(made, names, ())).record()
    assert len(json.dumps(written)) <= 2048 and len(written["agreement"]) < 12
    read = read_record(trial_with(written))
    assert read is not None and read.n_compared == 12
    assert read.agreement[names[11]] == (0.7, 20) and read.agreement[names[0]] == (-0.9, 20)

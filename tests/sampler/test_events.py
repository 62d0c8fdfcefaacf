"""What happens to the prior studies is recorded when it happens, and told once."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest

from optuna_meta import read_record
from optuna_meta import study_events
from optuna_meta.sampler.events import new_events
from optuna_meta.sampler.preflight import Preflight
from optuna_meta.sampler.record import TrialRecord
from optuna_meta.suggest.comparison import Comparison
from optuna_meta.suggest.request import Suggestion
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import meta_sampler
from tests.toys import run


NAMES = ("a", "b")
COMPARED = Preflight(2, 40, ("x",), {"y": None}, (), (1, 1), (0, 0), {"broken": "it is empty"})
BEGUN = ("used: 2 prior studies (a, b)", "shared: 1 of 1 parameters")


def suggestion(shares: list[float], trust: float = 0.9, **options: Any) -> Suggestion:
    agreement, n_trials = options.pop("agreement", [0.5, 0.5]), options.pop("n_trials", 9)
    compared = Comparison(np.array(agreement), n_trials, options.pop("is_from_scratch", True))
    order = tuple(np.argsort(-np.abs(shares)).tolist())
    weights = np.full(2, 0.5)
    row = np.zeros(1)
    return Suggestion(row, n_trials, trust, weights, np.array(shares), compared, order, **options)


def records(*shares: dict[str, float]) -> list[TrialRecord]:
    """Records of so many trials, the first of which tells of the start."""
    return [
        TrialRecord(i, "prior studies and own trials", 0.9, s, events=() if i else BEGUN)
        for i, s in enumerate(shares)
    ]


def events_of(before: list[TrialRecord], now: Suggestion) -> list[str]:
    return new_events(before, now, NAMES, lambda: COMPARED)


def test_the_start_tells_what_is_used_and_shared() -> None:
    assert events_of([], suggestion([0.5, 0.4])) == [
        "used: 2 prior studies (a, b)",
        "left out: broken: it is empty",
        "shared: 1 of 2 parameters",
        "unshared: y",
    ]


def test_what_is_of_no_use_three_times_is_dropped_once() -> None:
    both, one = {"a": 0.5, "b": 0.3}, {"a": 0.8}
    assert events_of(records(both, both, one), suggestion([0.8, 0.0])) == []
    before = records(both, both, one, one)
    assert events_of(before, suggestion([0.8, 0.0])) == ["dropped: b"]
    told = [*before, TrialRecord(4, "prior studies", 0.9, one, events=("dropped: b",))]
    assert events_of(told, suggestion([0.8, 0.0])) == []
    assert events_of(told, suggestion([0.6, 0.2])) == ["back: b"]


def test_a_test_of_the_prior_studies_drops_none() -> None:
    before = records(*[{"a": 0.5, "b": 0.3}] * 2, *[{"a": 0.8}] * 2)
    assert events_of(before, suggestion([0.8, 0.0], is_probe=True)) == []


def test_a_study_goes_on_alone_and_together_again() -> None:
    before = records({"a": 0.5, "b": 0.5})
    (alone,) = events_of(before, suggestion([0.0, 0.0], trust=0.01, n_trials=5))
    assert alone.startswith("alone: why is not clear: too few own trials")
    left = [*before, TrialRecord(1, "cold start", 0.01, events=(alone,))]
    assert events_of(left, suggestion([0.0, 0.0], trust=0.01)) == []
    (clear,) = events_of(left, suggestion([0.0, 0.0], trust=0.01, n_trials=40))
    assert clear.startswith("alone: no longer needed: prior studies agree")
    agreement = {"a": (0.5, 40)}
    left.append(TrialRecord(2, "cold start", 0.01, agreement=agreement, events=(clear,)))
    assert events_of(left, suggestion([0.0, 0.0], trust=0.01, n_trials=41)) == []
    assert events_of(left, suggestion([0.0, 0.0], trust=0.01, n_trials=10)) == []
    (again,) = events_of(left, suggestion([0.5, 0.4]))
    assert again.startswith("together: ")


@pytest.mark.parametrize(("n_trials", "told"), [(4, []), (12, ["reversed: b"])])
def test_a_reversed_order_is_told_once_enough_trials_show_it(
    n_trials: int, told: list[str]
) -> None:
    now = suggestion([0.5, -0.2], agreement=[0.6, -0.8], n_trials=n_trials)
    assert events_of(records({"a": 0.5, "b": 0.5}), now) == told


def test_trials_from_trained_weights_call_no_order_reversed() -> None:
    options = {"agreement": [0.6, -0.8], "n_trials": 12}
    before = records({"a": 0.5, "b": 0.5})
    assert events_of(before, suggestion([0.5, -0.2], **options)) == ["reversed: b"]
    assert events_of(before, suggestion([0.5, -0.2], **options, is_from_scratch=False)) == []


def test_a_chance_order_of_noise_is_not_called_reversed() -> None:
    """The model has not used it so: it takes more."""
    now = suggestion([0.5, 0.0], agreement=[0.6, -0.65], n_trials=9)
    assert events_of(records({"a": 0.5}), now) == []
    assert events_of(records({"a": 0.5, "b": -0.1}), now) == ["reversed: b"]


def test_a_reversed_order_is_told_though_the_study_goes_on_alone() -> None:
    now = suggestion([0.0, 0.0], trust=0.01, agreement=[0.8, -0.9], n_trials=20)
    assert events_of(records({"a": 0.5}), now)[-1] == "reversed: b"


def test_a_study_tells_its_events_without_the_sampler(logged: Any) -> None:
    priors = [
        *(run(bowl(c), 15, seed=i, study_name=f"near {i}") for i, c in enumerate((0.27, 0.33))),
        run(bowl(0.3, sign=-1.0), 15, seed=7, study_name="reversed"),
    ]
    study = run(bowl(), 12, sampler=meta_sampler(priors))
    bare = optuna.load_study(study_name=study.study_name, storage=study._storage)
    events = study_events(bare)
    assert [number for number, _ in events] == sorted(number for number, _ in events)
    told = [event for _, event in events]
    assert len(set(told)) == len(told) and told[0].startswith("used: 3 prior studies")
    assert "shared: 3 of 3 parameters" in told
    found = {event.partition(": ")[2] for event in told if event.startswith("reversed:")}
    assert found <= {"reversed"}
    last = read_record(bare.trials[-1])
    assert last is not None and last.shares.get("reversed", 0.0) <= 0.0
    assert all(last.shares.get(f"near {i}", 0.0) >= 0.0 for i in range(2))


def test_what_happens_is_logged_once(logged: Any) -> None:
    run(bowl(), 8, sampler=meta_sampler(bowl_prior()))
    assert len(logged.messages) == len(set(logged.messages))

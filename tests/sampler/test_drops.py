"""When prior studies were left, and how much say they had had."""

from __future__ import annotations

from optuna_meta import explain_trial
from optuna_meta.sampler.drops import drops
from optuna_meta.sampler.record import TrialRecord
from tests.visualization.studies import record
from tests.visualization.studies import recorded_study


def course(trust: list[float], **events: str) -> list[TrialRecord]:
    """Records in which both studies have a share for as long as the trust is high."""
    told = {int(number[1:]): (event,) for number, event in events.items()}
    shares = {"a": 0.5, "b": 0.1}
    return [
        TrialRecord(i, "", t, shares if t >= 0.1 else {}, events=told.get(i, ()))
        for i, t in enumerate(trust)
    ]


def test_a_drop_has_its_trial_its_trust_and_the_last_share() -> None:
    found = drops(
        [*course([0.9, 0.8]), TrialRecord(2, "", 0.7, {"a": 0.5}, events=("dropped: b",))]
    )
    assert set(found) == {"b"}
    assert str(found["b"]) == "dropped at trial 2 (trust 0.70; share 0.10 at trial 1)"


def test_what_came_back_was_not_left() -> None:
    assert not drops(course([0.9, 0.8, 0.7], t1="dropped: b", t2="back: b"))


def test_a_study_alone_has_left_all_that_had_a_say() -> None:
    found = drops(course([0.9, 0.8, 0.05, 0.01], t1="dropped: b"))
    assert (found["a"].number, found["a"].trust, found["a"].is_alone) == (2, 0.05, True)
    assert (found["b"].number, found["b"].is_alone) == (1, False)
    assert not drops(course([0.9, 0.05, 0.5])), "together again"
    assert not drops(course([0.05, 0.01])), "what never had a say was never left"


def test_a_past_trial_tells_what_had_been_left_by_then() -> None:
    told = [record(0.9, shares={"a": 0.5}), record(0.05), record(0.02)]
    study = recorded_study(told)
    assert "dropped" not in str(explain_trial(study, 0))
    for number in (1, 2):
        assert "dropped at trial 1 (study alone, trust 0.05; share 0.50 at trial 0)" in str(
            explain_trial(study, number)
        )

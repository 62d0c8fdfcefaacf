from __future__ import annotations

from typing import Any

import numpy as np
from optuna.distributions import FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import create_trial
from optuna.trial import FrozenTrial
from optuna.trial import TrialState
import pytest

from optuna_meta.outcomes.observations import observe
from optuna_meta.sampler.history import History
from optuna_meta.space.search_space import Space
from tests.toys import bowl
from tests.toys import run


def history_of(trials: list[FrozenTrial]) -> History:
    history = History()
    for trial in trials:
        history.append(trial)
    return history


def trial(number: int, high: float, state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    made = create_trial(
        state=state,
        value=1.0 if state == TrialState.COMPLETE else None,
        params={"x": 1.0},
        distributions={"x": FloatDistribution(0.0, high)},
    )
    made.number = number
    return made


def test_rows_are_those_of_the_space_and_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    trials, encoded = run(bowl(), 6).trials, []
    space = Space.from_distributions(trials[0].distributions)
    expected = space.rows([t.params for t in trials])
    original = Space.rows

    def rows(self: Space, configurations: Any) -> Any:
        encoded.extend(configurations)
        return original(self, configurations)

    monkeypatch.setattr(Space, "rows", rows)
    history = history_of(trials[:4])
    np.testing.assert_array_equal(history.rows(space), expected[:4])
    for t in trials[4:]:
        history.append(t)
    np.testing.assert_array_equal(history.rows(space), expected)
    assert encoded == [t.params for t in trials]


def test_spaces_do_not_mix_and_the_oldest_is_forgotten() -> None:
    history = history_of([trial(0, 1.0)])
    for high in range(1, 9):
        space = Space.from_distributions({"x": FloatDistribution(0, high)})
        assert history.rows(space)[0, 0] == pytest.approx(1.0 / high)
    assert len(history._rows) == 4
    assert History().rows(space).shape == (0, 1)


def test_the_latest_range_is_that_of_the_highest_number_whenever_it_is_read() -> None:
    history = history_of([trial(4, 4.0), trial(2, 2.0, TrialState.FAIL)])
    known, changing = history.ranges()
    assert known == {"x": FloatDistribution(0.0, 4.0)} and changing == {"x"}
    assert history.ranges([trial(7, 7.0, TrialState.RUNNING)])[0]["x"].high == 7.0
    assert history.ranges()[0]["x"].high == 4.0  # What runs may change yet.
    assert history_of([trial(1, 4.0), trial(0, 4.0)]).ranges()[1] == set()


def test_reports_are_those_of_a_study_read_at_once_in_whatever_order() -> None:
    rng = np.random.default_rng(0)
    trials, history = [], History()
    for number in range(40):
        state = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL][number % 3]
        curve = {int(s): float(rng.normal()) for s in rng.choice(6, size=3, replace=False)}
        made = create_trial(
            state=state,
            value=float(rng.normal()) if state == TrialState.COMPLETE else None,
            intermediate_values=curve,
            constraints={"even": 1.0} if number % 2 else {},
        )
        made.number = number
        trials.append(made)
    places = rng.permutation(40)
    for count, place in enumerate(places, start=1):
        history.append(trials[place])
        read = sorted((trials[i] for i in places[:count]), key=lambda t: t.number)
        expected = observe(read, [StudyDirection.MAXIMIZE], ["even"])
        found = history.reports([StudyDirection.MAXIMIZE], ["even"])
        np.testing.assert_array_equal(found.values, expected.values)
        np.testing.assert_array_equal(found.constraint_values, expected.constraint_values)
        np.testing.assert_array_equal(found.measured, expected.measured)
    assert history.failed.tolist() == []  # They had no parameters.
    assert history.whole.sum() == len(found.values)


def test_failed_trials_come_by_number() -> None:
    history = history_of([trial(n, 1.0, TrialState.FAIL) for n in (5, 1, 3)])
    assert history.numbers[history.failed].tolist() == [1, 3, 5]

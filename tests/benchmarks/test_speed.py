from __future__ import annotations

import pytest

from benchmarks.cost import suggestion as speed


def test_every_sampler_and_number_of_priors_is_timed() -> None:
    load = speed.Load(n_priors=2, growth=(1, 3), prior_trials=5, trial=8)
    timings = speed.measure(load)
    samplers = ["TPESampler", "GPSampler", "MetaSampler", "MetaSampler", "MetaSampler"]
    assert [t.sampler for t in timings] == samplers
    assert [t.n_priors for t in timings] == [2, 2, 2, 1, 3]
    assert min(t.suggestion_ms for t in timings) > 0.0
    comparison = speed._comparison(load, timings[:3])
    assert "around trial 8, 8 parameters, 2 prior studies of 5 trials" in comparison
    assert "TPESampler" in comparison and "| 1.00 |" in comparison
    assert speed._growth(timings[3:]).count("\n| ") == 4


def test_timed_trials_are_around_the_one_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def suggestion(study: speed.optuna.Study, task: object) -> float:
        asked.append(len(study.trials) + 1)
        study.tell(study.ask(), 1.0)
        return 0.0

    monkeypatch.setattr(speed, "_one_suggestion", suggestion)
    speed._time("TPESampler", [], 40)
    assert asked[len(asked) // 2] == 40 and len(asked) == 11

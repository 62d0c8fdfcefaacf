"""A study ends when the next trial promises too little."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from optuna_meta import StopWhenNotWorthIt
from optuna_meta.pruning.worth import ENDED_KEY
from optuna_meta.pruning.worth import expected_gain
from optuna_meta.pruning.worth import relative_gain
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import run


def test_the_gain_is_in_units_of_the_spread() -> None:
    values = np.array([4.0, 2.0, 3.0, 1.0, 2.5])
    assert relative_gain(values, 3) == (2.0 - 1.0) / (3.0 - 2.0) / 2
    assert relative_gain(1e6 * values + 5.0, 3) == pytest.approx(relative_gain(values, 3))


def test_of_equals_the_best_is_ahead_by_what_n_trials_gained() -> None:
    """With n alike and independent, the next one improves by about that on average."""
    rng = np.random.default_rng(0)
    drawn = rng.exponential(size=(20_000, 11))
    gained = np.maximum(drawn[:, :10].min(axis=1) - drawn[:, 10], 0.0).mean()
    expected = np.mean([expected_gain(values, []) for values in drawn[:, :10]])
    assert gained < expected < 1.5 * gained


def test_prior_studies_that_went_on_improving_raise_hope() -> None:
    values = np.array([5.0, 4.0, 3.0, 2.9, 2.8])
    going, done = np.linspace(10.0, 0.0, 20), np.r_[np.linspace(10.0, 0.0, 5), np.ones(15)]
    assert expected_gain(values, [going] * 3) > 5.0 * expected_gain(values, [done] * 3)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_it_ends_the_study_and_says_so(direction: str) -> None:
    sign = 1.0 if direction == "minimize" else -1.0
    study = optuna.create_study(direction=direction, sampler=optuna.samplers.RandomSampler(seed=0))
    stop = StopWhenNotWorthIt(0.01, prior_studies=bowl_prior())
    study.optimize(bowl(sign=sign), n_trials=200, callbacks=[stop])
    assert 5 <= len(study.trials) < 100
    assert "less than 0.01" in study.user_attrs[ENDED_KEY]


def test_dear_trials_end_it_sooner() -> None:
    study = run(bowl(), 30, seed=1)
    stop = StopWhenNotWorthIt(seconds_per_unit=1e-12)
    study.optimize(bowl(), n_trials=9, callbacks=[stop])
    assert len(study.trials) == 31
    assert "not worth its" in study.user_attrs[ENDED_KEY]
    patient = run(bowl(), 30, seed=1)
    StopWhenNotWorthIt(seconds_per_unit=1e12)(patient, patient.trials[-1])
    assert ENDED_KEY not in patient.user_attrs


def test_few_trials_are_never_enough() -> None:
    study = run(bowl(), 4)
    StopWhenNotWorthIt(1e9)(study, study.trials[-1])
    assert ENDED_KEY not in study.user_attrs


@pytest.mark.parametrize("options", [{}, {"least_gain": 0.0}, {"seconds_per_unit": -1.0}])
def test_a_threshold_is_needed(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"needs least_gain= or seconds_per_unit=, positive"):
        StopWhenNotWorthIt(**options)

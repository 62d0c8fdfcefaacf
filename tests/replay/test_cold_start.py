"""Cold starts on a function, until they are as good."""

from __future__ import annotations

import logging

import numpy as np
import optuna
from optuna.study import StudyDirection

from optuna_meta.replay.cold_start import best_so_far
from optuna_meta.replay.cold_start import replayed_objective
from optuna_meta.replay.cold_start import run_cold
from tests.toys import bowl
from tests.toys import meta_sampler
from tests.visualization.studies import bowl_study


def test_it_stops_where_the_goal_is_reached() -> None:
    values = run_cold(bowl(), meta_sampler(None), 0.1, 60)
    assert values[-1] <= 0.1 and (values[:-1] > 0.1).all() and len(values) < 60
    assert len(run_cold(bowl(), meta_sampler(None), -1.0, 5)) == 5


def test_higher_is_better_where_the_study_maximises() -> None:
    values = run_cold(bowl(sign=-1.0), meta_sampler(None), -0.1, 60, StudyDirection.MAXIMIZE)
    assert values[-1] >= -0.1 and (values[:-1] < -0.1).all()


def test_pruned_trials_count_and_have_no_value() -> None:
    def objective(trial: optuna.Trial) -> float:
        if trial.number % 2:
            raise optuna.TrialPruned
        return bowl()(trial)

    values = run_cold(objective, meta_sampler(None), -1.0, 4)
    assert np.isnan(values).tolist() == [False, True, False, True]


def test_nothing_is_logged_of_its_studies() -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    seen: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("optuna")
    logger.addHandler(handler)
    run_cold(bowl(), meta_sampler(None), -1.0, 2)
    optuna.create_study(study_name="a user's")
    logger.removeHandler(handler)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    assert len([text for text in seen if "created" in text]) == 1


def test_the_best_so_far_ends_with_the_goal() -> None:
    found = best_so_far(np.array([3.0, np.nan, 2.0, 0.5]), 1.0, 6)
    assert found.tolist() == [3.0, 3.0, 2.0, 1.0, 1.0, 1.0]


def test_a_replayed_objective_has_the_studys_best_value_at_its_best_trial() -> None:
    study = bowl_study()
    model = study.sampler.model_of(study)  # type: ignore[attr-defined]
    for seed in range(3):
        objective = replayed_objective(model, np.random.default_rng(seed))
        fixed = optuna.trial.FixedTrial(study.best_params)
        assert np.isclose(objective(fixed), study.best_value)  # type: ignore[arg-type]

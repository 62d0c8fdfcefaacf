"""A study's course against others'."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import optuna
import pytest

from optuna_meta.replay.saving import Saving
from optuna_meta.visualization import plot_transfer_history
from optuna_meta.visualization.target_values import target_values
from optuna_meta.visualization.transfer_history import normalised_course
from optuna_meta.visualization.transfer_history import top_of
from optuna_meta.visualization.transfer_history import transfer_history
from tests.visualization.studies import bowl_study


def test_a_course_goes_from_its_start_to_zero_and_the_median_is_one() -> None:
    course = normalised_course(np.array([4.0, 5.0, 2.0, 0.0, 8.0]))
    np.testing.assert_allclose(course, [1.0, 1.0, 0.5, 0.0, 0.0])


def test_a_course_can_be_measured_by_other_values() -> None:
    course = normalised_course(np.array([6.0, 2.0]), np.array([0.0, 2.0, 4.0]))
    np.testing.assert_allclose(course, [3.0, 1.0])


def test_equal_values_are_all_best() -> None:
    assert normalised_course(np.ones(3)).tolist() == [0.0, 0.0, 0.0]
    assert len(normalised_course(np.zeros(0))) == 0


def test_cold_starts_are_measured_by_the_study() -> None:
    study = optuna.create_study(direction="maximize")
    for value in (0.0, 2.0, 4.0):
        study.add_trial(optuna.trial.create_trial(value=value))
    values = target_values(study, None)
    courses = np.array([[-2.0, 4.0], [-2.0, 4.0]])
    saving = Saving(3, 4.0, np.array([2.0, 2.0]), 2, courses=courses)
    history = transfer_history(values, {"prior": np.array([1.0, 0.0])}, saving)
    np.testing.assert_allclose(history.own, [2.0, 1.0, 0.0])
    np.testing.assert_allclose(history.priors["prior"], [2.0, 0.0])
    assert history.cold is not None
    np.testing.assert_allclose(history.cold.median, [3.0, 0.0])
    assert top_of(history) == pytest.approx(2.2)


def test_the_figure_has_the_study_its_priors_and_the_cold_start() -> None:
    pytest.importorskip("plotly")
    study = bowl_study()
    saving = Saving(4, 0.1, np.array([3.0]), 3, courses=np.array([[1.0, 0.5, 0.1]]))
    figure = plot_transfer_history(study, saving=saving)
    names = [trace.name for trace in figure.data]
    assert names[-1] == "this study" and "cold start (estimate)" in names
    assert {f"bowl {i}" for i in range(5)} < set(names)
    assert len(figure.data[-1].x) == 10
    of_weights = replace(saving, start="old")
    names = [trace.name for trace in plot_transfer_history(study, saving=of_weights).data]
    assert "cold start from the same weights (estimate)" in names
    assert "80% of cold starts from the same weights (estimate)" in names


def test_without_the_sampler_it_says_what_to_pass() -> None:
    pytest.importorskip("plotly")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler())
    study.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(ValueError, match="got RandomSampler: pass sampler=MetaSampler"):
        plot_transfer_history(study)


def test_of_another_function_only_the_study_is_shown() -> None:
    pytest.importorskip("plotly")
    figure = plot_transfer_history(bowl_study(), target=lambda t: t.values[0] + t.number)
    assert [trace.name for trace in figure.data] == ["this study"]

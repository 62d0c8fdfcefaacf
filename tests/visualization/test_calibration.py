"""Predicted intervals against values."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from optuna_meta.sampler.record import TrialRecord
from optuna_meta.visualization import plot_calibration
from optuna_meta.visualization.calibration import calibration
from tests.visualization.studies import record
from tests.visualization.studies import recorded_study
from tests.visualization.studies import telling_study


def predicting(number: int, *predicted: tuple[float, float, float]) -> TrialRecord:
    return TrialRecord(number, "prior studies", 0.9, predicted=predicted)


def test_pairs_are_those_of_trials_with_a_prediction() -> None:
    records = [predicting(0, (1.0, 0.0, 2.0)), None, predicting(3), predicting(4, (1.0, 0.0, 2.0))]
    found = calibration(records, np.array([1.5, 1.0, 1.0, 3.0]), 0)
    assert found.numbers.tolist() == [0, 4]
    assert found.observed.tolist() == [1.5, 3.0]
    assert found.is_inside.tolist() == [True, False]


def test_the_objective_chooses_among_predictions() -> None:
    records = [predicting(0, (1.0, 0.0, 2.0), (10.0, 9.0, 11.0))]
    found = calibration(records, np.array([9.5]), 1)
    assert found.means.tolist() == [10.0] and found.is_inside.all()


def test_the_title_counts_what_is_inside() -> None:
    pytest.importorskip("plotly")
    figure = plot_calibration(telling_study(values=[0.0, 1, 2, 3, 4, 5, 6, 60]))
    assert "7 of 8 inside" in figure.layout.title.text
    assert [len(trace.x) for trace in figure.data] == [7, 1, 2]


def test_several_objectives_need_a_target() -> None:
    pytest.importorskip("plotly")
    attrs = record(predicted=[[0.0, -1.0, 1.0], [5.0, 4.0, 4.5]])
    study = recorded_study([attrs, attrs], directions=["minimize", "maximize"])
    with pytest.raises(ValueError, match="2 objectives: say which"):
        plot_calibration(study)
    figure = plot_calibration(study, target=lambda trial: trial.values[0], target_name="loss")
    assert figure.layout.xaxis.title.text == "loss, observed"
    with pytest.raises(ValueError, match=r"must return one of trial\.values"):
        plot_calibration(study, target=lambda trial: trial.number + 0.5)


def test_without_predictions_the_figure_says_so() -> None:
    pytest.importorskip("plotly")
    assert not plot_calibration(optuna.create_study()).data

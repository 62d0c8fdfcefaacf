"""Trust and shares over the trials."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from optuna_meta.sampler.record import TrialRecord
from optuna_meta.visualization import plot_trust
from optuna_meta.visualization.trust import records_of
from optuna_meta.visualization.trust import trust_course
from tests.visualization.studies import telling_study
from tests.visualization.studies import WEIRD


def test_the_course_holds_what_trials_recorded() -> None:
    course = trust_course(records_of(telling_study()))
    assert course.numbers.tolist() == [*range(8)]
    np.testing.assert_allclose(course.trust, 0.9 - 0.1 * np.arange(8))
    assert course.names == ("helpful", WEIRD)
    np.testing.assert_allclose(course.shares[:, 0], 0.5)
    assert (course.shares[:, 1] < 0.0).all()
    assert np.flatnonzero(course.probes).tolist() == [5]
    assert course.drops == ((4, "noise"),)
    np.testing.assert_allclose(course.agreement, 0.8)


def test_of_many_prior_studies_the_strongest_are_shown() -> None:
    shares = {f"study {i}": 0.01 * i for i in range(20)}
    course = trust_course([TrialRecord(0, "prior studies", 0.5, shares)], most_studies=3)
    assert course.names == ("study 19", "study 18", "study 17")
    assert course.shares.shape == (1, 3)


def test_the_figure_has_a_line_for_each_and_marks() -> None:
    pytest.importorskip("plotly")
    figure = plot_trust(telling_study())
    names = [trace.name for trace in figure.data]
    assert names[:2] == ["trust", "helpful"] and names[-1] == "test of the prior studies"
    assert "&lt;b&gt;" in names[2] and "$" not in names[2] and len(names) == 5
    assert names[3].startswith("agreement")
    assert len(figure.layout.shapes) == 1
    assert figure.layout.annotations[0].text == "noise dropped"


def test_without_records_the_figure_says_so() -> None:
    pytest.importorskip("plotly")
    study = optuna.create_study()
    study.add_trial(optuna.trial.create_trial(value=1.0))
    figure = plot_trust(study)
    assert not figure.data and "MetaSampler" in figure.layout.annotations[0].text

"""The figures of a report."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

from optuna_meta.reporting.figures import all_figures
from optuna_meta.reporting.figures import MOST_BYTES
from optuna_meta.reporting.figures import published_figures
from optuna_meta.reporting.summary import summarise
from tests.visualization.studies import bowl_study
from tests.visualization.studies import record
from tests.visualization.studies import recorded_study


pytest.importorskip("plotly")


def test_four_figures_at_most_are_published_under_the_same_ids() -> None:
    study = bowl_study()
    figures = published_figures(study, study.sampler, summarise(study))
    ids = [f"optuna_meta-{name}" for name in ("trust", "history", "map", "more")]
    assert list(figures) == ids
    assert all(len(f.to_json().encode()) <= MOST_BYTES for f in figures.values())


def test_large_studies_have_small_figures() -> None:
    """A thousand trials after as many prior studies as a record names."""
    shares = {f"study {i} {'é' * 60}": 0.1 for i in range(10)}
    attrs: list[dict[str, Any]] = [
        record(0.5, shares=shares, predicted=[[0.123456, -1.23456, 2.3456]], events=["dropped: a"])
        for _ in range(1000)
    ]
    study = recorded_study(attrs)
    figures = published_figures(study, None, summarise(study))
    assert list(figures) == ["optuna_meta-trust", "optuna_meta-more"]
    for figure in figures.values():
        assert len(figure.data) and len(figure.to_json().encode()) <= MOST_BYTES


def test_what_would_be_too_large_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optuna_meta.reporting.figures.MOST_BYTES", 300)
    study = recorded_study([record(0.5)] * 3)
    (figure, _) = published_figures(study, None, summarise(study)).values()
    assert not figure.data and "too large" in figure.layout.annotations[0].text


def test_a_study_of_several_objectives_has_figures_of_the_first() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=bowl_study().sampler)
    for i in range(4):
        study.add_trial(optuna.trial.create_trial(values=[float(i), 1.0]))
    assert len(published_figures(study, study.sampler, summarise(study))) == 4
    assert len(all_figures(study, study.sampler, summarise(study))) == 6

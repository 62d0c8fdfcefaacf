"""What records come to."""

from __future__ import annotations

import optuna
import pytest

from optuna_meta.reporting.summary import prior_reports
from optuna_meta.reporting.summary import summarise
from optuna_meta.sampler.record import TrialRecord
from optuna_meta.sampler.shown import REVERSED
from tests.visualization.studies import telling_study
from tests.visualization.studies import WEIRD


def test_prior_studies_are_told_by_their_shares() -> None:
    summary = summarise(telling_study())
    helpful, noise, weird = summary.priors
    assert helpful.name == "helpful" and helpful.share == pytest.approx(0.5)
    assert helpful.n_led == 8 and helpful.agreement == (0.8, 9) and not helpful.order
    assert noise.name == "noise" and noise.dropped is not None and noise.agreement is None
    assert weird.name == WEIRD and weird.order == REVERSED
    assert weird.last_share == pytest.approx(-0.17)


def test_what_came_back_is_not_dropped() -> None:
    events = {3: ("dropped: a: b",), 5: ("dropped: c",), 7: ("back: c",)}
    records = [TrialRecord(i, "", 0.5, {"d": 0.3}, events=events.get(i, ())) for i in range(8)]
    priors = {prior.name: prior for prior in prior_reports(records)}
    left = priors["a: b"].dropped
    assert left is not None and left.number == 3 and "c" not in priors


def test_a_reversed_order_is_told_of_records_without_the_event() -> None:
    """Trials near the optimum tell nothing of the order any more, but do not refute it."""
    courses = {
        "shown": [-0.9, -0.6, -0.2],
        "too weak": [-0.5, -0.4, -0.3],
        "refuted": [-0.9, 0.1, 0.8],
    }
    records = [
        TrialRecord(i, "", 0.5, {}, {name: (r[i], 12 + 6 * i) for name, r in courses.items()})
        for i in range(3)
    ]
    found = [prior.name for prior in prior_reports(records) if prior.order == REVERSED]
    assert found == ["shown"]


def test_a_study_is_summarised() -> None:
    study = telling_study(direction="maximize")
    summary = summarise(study)
    assert (summary.n_trials, summary.n_recorded, summary.n_probes) == (8, 8, 1)
    assert summary.best is not None and summary.best.number == 7
    assert summary.trust == (0.9, pytest.approx(0.2))
    assert summary.events == ((4, "dropped: noise"), (6, f"reversed: {WEIRD}"))
    assert summary.gains == ()


def test_a_study_without_records_has_nothing_to_tell() -> None:
    study = optuna.create_study(directions=["minimize", "minimize"])
    study.add_trial(optuna.trial.create_trial(values=[1.0, 2.0]))
    summary = summarise(study)
    assert summary.trust is None and summary.best is None and summary.priors == ()

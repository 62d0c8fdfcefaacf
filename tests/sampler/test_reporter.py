"""Reports while a study runs."""

from __future__ import annotations

import optuna
from optuna.samplers import BaseSampler
import pytest

from optuna_meta import MetaSampler
from optuna_meta.sampler import reporter
from tests.toys import bowl


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many trials there were whenever a report was published."""
    told: list[int] = []

    def publish(study: optuna.Study, sampler: BaseSampler) -> None:
        assert isinstance(sampler, MetaSampler)
        told.append(len(study.trials))

    monkeypatch.setattr(reporter, "_publishers", [publish])
    return told


def test_reports_come_every_so_many_trials_and_never_by_default(published: list[int]) -> None:
    study = optuna.create_study(sampler=MetaSampler(seed=0, report_every=3))
    study.optimize(bowl(), n_trials=7)
    assert published == [3, 6]
    optuna.create_study(sampler=MetaSampler(seed=0)).optimize(bowl(), n_trials=4)
    assert published == [3, 6]


@pytest.mark.plan_may_fail
def test_a_report_that_fails_does_not_fail_the_trial(
    monkeypatch: pytest.MonkeyPatch, logged: object
) -> None:
    def publish(study: optuna.Study, sampler: BaseSampler) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(reporter, "_publishers", [publish])
    study = optuna.create_study(sampler=MetaSampler(seed=0, report_every=1))
    study.optimize(bowl(), n_trials=3)
    assert len(study.get_trials(states=[optuna.trial.TrialState.COMPLETE])) == 3
    told = [m for m in logged.messages if "Publishing a report failed" in m]  # type: ignore[attr-defined]
    assert len(told) == 1 and "no space left" in told[0]


def test_a_report_is_of_all_trials_that_a_pruner_hides_too(published: list[int]) -> None:
    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9)
    study = optuna.create_study(sampler=MetaSampler(seed=0, report_every=4), pruner=pruner)
    study.optimize(bowl(), n_trials=8)
    assert published == [4, 8]


def test_it_must_be_a_number_of_trials() -> None:
    with pytest.raises(ValueError, match="report_every must be at least 1, or None, got 0"):
        MetaSampler(report_every=0)


def test_the_package_publishes_by_its_reporting() -> None:
    dashboard = pytest.importorskip("optuna_dashboard")
    pytest.importorskip("plotly")
    study = optuna.create_study(sampler=MetaSampler(seed=0, report_every=2))
    study.optimize(bowl(), n_trials=2)
    assert "What earlier studies did" in dashboard.get_note(study)

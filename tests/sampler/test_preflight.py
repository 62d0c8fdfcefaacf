"""What a study and the prior studies have in common is told before it costs trials."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

from optuna_meta import fit_prior
from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta import read_record
from optuna_meta import record_meta_features
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.sampler.preflight import preflight
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import meta_sampler
from tests.toys import run
from tests.toys import svm


def other_names(trial: optuna.Trial) -> float:
    return abs(trial.suggest_float("lr", 0, 1) - 0.3) + trial.suggest_float("weight_dcay", 0, 1)


def old_names(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("learning_rate", 0, 1)
    return abs(rate - 0.3) + trial.suggest_float("weight_decay", 0, 1)


def two_rates(trial: optuna.Trial) -> float:
    return trial.suggest_float("rate_1", 0, 1) + trial.suggest_float("rate_2", 0, 1)


def old_studies() -> list[optuna.Study]:
    return [run(old_names, 15, seed=i, study_name=f"old {i}") for i in range(3)]


def test_near_names_are_proposed() -> None:
    prior = bowl_prior()
    found = preflight(prior, ["rate", "widht", "kind", "zzz"], [Outcome()], None)
    assert found.shared == ("rate", "kind")
    assert found.unshared == {"widht": "width", "zzz": None}
    assert found.matched == (1, 1) and found.n_studies == 5 and found.n_trials == 100
    assert "did you mean 'width'? rename={'width': 'widht'}" in str(found)
    assert list(found.events())[0] == "shared: 2 of 4 parameters"


def test_near_names_that_some_studies_have_instead_are_proposed() -> None:
    prior = fit_prior(Prior.from_studies([*old_studies(), run(other_names, 9)]))
    found = preflight(prior, ["learning_rate", "weight_decay"], [Outcome()], None)
    assert found.renamed == {"learning_rate": ("lr", 1), "weight_decay": ("weight_dcay", 1)}
    assert "learning_rate by 1 (did you mean 'lr'? rename={'lr': 'learning_rate'})" in str(found)


def test_near_names_of_one_study_are_two_parameters() -> None:
    prior = fit_prior(Prior.from_studies([run(svm(), 20), run(two_rates, 20)]))
    assert not preflight(prior, ["rate_1", "cost"], [Outcome()], None).renamed


def test_nothing_shared_is_told_and_recorded(logged: Any) -> None:
    study = run(other_names, 3, sampler=MetaSampler(prior_studies=old_studies(), seed=0))
    (warning,) = logged.warnings
    assert "starts cold" in warning
    assert "did you mean 'learning_rate'? rename={'learning_rate': 'lr'}" in warning
    assert "'weight_decay': 'weight_dcay'" in warning
    records = [read_record(trial) for trial in study.trials]
    assert [(r.source, r.trust) for r in records if r] == [("cold start", 0.0)] * 3
    events = [event for r in records if r for event in r.events]
    assert "shared: 0 of 2 parameters" in events


def test_one_line_tells_what_is_shared(logged: Any) -> None:
    study = run(bowl(), 3, sampler=meta_sampler(bowl_prior()))
    (line,) = [m for m in logged.messages if study.study_name in m]
    assert "5 prior studies of 100 trials" in line
    assert "shared parameters: kind, rate, width" in line
    assert "objectives matched: 1 of 1" in line
    assert not logged.warnings


def test_meta_features_of_other_names_are_told(logged: Any) -> None:
    studies = old_studies()
    for study in studies:
        record_meta_features(study, {"rows": 5})
    run(old_names, 2, sampler=MetaSampler(prior_studies=studies, meta_features={"n": 5}, seed=0))
    assert len([m for m in logged.warnings if "No meta-feature" in m]) == 1


def test_a_where_that_keeps_nothing_warns() -> None:
    storage = optuna.storages.InMemoryStorage()
    run(bowl(), 3, storage=storage)
    with pytest.warns(UserWarning, match="where= keeps none of 1 studies"):
        Prior.from_storage(storage, where=lambda study: False)


def test_studies_that_are_left_out_are_named(tmp_path: Any, logged: Any) -> None:
    with pytest.warns(UserWarning, match="left out"):
        prior = Prior.from_studies([run(bowl(), 12, study_name="good"), optuna.create_study()])
    (reason,) = prior.left_out.values()
    assert "no finished trial" in reason
    prior.save(tmp_path / "prior")
    assert Prior.load(tmp_path / "prior").left_out == prior.left_out
    study = run(bowl(), 1, sampler=MetaSampler(prior_studies=prior, seed=0))
    record = read_record(study.trials[0])
    assert record and any(event.startswith("left out: ") for event in record.events)
    assert any("left out: " in message for message in logged.messages)

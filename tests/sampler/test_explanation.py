"""What the sampler says about its next suggestion, and whether it is true."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

from optuna_meta import MetaSampler
from optuna_meta.sampler.plan import PLAN_KEY
from optuna_meta.suggest.request import SOURCES
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import meta_sampler
from tests.toys import run
from tests.toys import svm
from tests.toys import svm_prior


@pytest.mark.parametrize("n_before", [0, 1, 4])
def test_the_explained_suggestion_is_the_next_one(n_before: int) -> None:
    study = run(bowl(), n_before, sampler=meta_sampler(bowl_prior()))
    explained = study.sampler.explain(study)
    study.optimize(bowl(), n_trials=1)
    assert study.trials[-1].params == explained.params
    assert study.trials[-1].user_attrs[PLAN_KEY]["source"] == explained.source
    assert study.trials[-1].user_attrs[PLAN_KEY]["trust"] == round(explained.trust, 3)


def test_the_explained_suggestion_of_a_conditional_space() -> None:
    study = run(svm(), 3, sampler=meta_sampler(svm_prior()))
    explained = study.sampler.explain(study)
    study.optimize(svm(), n_trials=1)
    assert study.trials[-1].params == explained.params


def test_an_enqueued_trial_is_explained_with_its_values() -> None:
    study = run(bowl(), 3, sampler=meta_sampler(bowl_prior()))
    study.enqueue_trial({"kind": "c"})
    explained = study.sampler.explain(study)
    study.optimize(bowl(), n_trials=1)
    assert explained.params["kind"] == "c"
    assert study.trials[-1].params == explained.params


@pytest.mark.parametrize("n_before", [0, 3])
def test_explaining_changes_nothing(n_before: int) -> None:
    with_, without = (run(bowl(), n_before, sampler=meta_sampler(bowl_prior())) for _ in range(2))
    before = [repr(trial) for trial in with_.trials], dict(with_.user_attrs)
    with_.sampler.explain(with_)
    assert ([repr(trial) for trial in with_.trials], dict(with_.user_attrs)) == before
    for study in (with_, without):
        study.optimize(bowl(), n_trials=3)
    assert [t.params for t in with_.trials] == [t.params for t in without.trials]


@pytest.mark.parametrize("n_before", [0, 3])
def test_the_shares_are_shares(n_before: int) -> None:
    study = run(bowl(), n_before, sampler=meta_sampler(bowl_prior()))
    explained = study.sampler.explain(study)
    shares = [influence.share for influence in explained.priors]
    assert sorted(p.study for p in explained.priors) == sorted(bowl_prior().study_names)
    assert 0.0 < sum(map(abs, shares)) <= 1.0
    assert 0.0 <= explained.trust <= 1.0
    assert explained.source == SOURCES[1 if n_before else 0]
    assert sum(p.prior_weight for p in explained.priors) == pytest.approx(1.0)


def test_the_text_is_a_table() -> None:
    study = run(bowl(), 2, sampler=meta_sampler(bowl_prior()))
    explained = study.sampler.explain(study)
    lines = str(explained).splitlines()
    assert "kind='a'" in lines[0]
    assert f"{explained.trust:.2f}" in lines[1]
    assert lines[3].startswith("predicted value: ")
    table = lines[4:]
    assert table[0].split("  ")[0] == "prior study"
    assert [line[: len("bowl 0")] for line in table[1:]] == [p.study for p in explained.priors]
    assert len({len(line) for line in table}) == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"directions": ["minimize", "maximize"]}, "No prior study has these objectives"),
        ({}, "No prior study"),
    ],
)
def test_without_transfer_the_reason_is_given(options: dict[str, Any], reason: str) -> None:
    sampler = meta_sampler(bowl_prior()) if options else MetaSampler(seed=0)
    explained = sampler.explain(optuna.create_study(sampler=sampler, **options))
    assert reason in explained.reason
    assert explained.source == "cold start"
    assert explained.trust == 0.0
    assert "cold start" in str(explained)


def test_one_prior_study_has_all_the_influence() -> None:
    study = optuna.create_study(sampler=meta_sampler([run(bowl(), 15)]))
    assert [p.share for p in study.sampler.explain(study).priors] == [pytest.approx(1.0)]


def test_objectives_of_one_name_are_explained() -> None:
    def both(centre: float) -> Any:
        return lambda trial: ((trial.suggest_float("x", 0, 1) - centre) ** 2, trial.params["x"])

    studies = []
    for i in range(10):
        sampler = optuna.samplers.RandomSampler(seed=i)
        study = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
        study.set_metric_names(["loss", "loss"])
        study.optimize(both(0.1 * i), n_trials=6)
        studies.append(study)
    sampler = MetaSampler(prior_studies=studies, seed=0)
    new = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
    new.set_metric_names(["loss", "loss"])
    new.optimize(both(0.3), n_trials=2)
    assert len(sampler.explain(new).priors) == 10


def test_the_first_explanation_is_like_the_second() -> None:
    studies = [run(bowl(), 6, sampler=optuna.samplers.RandomSampler(seed=i)) for i in range(12)]
    study = run(bowl(), 2, sampler=optuna.samplers.RandomSampler(seed=99))
    sampler = MetaSampler(prior_studies=studies, seed=0)
    assert repr(sampler.explain(study)) == repr(sampler.explain(study))

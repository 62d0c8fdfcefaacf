"""What the sampler says about its next suggestion, and whether it is true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conftest import bowl
from conftest import bowl_prior
from conftest import meta_sampler
from conftest import run
from conftest import svm
from conftest import svm_prior
import numpy as np
import optuna
from optuna.distributions import json_to_distribution
from optuna.trial import create_trial
import pytest

from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta.report import SOURCES


CACHE = Path(__file__).parents[1] / "benchmarks" / "cache" / "optuna-5.0.0"


@pytest.mark.parametrize("n_before", [0, 1, 4])
def test_the_explained_suggestion_is_the_next_one(n_before: int) -> None:
    study = run(bowl(), n_before, sampler=meta_sampler(bowl_prior()))
    explained = study.sampler.explain(study)
    study.optimize(bowl(), n_trials=1)
    assert study.trials[-1].params == explained.params
    assert study.trials[-1].user_attrs["optuna_meta:source"] == explained.source
    assert study.trials[-1].user_attrs["optuna_meta:trust"] == round(explained.trust, 3)


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
    shares = [influence.weight for influence in explained.priors]
    assert sorted(p.study for p in explained.priors) == sorted(bowl_prior().names)
    assert sum(shares) == pytest.approx(1.0)
    assert shares == sorted(shares, reverse=True)
    assert min(shares) >= 0.0
    assert 0.0 <= explained.trust <= 1.0
    assert explained.source == SOURCES[1 if n_before else 0]
    assert sum(p.prior_weight for p in explained.priors) == pytest.approx(1.0)


def test_the_text_is_a_table() -> None:
    study = run(bowl(), 2, sampler=meta_sampler(bowl_prior()))
    explained = study.sampler.explain(study)
    lines = str(explained).splitlines()
    assert "kind='a'" in lines[0]
    assert f"{explained.trust:.2f}" in lines[1]
    table = lines[3:]
    assert table[0].split("  ")[0] == "prior study"
    assert [line[: len("bowl 0")] for line in table[1:]] == [p.study for p in explained.priors]
    assert len({len(line) for line in table}) == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"directions": ["minimize", "maximize"]}, "several objectives"),
        ({}, "no prior study"),
    ],
)
def test_without_transfer_the_reason_is_given(options: dict[str, Any], reason: str) -> None:
    sampler = meta_sampler(bowl_prior()) if options else MetaSampler(seed=0)
    explained = sampler.explain(optuna.create_study(sampler=sampler, **options))
    assert reason in explained.reason
    assert explained.source == "cold start"
    assert explained.trust == 0.0
    assert explained.params == {}
    assert "cold start" in str(explained)


def test_one_prior_study_has_all_the_influence() -> None:
    study = optuna.create_study(sampler=meta_sampler([run(bowl(), 15)]))
    assert [p.weight for p in study.sampler.explain(study).priors] == [pytest.approx(1.0)]


def recorded(folder: str, name: str, kind: str) -> optuna.Study:
    """A study of the benchmarks, whose trials were recorded."""
    record = json.loads((CACHE / folder / f"{name}-{kind}-0.json").read_text())
    study = optuna.create_study(study_name=name, direction=record["direction"].lower())
    distributions = {n: json_to_distribution(d) for n, d in record["distributions"].items()}
    for trial in record["trials"]:
        used = {n: distributions[n] for n in trial["params"]}
        study.add_trial(
            create_trial(params=trial["params"], distributions=used, value=trial["value"])
        )
    return study


TASKS = {
    "hpobench-mlp": ["australian", "blood_transfusion", "credit_g", "kc1", "phoneme", "segment"],
    "nmt": ["ja-en", "ru-en", "so-en", "sw-en", "zh-en"],
}


@pytest.mark.parametrize("n_before", [0, 6])
@pytest.mark.parametrize("folder", TASKS)
def test_leaving_out_the_first_named_study_moves_the_suggestion_most(
    folder: str, n_before: int
) -> None:
    target, *others = TASKS[folder]
    prior = Prior.from_studies(recorded(folder, name, "tpe-50") for name in others)
    study = optuna.create_study(direction=recorded(folder, target, "tpe-50").direction)
    study.add_trials(recorded(folder, target, "tpe-50").trials[:n_before])
    sampler = meta_sampler(prior)
    explained = sampler.explain(study)
    space = prior.space
    suggestion = space.row(explained.params)

    def moved(name: str) -> float:
        other = meta_sampler(prior.without([name])).explain(study).params
        difference = np.abs(np.nan_to_num(space.row(other) - suggestion))
        categorical = np.array([d.is_categorical for d in space.dimensions])
        return float(np.where(categorical, difference > 0, difference).sum())

    distances = {name: moved(name) for name in prior.names}
    print(explained, distances)
    assert distances[explained.priors[0].study] == max(distances.values())
    assert max(distances.values()) > 0.0

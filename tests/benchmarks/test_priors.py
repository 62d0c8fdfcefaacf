import functools

import numpy as np
import optuna
from optuna.samplers import RandomSampler
import pytest

from benchmarks.methods.portfolio import best_configurations
from benchmarks.methods.portfolio import greedy_portfolio
from benchmarks.tasks.priors import prior_studies
from benchmarks.tasks.priors import with_values
from benchmarks.tasks.regimes import REGIMES
from benchmarks.tasks.task import BenchmarkTask
from benchmarks.tasks.task import Family
from benchmarks.tasks.task import Reference


def suggest(trial):
    kind = trial.suggest_categorical("kind", ["a", "b"])
    return {"kind": kind, "x": trial.suggest_float("x", 0, 1)}


def toy_family():
    def load(name):
        def evaluate(params):
            return (params["x"] - int(name) / 10) ** 2 + (params["kind"] == "b")

        return BenchmarkTask(name, "toy", "minimize", suggest, evaluate, lambda: Reference(0, 1))

    names = tuple("3456")
    return Family("toy", "toy", names, names, functools.cache(load))


@pytest.fixture
def studies(tmp_path):
    def make(regime, seed=0):
        options = {"trials": 12, "cache": tmp_path, "limit": 20}
        return prior_studies(toy_family(), "4", regime=regime, seed=seed, **options)

    return make


def values(study):
    return [trial.value for trial in study.trials]


def params(study):
    return [trial.params for trial in study.trials]


def test_base_is_what_the_tasks_answer(studies):
    base = studies("base")
    assert [study.study_name for study in base] == ["3", "5", "6"]
    for study in base:
        task = toy_family().load(study.study_name)
        assert values(study) == [task.evaluate(trial.params) for trial in study.trials]


def test_prior_studies_come_back_the_same_from_the_cache(studies):
    first, again = studies("base"), studies("base")
    for a, b in zip(first, again, strict=True):
        assert params(a) == params(b)
        assert values(a) == values(b)
        assert [t.distributions for t in a.trials] == [t.distributions for t in b.trials]


def test_another_seed_has_other_trials(studies):
    assert params(studies("base")[0]) != params(studies("base", seed=1)[0])


def test_negated_twice_is_the_identity(studies):
    rng = np.random.default_rng(0)
    for base, negated in zip(studies("base"), studies("negated"), strict=True):
        assert negated.direction == base.direction
        assert params(negated) == params(base)
        assert values(negated) == [-value for value in values(base)]
        (twice,) = REGIMES["negated"].alter([np.array(values(negated))], rng)
        assert values(with_values(negated, twice)) == values(base)


def test_permuted_keeps_configurations_and_the_multiset_of_values(studies):
    for base, permuted in zip(studies("base"), studies("permuted"), strict=True):
        assert params(permuted) == params(base)
        assert values(permuted) != values(base)
        assert sorted(values(permuted)) == sorted(values(base))


def test_half_permuted_alters_half_of_the_studies(studies):
    pairs = zip(studies("base"), studies("half-permuted"), strict=True)
    assert sum(values(base) != values(half) for base, half in pairs) == 1  # of three


def test_none_one_and_random_priors(studies):
    assert studies("none") == ()
    (only,) = studies("one")
    assert values(only) in [values(study) for study in studies("base")]
    assert params(studies("random-priors")[0]) != params(studies("base")[0])


def bowl(optimum, seed, direction="minimize"):
    sign = 1 if direction == "minimize" else -1
    study = optuna.create_study(direction=direction, sampler=RandomSampler(seed=seed))
    study.optimize(lambda t: sign * (suggest(t)["x"] - optimum) ** 2, n_trials=20)
    return study


def test_best_configurations_put_what_several_studies_share_first():
    first, second = bowl(0.5, seed=0), bowl(0.5, seed=1, direction="maximize")
    same = best_configurations([first, second, second], size=5)
    assert same == [second.best_params, first.best_params]
    assert best_configurations([first, second, second], size=1) == [second.best_params]
    assert best_configurations([], size=5) == []


def test_the_portfolio_serves_every_group_of_studies():
    # The first choice is a compromise, the next two are best for one group each.
    studies = [bowl(0.1, 0), bowl(0.1, 1, "maximize"), bowl(0.9, 2), bowl(0.9, 3, "maximize")]
    xs = [configuration["x"] for configuration in greedy_portfolio(studies, size=3, seed=0)]
    assert min(xs) == pytest.approx(0.1, abs=0.15)
    assert max(xs) == pytest.approx(0.9, abs=0.15)
    assert greedy_portfolio([], size=5, seed=0) == []


def test_the_portfolio_of_one_study_starts_with_its_best():
    study = bowl(0.4, 0)
    assert greedy_portfolio([study], size=3, seed=0)[0] == study.best_params

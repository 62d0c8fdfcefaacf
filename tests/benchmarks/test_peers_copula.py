import numpy as np
import optuna
from optuna.samplers import RandomSampler
import pytest

from benchmarks.methods.peers.copula import build
from benchmarks.methods.peers.copula import PooledPrior
from benchmarks.methods.peers.history import read_priors


def bowl(scale):
    def objective(trial):
        kind = trial.suggest_categorical("kind", ["a", "b"])
        return scale * ((trial.suggest_float("x", 0, 1) - 0.3) ** 2 + (kind == "b"))

    return objective


def run(objective, n_trials, sampler, **options):
    study = optuna.create_study(sampler=sampler, **options)
    study.optimize(objective, n_trials=n_trials)
    return study


def priors(*scales):
    return [run(bowl(scale), 20, RandomSampler(seed=i)) for i, scale in enumerate(scales)]


def test_only_the_order_of_the_prior_values_counts():
    configurations = [{"kind": "a", "x": x} for x in np.linspace(0, 1, 5)]
    one = PooledPrior(read_priors(priors(1.0, 1.0)), seed=0).predict(configurations)
    other = PooledPrior(read_priors(priors(1e6, 1e-6)), seed=0).predict(configurations)
    np.testing.assert_array_equal(one[0], other[0])
    assert one[1] == other[1]


def test_the_pooled_prior_knows_what_is_good_and_how_well_it_knows():
    mean, deviation = PooledPrior(read_priors(priors(1.0, 2.0, 3.0)), seed=0).predict(
        [{"kind": "a", "x": 0.3}, {"kind": "a", "x": 0.95}, {"kind": "b", "x": 0.3}]
    )
    assert mean[0] < mean[1] < mean[2]
    assert 0.05 < deviation < 0.8  # normal scores without any model: 1
    nothing, one = PooledPrior([], seed=0).predict([{"x": 1}])
    assert nothing.tolist() == [0.0] and one == 1.0


def test_it_starts_where_the_prior_studies_were_good():
    first = run(bowl(1.0), 1, build(priors(1.0, 2.0), seed=0)).trials[0]
    assert first.params["kind"] == "a"
    assert first.params["x"] == pytest.approx(0.3, abs=0.15)


def test_its_gp_learns_what_the_priors_do_not_know():
    def moved(trial):
        trial.suggest_categorical("kind", ["a", "b"])
        return (trial.suggest_float("x", 0, 1) - 0.9) ** 2

    assert run(moved, 15, build(priors(1.0, 2.0), seed=0)).best_value < 1e-2

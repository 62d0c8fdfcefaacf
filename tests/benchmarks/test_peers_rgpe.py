import numpy as np
import optuna
from optuna.samplers import RandomSampler
import pytest

from benchmarks.methods.peers.gp import condition
from benchmarks.methods.peers.gp import Hyperparameters
from benchmarks.methods.peers.rgpe import bootstrap_losses
from benchmarks.methods.peers.rgpe import build
from benchmarks.methods.peers.rgpe import Ensemble
from benchmarks.methods.peers.rgpe import ranking_weights


Y = np.array([0.3, -1.0, 0.8, 2.0, -0.2, 1.1])


def weights(*predictions):
    losses = bootstrap_losses(np.array(predictions), Y, np.random.default_rng(0))
    return ranking_weights(losses)


def test_bootstrap_losses_count_misranked_pairs():
    class Fixed:
        def multinomial(self, n, p, size):
            return np.tile([2, 0, 1, 1, 1, 1], (size, 1))

    prediction = np.array([0.0, 5.0, 1.0, 0.5, 2.0, 2.0])
    sample = [0, 0, 2, 3, 4, 5]
    wrong = sum((prediction[i] < prediction[j]) != (Y[i] < Y[j]) for i in sample for j in sample)
    assert bootstrap_losses(prediction[None], Y, Fixed())[0, 0] == wrong


def test_a_prior_that_ranks_right_takes_all_from_an_ignorant_target():
    assert weights(2 * Y + 1, -Y, np.roll(Y, 2)) == pytest.approx([1, 0, 0], abs=0.02)


def test_the_target_keeps_all_when_it_ranks_right_itself():
    assert weights(Y, Y, Y) == pytest.approx([0, 0, 1])


def test_equal_priors_share():
    shares = weights(Y, Y, -Y)
    assert shares == pytest.approx([0.5, 0.5, 0.0])


def test_a_prior_that_is_mostly_worse_than_the_target_is_left_out():
    # It wins some samples, but its median is above nearly all of the target's losses.
    target = np.linspace(0.0, 10.0, 100)
    prior = np.where(np.arange(100) < 10, -1.0, 11.0)
    assert ranking_weights(np.array([prior, target])).tolist() == [0.0, 1.0]
    less = np.where(np.arange(100) < 60, -1.0, 11.0)
    assert ranking_weights(np.array([less, target])) == pytest.approx([0.6, 0.4])


def test_an_ensemble_is_the_weighted_sum_of_its_models():
    rng = np.random.default_rng(0)
    hyperparameters = Hyperparameters(np.full(2, 0.5), 1.0, 0.01)
    models = [
        condition(rng.random((5, 2)), rng.random(5), np.zeros(2, bool), hyperparameters)
        for _ in range(3)
    ]
    X = rng.random((4, 2))
    (m0, s0), (m1, s1), _ = (model.predict(X) for model in models)
    mean, std = Ensemble(models, np.array([0.25, 0.75, 0.0])).predict(X)
    assert mean == pytest.approx(0.25 * m0 + 0.75 * m1)
    assert std**2 == pytest.approx((0.25 * s0) ** 2 + (0.75 * s1) ** 2)


def bowl(centre):
    return lambda trial: (trial.suggest_float("x", 0, 1) - centre) ** 2


def run(objective, n_trials, sampler, **options):
    study = optuna.create_study(sampler=sampler, **options)
    study.optimize(objective, n_trials=n_trials)
    return study


def test_it_starts_where_the_priors_are_best_and_leaves_those_that_mislead():
    # Two prior studies agree with the target, two have their best where it has its worst.
    good = [run(bowl(0.3), 15, RandomSampler(seed=i)) for i in range(2)]
    bad = [run(bowl(1.0), 15, RandomSampler(seed=i)) for i in range(2)]
    first = run(bowl(0.3), 1, build(good, seed=0)).trials[0]
    assert first.params["x"] == pytest.approx(0.3, abs=0.08)
    mixed = run(bowl(0.3), 8, build([*good, *bad], seed=0))
    assert mixed.best_value < 1e-3

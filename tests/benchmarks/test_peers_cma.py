import optuna
from optuna.samplers import RandomSampler
import pytest

from benchmarks.methods.methods import Unsupported
from benchmarks.methods.peers.cma import build


pytest.importorskip("cmaes")


def bowl(trial, low=0.0):
    x, y = trial.suggest_float("x", low, 1), trial.suggest_float("y", 1e-3, 1, log=True)
    return (x - 0.7) ** 2 + (y - 0.1) ** 2


def run(objective, n_trials, sampler=None, **options):
    study = optuna.create_study(sampler=sampler or RandomSampler(seed=0), **options)
    study.optimize(objective, n_trials=n_trials)
    return study


@pytest.mark.parametrize("sign", [1, -1])
def test_after_the_first_trial_it_searches_where_the_priors_were_best(sign):
    direction = "minimize" if sign > 0 else "maximize"
    priors = [run(lambda t: sign * bowl(t), 60, direction=direction)]
    target = run(lambda t: sign * bowl(t), 7, build(priors, seed=0), direction=direction)
    later = [trial.params["x"] for trial in target.trials[1:]]
    assert sum(later) / len(later) == pytest.approx(0.7, abs=0.2)


def test_a_prior_study_of_the_other_direction_is_flipped():
    priors = [run(lambda t: -bowl(t), 60, direction="maximize")]
    target = run(bowl, 7, build(priors, seed=0))
    later = [trial.params["x"] for trial in target.trials[1:]]
    assert sum(later) / len(later) == pytest.approx(0.7, abs=0.2)


def test_other_ranges_are_moved_into_the_targets():
    priors = [run(bowl, 30)]
    target = run(lambda t: bowl(t, low=0.75), 5, build(priors, seed=0))
    assert all(trial.params["x"] >= 0.75 for trial in target.trials)


def test_what_it_cannot_serve_is_said():
    def mixed(trial):
        return trial.suggest_float("x", 0, 1) + (trial.suggest_categorical("k", ["a", "b"]) == "a")

    def branching(trial):
        return trial.suggest_float("x" if trial.number % 2 else "y", 0, 1)

    with pytest.raises(Unsupported, match="numbers only for CMA-ES; k are categories"):
        build([run(mixed, 12)], seed=0)
    with pytest.raises(Unsupported, match="some are conditional"):
        build([run(branching, 12)], seed=0)
    with pytest.raises(Unsupported, match="at least 10 prior trials for CMA-ES, got 4"):
        build([run(bowl, 4)], seed=0)
    with pytest.raises(Unsupported, match="y are on one side only"):
        run(lambda t: t.suggest_float("x", 0, 1), 2, build([run(bowl, 12)], seed=0))


def test_without_priors_it_is_optunas_plain_sampler():
    assert len(run(bowl, 5, build([], seed=0)).trials) == 5

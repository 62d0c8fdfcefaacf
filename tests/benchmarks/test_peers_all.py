"""What holds for every peer; those whose package is missing are skipped."""

import optuna
from optuna.samplers import RandomSampler
import pytest

from benchmarks.methods.methods import METHODS
from benchmarks.methods.methods import Unsupported
from benchmarks.methods.peers import capped as caps
from benchmarks.methods.peers.capped import capped
from benchmarks.methods.peers.history import read_priors
from benchmarks.methods.peers.packages import require


OWN = ["rgpe", "pooled-copula-gp"]
SYNE = ["syne-quantile", "syne-zero-shot", "syne-bounding-box", "syne-bounding-box-gp"]
COSTLY = ["botorch-multitask", "ax-botl"]
PEERS = [*OWN, *SYNE, *COSTLY]
SMALL = {"n_priors": 2, "n_prior_trials": 8}


def svm(sign=1.0, low=0.0):
    """A task with a conditional parameter; best at kernel "rbf", gamma 0.25, cost 0.75."""

    def objective(trial):
        cost = trial.suggest_float("cost", low, 1.0)
        loss = abs(cost - 0.75)
        if trial.suggest_categorical("kernel", ["linear", "rbf"]) == "linear":
            return sign * (loss + 1.0)
        return sign * (loss + abs(trial.suggest_float("gamma", 0.0, 1.0) - 0.25))

    return objective


def run(objective, n_trials, sampler, sign=1.0):
    direction = "minimize" if sign > 0 else "maximize"
    study = optuna.create_study(sampler=sampler, direction=direction)
    study.optimize(objective, n_trials=n_trials)
    return study


def priors(n_priors=3, n_prior_trials=25, sign=1.0):
    return [run(svm(sign), n_prior_trials, RandomSampler(seed=i), sign) for i in range(n_priors)]


def build(name, studies, seed=0):
    try:
        return METHODS[name].build(studies, seed).sampler
    except Unsupported as error:
        if "not installed" in str(error):
            pytest.skip(str(error))
        raise


def params(study):
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize("name", PEERS)
def test_a_seed_makes_the_same_trials_whatever_the_direction(name):
    n_trials = 3 if name in COSTLY else 4
    least = run(svm(), n_trials, build(name, priors(**SMALL)))
    most = run(svm(-1.0), n_trials, build(name, priors(**SMALL, sign=-1.0)), sign=-1.0)
    assert params(least) == params(most)


@pytest.mark.parametrize("name", PEERS)
def test_other_ranges_and_new_parameters_of_the_target_are_served(name):
    def objective(trial):
        return svm(low=0.5)(trial) + trial.suggest_float("new", 0, 1)

    target = run(objective, 3, build(name, priors(**SMALL)))
    assert all(0.5 <= trial.params["cost"] <= 1.0 for trial in target.trials)


@pytest.mark.parametrize("name", [*OWN, *SYNE[:2], *COSTLY])
def test_the_priors_help_from_the_first_trials(name):
    target = run(svm(), 3, build(name, priors()))
    random = [run(svm(), 3, RandomSampler(seed=seed)).best_value for seed in range(20)]
    assert target.best_value < sorted(random)[6]  # better than two thirds of random searches


@pytest.mark.parametrize("name", OWN)
def test_trials_that_run_at_the_same_time_differ(name):
    study = optuna.create_study(sampler=build(name, priors(**SMALL)))
    running = [study.ask() for _ in range(3)]
    for trial in running:
        svm()(trial)
    assert len({tuple(trial.params.values()) for trial in running}) == 3


@pytest.mark.parametrize("name", SYNE[2:])
def test_the_box_holds_the_best_prior_trials_and_nothing_else(name):
    studies = priors()
    best = [study.best_params["cost"] for study in studies]
    target = run(svm(), 5, build(name, studies))
    costs = [trial.params["cost"] for trial in target.trials]
    assert min(best) <= min(costs) and max(costs) <= max(best)
    assert {trial.params["kernel"] for trial in target.trials} == {"rbf"}


def test_zero_shot_suggests_no_configuration_twice():
    def grid(trial):
        return trial.suggest_int("x", 0, 3) + trial.suggest_int("y", 0, 1)

    studies = [run(grid, 12, RandomSampler(seed=i)) for i in range(2)]
    known = {tuple(trial.params.values()) for study in studies for trial in study.trials}
    target = run(grid, len(known) + 6, build("syne-zero-shot", studies))
    tried = [tuple(trial.params.values()) for trial in target.trials]
    assert set(tried[: len(known)]) == known
    assert len(set(tried[len(known) :])) > 1  # then it is random search


@pytest.mark.parametrize("name", [*SYNE, *COSTLY])
def test_those_that_are_nothing_without_priors_say_so(name):
    build(name, priors(**SMALL))  # is the package there?
    with pytest.raises(Unsupported, match="at least one prior study"):
        build(name, [])


def test_a_package_that_is_missing_is_named_with_the_extra_that_has_it():
    with pytest.raises(Unsupported, match="'no_such_package', which is not installed.*peers"):
        require("no_such_package.module")


def test_the_caps_keep_the_best_and_the_worst_trial():
    (history,) = read_priors(priors(n_priors=1, n_prior_trials=40))
    many = capped([history] * 9)
    assert len(many) == caps.MAX_SOURCES
    assert len(many[0].losses) == len(many[0].configurations) == caps.MAX_TRIALS
    assert many[0].best(1) == history.best(1)
    assert many[0].losses.max() == history.losses.max()

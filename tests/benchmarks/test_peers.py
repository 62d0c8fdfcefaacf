"""Methods: what holds for every peer (skipped without its package), and what each is."""

import numpy as np
import optuna
from optuna.samplers import RandomSampler
import pytest

from benchmarks.methods.methods import METHODS
from benchmarks.methods.methods import Unsupported
from benchmarks.methods.peers import hub
from benchmarks.methods.peers import planned


OWN = ["rgpe", "pooled-copula-gp"]
BOXES = ["syne-bounding-box"]
COSTLY = ["botorch-multitask", "ax-botl"]
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


def numbers(trial, low=0.0):
    x, y = trial.suggest_float("x", low, 1), trial.suggest_float("y", 1e-3, 1, log=True)
    return (x - 0.7) ** 2 + (y - 0.1) ** 2


def run(objective, n_trials, sampler=None, sign=1.0):
    direction = "minimize" if sign > 0 else "maximize"
    study = optuna.create_study(sampler=sampler or RandomSampler(seed=0), direction=direction)
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


@pytest.mark.parametrize("name", [*OWN, "syne-quantile", "syne-zero-shot", *BOXES, *COSTLY])
def test_a_peer_repeats_in_both_directions_and_serves_other_ranges(name):
    n_trials = 3 if name in COSTLY else 4
    least = run(svm(), n_trials, build(name, priors(**SMALL)))
    most = run(svm(-1.0), n_trials, build(name, priors(**SMALL, sign=-1.0)), sign=-1.0)
    assert [t.params for t in least.trials] == [t.params for t in most.trials]

    def other(trial):
        return svm(low=0.5)(trial) + trial.suggest_float("new", 0, 1)

    target = run(other, 3, build(name, priors(**SMALL)))
    assert all(0.5 <= trial.params["cost"] <= 1.0 for trial in target.trials)
    if name not in BOXES:
        helped = run(svm(), 3, build(name, priors())).best_value
        random = [run(svm(), 3, RandomSampler(seed=seed)).best_value for seed in range(20)]
        assert helped < sorted(random)[6]  # better than two thirds of random searches
    if name not in OWN:
        with pytest.raises(Unsupported, match="at least one prior study"):
            build(name, [])


@pytest.mark.parametrize("sign", [1, -1])
def test_cma_es_searches_where_the_priors_were_best(sign):
    studies = [run(numbers, 60)]  # also where the target's direction is the other one
    target = run(
        lambda t: sign * numbers(t, low=0.5), 7, build("cma-es-warm-start", studies), sign
    )
    later = [trial.params["x"] for trial in target.trials[1:]]
    assert sum(later) / len(later) == pytest.approx(0.7, abs=0.2) and min(later) >= 0.5
    with pytest.raises(Unsupported, match="kernel are categories"):
        build("cma-es-warm-start", priors())
    with pytest.raises(Unsupported, match="at least 10 prior trials for CMA-ES, got 4"):
        build("cma-es-warm-start", [run(numbers, 4)])


def test_meta_learn_tpe_says_what_it_needs(tmp_path, monkeypatch):
    pytest.importorskip("optunahub.hub")
    studies = [run(numbers, 3)]
    monkeypatch.setattr(optuna, "__version__", "5.0.0")
    with pytest.raises(Unsupported, match="Optuna 4 for meta_learn_tpe, got 5.0.0"):
        hub.build(studies, seed=0)
    monkeypatch.setattr(optuna, "__version__", "4.9.0")
    monkeypatch.setenv(hub.VARIABLE, str(tmp_path))
    with pytest.raises(Unsupported, match="samplers/meta_learn_tpe in .*; it is not there"):
        hub.build(studies, seed=0)


def test_methods_without_priors():
    for name in ("random", "tpe", "gp", "nsgaii", "enqueue-best-then-tpe", "portfolio-then-gp"):
        built = METHODS[name].build((), 0)
        run(numbers, 2, built.sampler)
        assert len(built.enqueue) == 0
    built = METHODS["portfolio-then-gp"].build([study := run(numbers, 8)], 0)
    assert len(built.enqueue) == built.sampler._n_startup_trials == 5
    assert built.enqueue[0] == study.best_params


def test_the_sampler_moves_and_leaves_out_what_the_target_does_not_allow():
    class Best:
        def suggest(self, target, rng):
            self.target = target
            return history.best(1)[0]

    def narrow(trial):
        trial.suggest_categorical("kernel", ["poly"])
        value = trial.suggest_float("cost", 0.0, 0.125)
        return [np.inf, np.nan, value, value][trial.number]

    (history,) = planned.read_priors([run(svm(), 40), run(svm(), 1)])  # one is too short
    sampler = planned.PlannedSampler((planner := Best()).suggest, [history], 0)
    study = run(narrow, 4, sampler)
    assert {trial.params["cost"] for trial in study.trials} == {0.125}  # moved to the nearest
    assert planner.target.history.losses.tolist() == [0.125]
    assert planner.target.is_taken([study.trials[0].params, {"cost": 0.1}]) == [True, False]
    (thin,) = planned.capped([history])
    assert len(thin.losses) == planned.MAX_TRIALS and thin.best(1) == history.best(1)
    with pytest.raises(Unsupported, match="'no_such_package', which is not installed.*peers"):
        planned.require("no_such_package.module")

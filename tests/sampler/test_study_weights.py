from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest

from optuna_meta import MetaSampler
from optuna_meta import record_meta_features
from optuna_meta import study_weights


def parabola(centre: float, sign: float = 1.0) -> Callable[[optuna.Trial], float]:
    return lambda trial: sign * (trial.suggest_float("x", 0.0, 1.0) - centre) ** 2


def tuned(name: str, objective: Callable[[optuna.Trial], float], n: int = 20) -> optuna.Study:
    sampler = optuna.samplers.RandomSampler(seed=len(name))
    study = optuna.create_study(study_name=name, sampler=sampler)
    study.optimize(objective, n_trials=n)
    return study


def priors() -> list[optuna.Study]:
    return [
        tuned("elsewhere", parabola(0.9)),
        tuned("same", parabola(0.3)),
        tuned("contrary", parabola(0.3, -1.0)),
    ]


@pytest.mark.parametrize("n_trials", [2, 4, 8])
def test_the_study_that_agrees_weighs_most(n_trials: int) -> None:
    study = tuned("new", parabola(0.32), n_trials)
    before = [repr(trial) for trial in study.trials]
    weights = study_weights(MetaSampler(prior_studies=priors(), seed=0), study)
    assert max(weights, key=lambda name: weights[name]) == "same"
    assert sum(weights.values()) == pytest.approx(1.0) and min(weights.values()) >= 0.0
    assert [repr(trial) for trial in study.trials] == before


def test_before_the_first_trial_meta_features_weigh() -> None:
    studies = [tuned(f"{i}", parabola(0.1 * i)) for i in range(9)]
    for i, study in enumerate(studies):
        record_meta_features(study, {"centre": 0.1 * i})
    sampler = MetaSampler(prior_studies=studies, meta_features={"centre": 0.2}, seed=0)
    study = optuna.create_study()
    told = {p.study: p.prior_weight for p in sampler.explain(study).priors}
    weights = study_weights(sampler, study)
    assert weights == pytest.approx(told)
    assert weights["2"] > weights["8"]


def test_without_prior_studies_there_are_no_weights() -> None:
    assert study_weights(MetaSampler(seed=0), optuna.create_study()) == {}


def test_weights_add_up_where_an_objective_has_no_prior_study() -> None:
    studies = [tuned(f"{i}", parabola(0.1 * i)) for i in range(3)]
    for study in studies:
        study.set_metric_names(["loss"])
    new = optuna.create_study(directions=["minimize", "minimize"])
    new.set_metric_names(["loss", "time"])
    new.optimize(lambda trial: (parabola(0.1)(trial), 1.0 + trial.params["x"]), n_trials=4)
    weights = study_weights(MetaSampler(prior_studies=studies, seed=0), new)
    assert sum(weights.values()) == pytest.approx(1.0)

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta.space.dimension import NOTHING
from optuna_meta.studies.migration import migrate_study
from optuna_meta.studies.migration import SpaceChange


OPTIMIZERS = ["sgd", "adam", "lbfgs"]


def old_objective(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    kind = trial.suggest_categorical("optimizer", OPTIMIZERS)
    momentum = trial.suggest_float("momentum", 0.0, 1.0, step=0.5) if kind == "sgd" else 0.0
    if trial.number == 5:
        raise optuna.TrialPruned
    if trial.number == 6:
        raise ArithmeticError
    return abs(lr - 0.02) + momentum + OPTIMIZERS.index(kind)


def new_objective(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("learning_rate", 1e-5, 1.0, log=True)
    kind = trial.suggest_categorical("optimizer", ["sgd", "adam", "lion"])
    decay = trial.suggest_float("decay", 0.0, 0.1)
    return abs(lr - 0.02) + {"sgd": 0.0, "adam": 1.0, "lion": 0.5}[kind] + decay


CHANGE = SpaceChange(
    ranges={
        "learning_rate": FloatDistribution(1e-5, 1.0, log=True),
        "optimizer": CategoricalDistribution(["sgd", "adam", "lion"]),
        "decay": FloatDistribution(0.0, 0.1),
    },
    rename={"lr": "learning_rate"},
    defaults={"decay": 0.0},
    dropped={"momentum": 0.0},
)


@pytest.fixture(params=["memory", "sqlite"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> optuna.Study:
    study = optuna.create_study(
        storage=None if request.param == "memory" else f"sqlite:///{tmp_path / 'studies.db'}",
        study_name="old",
        sampler=optuna.samplers.RandomSampler(seed=0),
    )
    study.set_user_attr("team", "vision")
    study.set_metric_names(["loss"])
    study.optimize(old_objective, n_trials=30, catch=ArithmeticError)
    study.enqueue_trial({"lr": 0.02})
    return study


def test_trials_that_fit_are_carried_over_and_the_others_are_named(old: optuna.Study) -> None:
    before = [t.params for t in old.trials]
    migration = migrate_study(old, "new", CHANGE)
    fits = [
        t.number
        for t in old.trials[:30]
        if t.params["optimizer"] != "lbfgs" and t.params.get("momentum", 0.0) == 0.0
    ]
    assert list(migration.carried) == fits and 5 < len(fits) < 25
    assert sorted([*fits, *migration.left]) == list(range(30))
    assert set(migration.left.values()) == {
        "optimizer was 'lbfgs', outside of the new range",
        "momentum was 0.5, and is 0.0 now",
        "momentum was 1.0, and is 0.0 now",
    }
    for copy, number in zip(migration.study.trials, fits, strict=True):
        trial = old.trials[number]
        wanted = {"learning_rate": trial.params["lr"], "decay": 0.0}
        assert copy.params == wanted | {"optimizer": trial.params["optimizer"]}
        assert copy.distributions == CHANGE.ranges
        assert (copy.values, copy.state) == (trial.values, trial.state)
        assert copy.datetime_start == trial.datetime_start
    assert migration.study.user_attrs == {"team": "vision"}
    assert migration.study.metric_names == ["loss"]
    assert [t.params for t in old.trials] == before


def test_the_study_goes_on_in_the_new_space(old: optuna.Study) -> None:
    new = migrate_study(old, "new", CHANGE).study
    prior = Prior.from_studies([old], rename=CHANGE.rename, defaults=CHANGE.defaults)
    new.sampler = MetaSampler(prior_studies=prior, seed=0)
    new.optimize(new_objective, n_trials=5)  # Other choices in one study would be an error.
    assert min(trial.value or 0.0 for trial in new.trials[-5:]) < 0.1
    with pytest.raises(ValueError, match="dynamic value space"):
        old.optimize(lambda t: len(t.suggest_categorical("optimizer", ["sgd"])), n_trials=1)


def test_a_new_parameter_without_a_default_fits_no_trial(old: optuna.Study) -> None:
    migration = migrate_study(old, "new", SpaceChange({"decay": FloatDistribution(0.0, 0.1)}))
    assert not migration.carried and not migration.study.trials
    assert set(migration.left.values()) == {"decay is new, and no default says what it was"}


def test_a_parameter_that_never_mattered_is_dropped_from_all(old: optuna.Study) -> None:
    migration = migrate_study(old, "new", SpaceChange(dropped={"momentum": NOTHING}))
    assert not migration.left
    assert {n for t in migration.study.trials for n in t.params} == {"lr", "optimizer"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (SpaceChange(rename={"rl": "lr"}), "no parameter 'rl'; it has 'lr', 'momentum', 'optimi"),
        (SpaceChange(dropped={"x": 1}), "no parameter 'x'"),
        (SpaceChange(defaults={"decay": 0.1}), r"default decay=0.1 needs a new range .* got None"),
        (SpaceChange(rename={"lr": "momentum"}), "two parameters one name"),
    ],
)
def test_what_cannot_be_meant_makes_no_study(
    old: optuna.Study, change: SpaceChange, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        migrate_study(old, "new", change)
    migrate_study(old, "new", SpaceChange())
    with pytest.raises(optuna.exceptions.DuplicatedStudyError):
        migrate_study(old, "new", SpaceChange())


@pytest.mark.parametrize(
    ("value", "distribution", "fits"),
    [
        (16, CategoricalDistribution([16, 32]), True),
        (16, CategoricalDistribution(["16"]), False),
        (16, IntDistribution(0, 10), False),
        (16, IntDistribution(1, 99, step=7), False),
        (16, FloatDistribution(1, 99), True),
    ],
)
def test_ranges_may_be_of_another_kind(
    value: Any, distribution: BaseDistribution, fits: bool
) -> None:
    study = optuna.create_study(study_name="old")
    study.enqueue_trial({"n": value})
    study.optimize(lambda trial: trial.suggest_int("n", 1, 99), n_trials=1)
    migration = migrate_study(study, "new", SpaceChange({"n": distribution}))
    assert bool(migration.carried) == fits

from __future__ import annotations

import math
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
import pandas as pd
import pytest

from optuna_meta import MetaSampler
from optuna_meta.suggest.candidate_list import NoCandidateError
from optuna_meta.suggest.candidate_list import read_candidates
from tests.toys import bowl_prior
from tests.toys import meta_sampler
from tests.toys import svm_prior


BOWLS = [
    {"rate": rate, "width": width, "kind": kind}
    for rate in (1e-3, 1e-2, 0.1)
    for width in (0.123456789, 0.6)
    for kind in ("a", "b")
]


def bowl(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
    width = trial.suggest_float("width", 0.0, 1.0)
    kind = trial.suggest_categorical("kind", ["a", "b", "c"])
    return (1.0 + math.log10(rate) / 4.0 - 0.3) ** 2 + (width - 0.6) ** 2 + 0.2 * (kind != "a")


def ran(study: optuna.Study) -> list[tuple[Any, ...]]:
    return [tuple(sorted(trial.params.items())) for trial in study.trials]


def as_set(configurations: Any) -> set[tuple[Any, ...]]:
    return {tuple(sorted(params.items())) for params in configurations}


@pytest.mark.parametrize("prior", [None, bowl_prior], ids=["cold", "prior"])
def test_only_candidates_are_suggested_each_once_before_any_comes_again(prior: Any) -> None:
    sampler = meta_sampler(prior() if prior else None, candidates=BOWLS)
    study = optuna.create_study(sampler=sampler)
    study.optimize(bowl, n_trials=len(BOWLS) + 2)
    found = ran(study)
    assert set(found) == set(found[: len(BOWLS)]) == as_set(BOWLS)  # Exactly, not nearly.


def test_prior_studies_choose_among_the_candidates() -> None:
    study = optuna.create_study(sampler=meta_sampler(bowl_prior(), candidates=BOWLS))
    study.optimize(bowl, n_trials=2)
    best = min(bowl(optuna.trial.FixedTrial(params)) for params in BOWLS)
    assert study.best_value == best


def test_several_workers_share_the_candidates() -> None:
    study = optuna.create_study(sampler=meta_sampler(bowl_prior(), candidates=BOWLS))
    trials = [study.ask() for _ in range(6)]
    for trial in trials:
        study.tell(trial, bowl(trial))
    assert len(set(ran(study))) == 6


def test_conditional_candidates_keep_their_parameters() -> None:
    candidates = [
        {"cost": 1.0, "kernel": "linear"},
        {"cost": 1.0, "kernel": "rbf", "gamma": 0.01},
        {"cost": 10.0, "kernel": "rbf", "gamma": 0.5},
    ]

    def svm(trial: optuna.Trial) -> float:
        cost = trial.suggest_float("cost", 1e-3, 1e3, log=True)
        if trial.suggest_categorical("kernel", ["linear", "rbf"]) == "linear":
            return cost
        return cost * trial.suggest_float("gamma", 1e-4, 1.0, log=True)

    study = optuna.create_study(sampler=meta_sampler(svm_prior(), candidates=candidates))
    study.optimize(svm, n_trials=3)
    assert set(ran(study)) == as_set(candidates)


def test_parameters_that_candidates_do_not_name_are_drawn() -> None:
    study = optuna.create_study(sampler=MetaSampler(candidates=[{"x": 1}, {"x": 4}], seed=0))
    study.optimize(lambda t: t.suggest_int("x", 0, 9) + t.suggest_float("other", 0, 1), n_trials=2)
    assert {trial.params["x"] for trial in study.trials} == {1, 4}
    assert all(0.0 < trial.params["other"] < 1.0 for trial in study.trials)


def test_enqueued_and_given_values_narrow_the_candidates() -> None:
    study = optuna.create_study(sampler=meta_sampler(bowl_prior(), candidates=BOWLS))
    study.enqueue_trial({"kind": "b"})
    study.optimize(bowl, n_trials=1)
    assert study.trials[0].params["kind"] == "b" and set(ran(study)) <= as_set(BOWLS)


def test_candidates_off_the_grid_are_not_suggested_for_ever() -> None:
    candidates = [{"x": 0.26}, {"x": 0.74}, {"x": 1.0}]
    study = optuna.create_study(sampler=MetaSampler(candidates=candidates, seed=0))
    study.optimize(lambda t: t.suggest_float("x", 0, 1, step=0.25), n_trials=1)
    later = optuna.create_study(sampler=MetaSampler(candidates=candidates[2:], seed=0))
    later.optimize(lambda t: t.suggest_float("x", 0, 1, step=0.25), n_trials=2)
    assert {trial.params["x"] for trial in later.trials} == {1.0}


@pytest.mark.parametrize("value", [5.0, True, "a"])
def test_candidates_that_the_study_cannot_run_are_an_error(value: Any) -> None:
    study = optuna.create_study(sampler=MetaSampler(candidates=[{"x": value}], seed=0))
    with pytest.raises(NoCandidateError, match="None of the 1 candidates lies in"):
        study.optimize(lambda t: t.suggest_categorical("x", [0, 1]), n_trials=1)


def test_a_misspelt_parameter_is_told(logged: Any) -> None:
    study = optuna.create_study(sampler=MetaSampler(candidates=[{"X": 0.5}], seed=0))
    study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=2)
    assert len([m for m in logged.messages if "did not ask for 'X'" in m]) == 1


def test_ranges_may_depend_on_other_parameters() -> None:
    candidates = [
        {"size": size, "units": units}
        for size, units in (("small", 1), ("small", 2), ("large", 32), ("large", 64))
    ]

    def objective(trial: optuna.Trial) -> float:
        is_small = trial.suggest_categorical("size", ["small", "large"]) == "small"
        return trial.suggest_int("units", *((1, 16) if is_small else (17, 64)))

    study = optuna.create_study(sampler=MetaSampler(candidates=candidates, seed=0))
    study.optimize(objective, n_trials=4)
    assert set(ran(study)) == as_set(candidates)


def test_candidates_close_together_are_told_apart() -> None:
    candidates = [{"decay": value} for value in (0.0, 1e-10, 1e-9, 1e-8, 1.0)]
    study = optuna.create_study(sampler=MetaSampler(candidates=candidates, seed=0))
    study.optimize(lambda t: t.suggest_float("decay", 0, 1), n_trials=5)
    assert set(ran(study)) == as_set(candidates)


def test_brackets_of_a_pruner_share_the_candidates() -> None:
    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9)
    sampler = meta_sampler(bowl_prior(), candidates=BOWLS)
    study = optuna.create_study(sampler=sampler, pruner=pruner)
    study.optimize(bowl, n_trials=len(BOWLS))
    assert set(ran(study)) == as_set(BOWLS)


def test_the_space_is_the_targets_where_it_has_shown_it() -> None:
    given = read_candidates([{"x": 1, "kind": "a"}, {"x": 5, "kind": "b"}, {"x": 3}])
    assert given.names == {"x", "kind"}
    assert given.tried([{"x": 5.0, "kind": "b", "other": 7}, {"x": 5}]) == {1}
    own = given.space({}, {})
    assert [(d.name, d.low, d.high) for d in own.dimensions if d.choices is None] == [("x", 1, 5)]
    wider = given.space({}, {"x": FloatDistribution(0.0, 2.0)})
    assert wider.dimensions[wider.index("x")].high == 5.0
    shown = {"x": FloatDistribution(0.0, 4.0), "kind": CategoricalDistribution(["a", "b"])}
    space = given.space(shown, {"x": FloatDistribution(0.0, 9.0)})
    assert space.dimensions[space.index("x")].high == 4.0
    assert given.eligible(shown, {}, [], True).tolist() == [0, 2]
    assert given.eligible(shown, {"x": 3}, [], True).tolist() == [2]
    assert given.eligible(shown, {"x": 4, "other": 1}, [], True).tolist() == [0, 2]
    assert given.eligible(shown, {}, [0], False).tolist() == [2]
    assert given.eligible(shown, {}, [0, 2], False).tolist() == [0, 1, 2]


def test_equal_candidates_are_one_and_numpy_scalars_become_plain() -> None:
    given = read_candidates([{"x": np.float64(1.0)}, {"x": 1}, {"x": True}])
    assert list(given.configurations) == [{"x": 1.0}, {"x": True}]
    assert [type(params["x"]) for params in given.configurations] == [float, bool]


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ([], "got none; leave it out"),
        ({"x": [1, 2]}, "candidates must be a sequence of configurations .*, got dict"),
        ("x", "got str"),
        ([{"x": 1}, 3], "got 3 at position 1"),
        ([{}], r"got \{\} at position 0"),
        ([{"x": math.inf}], "Candidate 0 needs a finite 'x', got inf"),
        ([{"x": math.nan, "y": None}], r"Candidate 0 has no parameter: \{'x': nan, 'y': None\}"),
    ],
)
def test_what_is_no_list_of_configurations_is_refused(candidates: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MetaSampler(candidates=candidates)


@pytest.mark.parametrize("empty", [math.nan, None, pd.NA])
def test_empty_cells_are_absent_parameters(empty: Any) -> None:
    frame = pd.DataFrame(
        {
            "kernel": pd.Series(["rbf", "rbf", "linear", "poly"], dtype=object),
            "gamma": pd.Series([0.1, 1.0, empty, empty], dtype=object),
            "degree": pd.Series([empty, empty, empty, 3], dtype=object),
            "scale": pd.Series([empty, "auto", "auto", empty], dtype=object),
        }
    )

    def objective(trial: optuna.Trial) -> float:
        kernel = trial.suggest_categorical("kernel", ["rbf", "linear", "poly"])
        gamma = trial.suggest_float("gamma", 0.01, 10, log=True) if kernel == "rbf" else 1.0
        degree = trial.suggest_int("degree", 2, 5) if kernel == "poly" else 1
        if kernel == "linear" or gamma == 1.0 and kernel == "rbf":
            trial.suggest_categorical("scale", ["auto", "none"])
        return gamma + degree

    study = optuna.create_study(sampler=meta_sampler(None, candidates=frame.to_dict("records")))
    study.optimize(objective, n_trials=4)
    assert as_set(t.params for t in study.trials) == as_set(
        [
            {"kernel": "rbf", "gamma": 0.1},
            {"kernel": "rbf", "gamma": 1.0, "scale": "auto"},
            {"kernel": "linear", "scale": "auto"},
            {"kernel": "poly", "degree": 3},
        ]
    )


def test_none_is_a_value_where_it_is_a_choice() -> None:
    listed = [{"depth": None, "x": 0.5}, {"depth": 3, "x": 0.5}, {"depth": 5, "x": 0.1}]
    study = optuna.create_study(sampler=meta_sampler(None, candidates=listed))
    study.optimize(
        lambda t: (
            t.suggest_float("x", 0, 1) + len(str(t.suggest_categorical("depth", [None, 3, 5, 9])))
        ),
        n_trials=9,
    )
    assert as_set(t.params for t in study.trials) == as_set(listed)

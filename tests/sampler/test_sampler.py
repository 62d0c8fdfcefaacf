"""Optuna's contract where its own suite does not look: seeds, pickles, ranges, wrappers."""

from __future__ import annotations

from contextlib import nullcontext as _nothing
from dataclasses import replace
import os
from pathlib import Path
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import PartialFixedSampler
from optuna.trial import TrialState
import pytest

from optuna_meta import FittedPrior
from optuna_meta import MetaSampler
from optuna_meta import record_meta_features
from optuna_meta.sampler.plan import PLAN_KEY
from optuna_meta.suggest.pool import Pool
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import meta_sampler
from tests.toys import run
from tests.toys import svm
from tests.toys import svm_prior


def params_of(study: optuna.Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials]


def test_same_seed_same_suggestions() -> None:
    a, b = (run(bowl(), 5, sampler=meta_sampler(bowl_prior(), seed=4)) for _ in range(2))
    assert params_of(a) == params_of(b)


@pytest.mark.parametrize("parts", [[1] * 8, [5, 3]])
@pytest.mark.parametrize("objective", [bowl, svm])
def test_a_resumed_study_goes_on_as_if_it_had_not_been_interrupted(
    parts: list[int], objective: Any, tmp_path: Path
) -> None:
    fitted = bowl_prior() if objective is bowl else svm_prior()
    whole = run(objective(), sum(parts), sampler=meta_sampler(fitted))
    for n_trials in parts:
        study = optuna.create_study(
            storage=f"sqlite:///{tmp_path}/resumed.db",
            study_name="resumed",
            load_if_exists=True,
            sampler=meta_sampler(fitted),
        )
        study.optimize(objective(), n_trials)
    assert params_of(study) == params_of(whole)


def test_what_no_prior_study_knows_is_drawn_anew_after_a_resume() -> None:
    study = optuna.create_study()
    drawn = set()
    for _ in range(3):
        study.sampler = meta_sampler(bowl_prior(), seed=0)
        trial = study.ask()
        drawn.add(trial.suggest_float("unheard of", 0.0, 1.0))
        study.tell(trial, state=TrialState.FAIL)
    assert len(drawn) == 3


def test_other_seed_other_suggestions() -> None:
    a, b = (run(bowl(), 5, sampler=meta_sampler(bowl_prior(), seed=s)) for s in (4, 5))
    assert params_of(a) != params_of(b)


def test_same_suggestions_in_another_process(tmp_path: Path) -> None:
    """Nothing may depend on the order of a set, which each process hashes anew."""
    svm_prior().save(tmp_path / "prior.safetensors")
    script = (
        "import sys, optuna; sys.path.insert(0, sys.argv[2]); from tests.toys import *;"
        "optuna.logging.set_verbosity(optuna.logging.WARNING);"
        "s = run(svm(), 4, sampler=meta_sampler(FittedPrior.load(sys.argv[1])));"
        "print([sorted(t.params.items()) for t in s.trials])"
    )
    arguments = [str(tmp_path / "prior.safetensors"), str(Path(__file__).parents[2])]
    shown = {
        subprocess.run(
            [sys.executable, "-c", script, *arguments],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    here = run(svm(), 4, sampler=meta_sampler(FittedPrior.load(arguments[0])))
    assert shown == {f"{[sorted(params.items()) for params in params_of(here)]}\n"}


def test_reseed_rng_changes_suggestions() -> None:
    fallback = optuna.samplers.RandomSampler(seed=0)
    study = run(bowl(), 3, sampler=meta_sampler(bowl_prior(), independent_sampler=fallback))
    copied = pickle.loads(pickle.dumps(study.sampler))
    study.sampler.reseed_rng()
    unlike = {"new": FloatDistribution(0, 1)}
    number = study.ask().number
    ours, theirs = (
        s.sample_independent(study, study.get_trials()[number], "new", unlike["new"])
        for s in (study.sampler, copied)
    )
    assert ours != theirs
    drawn, known = (s._known.draws.of_trial(number).random() for s in (study.sampler, copied))
    assert drawn != known


@pytest.mark.parametrize("n_before", [0, 3])
def test_a_pickled_sampler_goes_on_identically(n_before: int) -> None:
    study = run(bowl(), n_before, sampler=meta_sampler(bowl_prior()))
    study.ask().suggest_float("rate", 1e-4, 1.0, log=True)  # In the midst of a trial.
    copied = pickle.loads(pickle.dumps(study.sampler))
    a, b = optuna.create_study(sampler=study.sampler), optuna.create_study(sampler=copied)
    for other in (a, b):
        other.add_trials(study.get_trials(states=(TrialState.COMPLETE,)))
        other.optimize(bowl(), n_trials=2)
    assert params_of(a) == params_of(b)


def test_a_pickled_sampler_serves_the_plan_of_its_running_trial() -> None:
    study = optuna.create_study(sampler=meta_sampler(bowl_prior()))
    trial = study.ask()
    rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
    study.sampler = pickle.loads(pickle.dumps(study.sampler))
    trial.suggest_float("width", 0.0, 1.0)
    trial.suggest_categorical("kind", ["a", "b", "c"])
    expected = run(bowl(), 1, sampler=meta_sampler(bowl_prior())).trials[0].params
    assert trial.params == expected
    assert rate == expected["rate"]


def test_the_first_trial_serves_the_plan_jointly() -> None:
    sampler = meta_sampler(bowl_prior())
    explained = sampler.explain(optuna.create_study())
    study = run(bowl(), 1, sampler=sampler)
    assert study.trials[0].params == explained.params
    assert study.trials[0].user_attrs[PLAN_KEY]["source"] == "prior studies"


def test_the_first_trial_of_a_conditional_space() -> None:
    study = run(svm(), 1, sampler=meta_sampler(svm_prior()))
    assert study.trials[0].params["kernel"] == "rbf"
    assert 1e-3 < study.trials[0].params["gamma"] < 0.1
    assert study.best_value < 0.6


def test_conditional_parameters_in_every_trial() -> None:
    study = run(svm(), 8, sampler=meta_sampler(svm_prior()))
    for trial in study.trials:
        assert ("gamma" in trial.params) == (trial.params["kernel"] == "rbf")
    assert sum(trial.params["kernel"] == "rbf" for trial in study.trials) >= 5


def test_the_prior_ranges_are_never_returned() -> None:
    """Optuna raises inside the objective where they differ from what it suggests."""
    study = optuna.create_study(sampler=meta_sampler(bowl_prior()))
    trial = study._storage.get_trial(study._storage.create_new_trial(study._study_id))
    assert study.sampler.infer_relative_search_space(study, trial) == {}


UNLIKE = {
    "narrower": {"rate": FloatDistribution(0.02, 0.5, log=True)},
    "disjoint": {"rate": FloatDistribution(10.0, 20.0)},
    "linear": {"rate": FloatDistribution(0.0, 2.0)},
    "integer": {"width": IntDistribution(0, 3)},
    "stepped": {"width": FloatDistribution(0.0, 1.0, step=0.25)},
    "without the best choice": {"kind": CategoricalDistribution(["c", "b"])},
    "unknown choices": {"kind": CategoricalDistribution(["d", None, 3])},
    "choices for a number": {"rate": CategoricalDistribution([0.001, 0.01, "auto"])},
    "number for choices": {"kind": IntDistribution(1, 5)},
    "one value": {"kind": CategoricalDistribution(["b"])},
    "new parameter": {"depth": IntDistribution(1, 5)},
}


@pytest.mark.parametrize("changed", UNLIKE.values(), ids=UNLIKE)
def test_other_ranges_than_the_priors(changed: dict[str, Any]) -> None:
    space = {
        "rate": FloatDistribution(1e-4, 1.0, log=True),
        "width": FloatDistribution(0.0, 1.0),
        "kind": CategoricalDistribution(["a", "b", "c"]),
    }
    shared = [name for name in space if name not in changed]
    study = optuna.create_study(sampler=meta_sampler(bowl_prior()))
    for value in (1.0, 2.0, 0.5):
        trial = study.ask(space | changed)
        assert PLAN_KEY in study.trials[-1].user_attrs
        study.tell(trial, value)
    first = study.trials[0].params
    assert "kind" not in shared or first["kind"] == "a"
    assert "width" not in shared or abs(first["width"] - 0.6) < 0.35
    assert "rate" not in shared or 1e-4 < first["rate"] < 0.1


def test_the_rest_is_planned_anew_around_a_value_that_was_not_foreseen() -> None:
    """The best ``y`` depends on ``x``, and the asked range excludes the best ``x``."""

    def linked(trial: optuna.Trial) -> float:
        x, y = trial.suggest_float("x", 0.0, 1.0), trial.suggest_float("y", 0.0, 1.0)
        return 5.0 * (y - x) ** 2 + 0.3 * abs(x - 0.2)

    prior = [run(linked, 40, seed=i, study_name=f"linked {i}") for i in range(3)]
    study = optuna.create_study(sampler=meta_sampler(prior))
    params = study.ask({"x": FloatDistribution(0.7, 1.0), "y": FloatDistribution(0.0, 1.0)}).params
    assert abs(params["y"] - params["x"]) < 0.3


@pytest.mark.parametrize("value", [0.5, 7.0, -3.0])
def test_enqueued_values_also_out_of_range(value: float) -> None:
    study = optuna.create_study(sampler=meta_sampler(bowl_prior()))
    study.enqueue_trial({"width": value})
    with pytest.warns() if value != 0.5 else _nothing():
        study.optimize(bowl(), n_trials=1)
    study.optimize(bowl(), n_trials=2)
    assert study.trials[0].params["width"] == value
    assert study.trials[0].params["kind"] == "a"
    assert all(PLAN_KEY in trial.user_attrs for trial in study.trials)


def test_an_enqueued_trial_without_a_plan() -> None:
    study = optuna.create_study(sampler=meta_sampler(bowl_prior()))
    study.enqueue_trial({"rate": 0.1, "width": 0.2, "kind": "c"})
    study.optimize(bowl(), n_trials=2)
    assert study.trials[0].params == {"rate": 0.1, "width": 0.2, "kind": "c"}


def test_ranges_that_change_within_a_study() -> None:
    def moving(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", 1e-3 * (trial.number + 1), 0.5, log=True)
        width = trial.suggest_float("width", 0.0, 0.5 + trial.number)
        return rate + width

    study = run(moving, 5, sampler=meta_sampler(bowl_prior()))
    assert all(PLAN_KEY in trial.user_attrs for trial in study.trials)


def test_parameters_that_appear_late() -> None:
    def growing(trial: optuna.Trial) -> float:
        value = bowl()(trial) if trial.number > 1 else 1.0  # The first trials have no parameters.
        return value + (trial.suggest_float("late", 0, 1) if trial.number > 3 else 0.0)

    study = run(growing, 7, sampler=meta_sampler(bowl_prior()))
    assert [len(trial.params) for trial in study.trials] == [0, 0, 3, 3, 4, 4, 4]
    assert study.trials[2].params["kind"] == "a"


@pytest.mark.parametrize("name", ["rate", "kind"])
def test_partial_fixed_sampler(name: str) -> None:
    value: Any = {"rate": 0.5, "kind": "c"}[name]
    sampler = PartialFixedSampler({name: value}, meta_sampler(bowl_prior()))
    study = run(bowl(), 4, sampler=sampler)
    assert all(trial.params[name] == value for trial in study.trials)
    assert len({trial.params["width"] for trial in study.trials}) > 1


def test_hyperband_and_recorded_meta_features() -> None:
    """Its study wrapper hides the user attributes, where the meta-features are."""
    studies = [run(bowl(c), 12, seed=i, study_name=f"{i}") for i, c in enumerate([0.2, 0.8, 0.5])]
    for study, size in zip(studies, (10.0, 1000.0, 100.0), strict=True):
        record_meta_features(study, {"size": size, "other": 1.0})
    sampler = meta_sampler(studies)
    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9)
    target = optuna.create_study(sampler=sampler, pruner=pruner)
    record_meta_features(target, {"size": 1000.0, "other": 1.0})

    def reporting(trial: optuna.Trial) -> float:
        value = bowl(0.8)(trial)
        for step in range(9):
            trial.report(value + 1.0 / (step + 1), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    target.optimize(reporting, n_trials=6)
    assert all(PLAN_KEY in trial.user_attrs for trial in target.trials)
    plain = optuna.create_study()
    record_meta_features(plain, {"size": 1000.0, "other": 1.0})
    assert target.trials[0].params == meta_sampler(studies).explain(plain).params


def test_ask_with_fixed_distributions_is_the_same_as_suggesting() -> None:
    space = {
        "rate": FloatDistribution(1e-4, 1.0, log=True),
        "width": FloatDistribution(0.0, 1.0),
        "kind": CategoricalDistribution(["a", "b", "c"]),
    }
    asked = optuna.create_study(sampler=meta_sampler(bowl_prior())).ask(space)
    run_ = run(bowl(), 1, sampler=meta_sampler(bowl_prior()))
    assert asked.params == run_.trials[0].params


def test_one_sampler_for_several_studies() -> None:
    sampler = MetaSampler(prior_studies=bowl_prior(), seed=0)
    firsts = [run(bowl(), 2, sampler=sampler).trials[0].params for _ in range(2)]
    assert firsts[0] == firsts[1]


def test_plans_of_trials_that_never_end_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optuna_meta.sampler.study_state._MOST_PLANS", 2)
    sampler = meta_sampler(bowl_prior())
    study = run(bowl(), 2, sampler=sampler)
    assert len(sampler._known.state(study).plans) == 0
    for _ in range(3):
        study.ask({"width": FloatDistribution(0, 1)})
    assert len(sampler._known.state(study).plans) == 2


def test_user_attributes_are_stored(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/target.db"
    run(bowl(), 3, sampler=meta_sampler(bowl_prior()), storage=url, study_name="target")
    for trial in optuna.load_study(study_name="target", storage=url).trials:
        assert trial.user_attrs[PLAN_KEY]["source"] in (
            "prior studies",
            "prior studies and own trials",
        )
        assert 0.0 <= trial.user_attrs[PLAN_KEY]["trust"] <= 1.0
        assert trial.user_attrs[PLAN_KEY]["leaned_on"] in bowl_prior().study_names


def test_wrong_prior_studies() -> None:
    with pytest.raises(ValueError, match="Prior.from_storage"):
        MetaSampler(prior_studies="sqlite:///prior.db")  # type: ignore[arg-type]


def test_the_pools_of_a_studys_suggester_are_few() -> None:
    study = optuna.create_study(sampler=meta_sampler(bowl_prior()))
    pools = study.sampler._known.suggester(study, []).pools
    for i in range(12):
        pools[str(i)] = Pool(np.zeros((0, 1)), np.zeros((0, 1)), 0)
    assert len(pools) == 8


def test_studies_in_turn_share_what_the_prior_studies_say_of_each_other(
    weighings: list[int],
) -> None:
    """More of them than a sampler keeps trials of; also after pickling."""
    sampler = meta_sampler(replace(bowl_prior(), reliabilities={}))
    weighings.clear()  # Fitting asks them, too.
    studies = [optuna.create_study(sampler=sampler) for _ in range(6)]
    for study in studies * 2:
        study.optimize(bowl(), n_trials=1)
    studies[0].sampler = pickle.loads(pickle.dumps(sampler))
    studies[0].optimize(bowl(), n_trials=1)
    assert weighings == [5]


@pytest.mark.parametrize("n_before", [0, 3])
def test_a_pickled_sampler_explains_the_same(n_before: int) -> None:
    study = run(bowl(), n_before, sampler=meta_sampler(bowl_prior()))
    study.sampler.explain(study)
    copied = pickle.loads(pickle.dumps(study.sampler))
    assert str(copied.explain(study)) == str(study.sampler.explain(study))

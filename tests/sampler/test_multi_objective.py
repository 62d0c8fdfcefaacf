"""Several objectives and constraints, from the prior studies to the suggestion."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from optuna_meta import fit_prior
from optuna_meta import FittedPrior
from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.sampler.plan import PLAN_KEY
from tests.toys import bowl
from tests.toys import run


TWO = ["minimize", "maximize"]


def two(
    shift: float = 0.0, limit: float | None = None
) -> Callable[[optuna.Trial], tuple[float, float]]:
    """Two quadratic objectives whose front lies between ``x = y = 0.3`` and ``0.7``."""

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        if limit is not None:
            trial.set_constraint("x", x - limit)
        a, b = 0.3 + shift, 0.7 + shift
        return (x - a) ** 2 + (y - a) ** 2, -((x - b) ** 2) - (y - b) ** 2

    return objective


def one(limit: float) -> Callable[[optuna.Trial], float]:
    """A bowl whose best value, at ``x = 0.7``, is not allowed."""

    def objective(trial: optuna.Trial) -> float:
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        trial.set_constraint("x", x - limit)
        return (x - 0.7) ** 2 + (y - 0.5) ** 2

    return objective


@cache
def two_prior() -> FittedPrior:
    studies = [
        run(two(s), 25, seed=i, study_name=f"two {i}", directions=TWO)
        for i, s in enumerate((-0.05, 0.0, 0.05))
    ]
    return fit_prior(Prior.from_studies(studies))


@cache
def limited_prior() -> FittedPrior:
    studies = [
        run(one(limit), 25, seed=i, study_name=f"one {i}")
        for i, limit in enumerate((0.35, 0.4, 0.45))
    ]
    return fit_prior(Prior.from_studies(studies))


def hypervolume(study: optuna.Study) -> float:
    """Of the box up to (1, 1) in lower-is-better values, by counting points."""
    values = np.array([[a, -b] for a, b in (t.values for t in study.trials)])
    points = np.random.default_rng(0).random((4_000, 2))
    return float((values[None] <= points[:, None]).all(axis=2).any(axis=1).mean())


def feasible_share(study: optuna.Study) -> float:
    return float(np.mean([t.constraints["x"] <= 0.0 for t in study.trials]))


def test_each_objective_of_a_study_is_a_task() -> None:
    prior = two_prior().prior
    assert len(prior) == 3 and len(prior.tasks) == len(two_prior()) == 6
    assert [t.outcome for t in prior.tasks[:2]] == [Outcome("", 0, 2), Outcome("", 1, 2)]
    assert prior.names == ("two 0", "two 1", "two 2")
    first, second = prior.tasks[:2]
    np.testing.assert_array_equal(first.rows, second.rows)
    # The second is maximised: lower is better throughout.
    assert second.values[np.argmin(second.values)] == pytest.approx(
        -max(t.values[1] for t in run(two(-0.05), 25, directions=TWO).trials)
    )


def test_prior_studies_of_two_objectives_start_two_objectives_well() -> None:
    ours, theirs = (
        [
            hypervolume(run(two(), n, sampler=sampler(seed), directions=TWO))
            for seed in range(3)
            for n in (2, 8)
        ]
        for sampler in (
            lambda seed: MetaSampler(prior_studies=two_prior(), seed=seed),
            lambda seed: optuna.samplers.TPESampler(seed=seed),
        )
    )
    assert np.mean(ours) > np.mean(theirs) + 0.02
    first = run(two(), 1, sampler=MetaSampler(prior_studies=two_prior(), seed=0), directions=TWO)
    # Before any trial: a point between the two optima.
    assert all(0.2 < value < 0.8 for value in first.trials[0].params.values())


def test_the_front_is_covered() -> None:
    sampler = MetaSampler(prior_studies=two_prior(), seed=0)
    study = run(two(), 25, sampler=sampler, directions=TWO)
    x = np.array([trial.params["x"] for trial in study.best_trials])
    assert len(x) >= 8 and x.min() < 0.45 and x.max() > 0.55 and np.ptp(x) > 0.2


def test_without_prior_studies_two_objectives_beat_random_search() -> None:
    ours = [
        hypervolume(run(two(), 15, sampler=MetaSampler(seed=s), directions=TWO)) for s in (0, 1)
    ]
    random = [hypervolume(run(two(), 15, seed=s, directions=TWO)) for s in (0, 1)]
    assert min(ours) > max(random)


def test_three_objectives_run_and_explain_themselves() -> None:
    def three(trial: optuna.Trial) -> tuple[float, float, float]:
        a, b = two()(trial)
        return a, b, trial.params["x"]

    directions = ["minimize", "maximize", "minimize"]
    prior = [
        run(three, 12, seed=s, study_name=f"three {s}", directions=directions) for s in (0, 1)
    ]
    sampler = MetaSampler(prior_studies=prior, seed=0)
    study = run(three, 6, sampler=sampler, directions=directions)
    explained = sampler.explain(study)
    assert {p.study for p in explained.priors} == {"three 0", "three 1"}
    assert sum(abs(p.share) for p in explained.priors) <= 1.0
    assert 0.0 < explained.trust < 1.0 and set(explained.params) == {"x", "y"}
    assert study.trials[0].user_attrs[PLAN_KEY]["source"] == "prior studies"


def test_metric_names_find_the_objective_in_studies_of_other_objectives() -> None:
    """A study of two objectives serves one of one, whatever the position, by its name."""
    prior = run(two(), 25, study_name="two", directions=TWO)
    prior.set_metric_names(["error", "gain"])
    target = optuna.create_study(
        direction="maximize", sampler=MetaSampler(prior_studies=[prior], seed=0)
    )
    target.set_metric_names(["gain"])
    target.optimize(lambda trial: two()(trial)[1], n_trials=1)
    assert target.trials[0].user_attrs[PLAN_KEY]["source"] == "prior studies"
    best = max(prior.trials, key=lambda t: t.values[1])
    assert target.trials[0].params == pytest.approx(best.params, abs=0.25)
    unnamed = optuna.create_study(sampler=MetaSampler(prior_studies=[prior], seed=0))
    unnamed.optimize(lambda trial: two()(trial)[0], n_trials=1)
    assert unnamed.trials[0].user_attrs[PLAN_KEY]["source"] == "cold start"


def test_constraints_of_prior_studies_keep_the_first_trial_feasible() -> None:
    study = run(one(0.4), 1, sampler=MetaSampler(prior_studies=limited_prior(), seed=0))
    assert study.trials[0].constraints["x"] <= 0.0 and study.trials[0].params["x"] > 0.15


@pytest.mark.parametrize("prior", [limited_prior, None], ids=["prior", "cold"])
def test_constraints_are_learned_and_kept_near(prior: Callable[[], FittedPrior] | None) -> None:
    sampler = MetaSampler(prior_studies=prior() if prior else None, seed=0)
    study = run(one(0.4), 20, sampler=sampler)
    # 0.09, at the limit, is the best that is allowed; random search finds 0.11 at most.
    assert study.best_value < 0.095 < run(one(0.4), 20).best_value


def test_constraints_and_two_objectives_go_together() -> None:
    prior = [run(two(limit=0.5), 25, seed=s, study_name=f"{s}", directions=TWO) for s in range(2)]
    study = run(
        two(limit=0.5), 12, sampler=MetaSampler(prior_studies=prior, seed=0), directions=TWO
    )
    assert feasible_share(study) > 0.5


def test_a_target_without_constraints_is_not_bound_by_those_of_prior_studies() -> None:
    def free(trial: optuna.Trial) -> float:
        return (trial.suggest_float("x", 0, 1) - 0.7) ** 2 + trial.suggest_float("y", 0, 1) * 0.0

    study = run(free, 10, sampler=MetaSampler(prior_studies=limited_prior(), seed=0))
    assert abs(study.best_params["x"] - 0.7) < 0.1


@pytest.mark.parametrize("values", [[1.0], [0.0, 0.0], [float("inf"), float("-inf"), -1.0]])
def test_strange_constraint_values_are_no_obstacle(values: list[float]) -> None:
    sequence = iter(values * 4)

    def strange(trial: optuna.Trial) -> float:
        trial.set_constraint("odd", next(sequence))
        return bowl()(trial)

    study = run(strange, len(values) * 4, sampler=MetaSampler(seed=0))
    assert len(study.trials) == len(values) * 4


@pytest.mark.parametrize("kind", [Prior, FittedPrior])
def test_measures_survive_a_file(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "prior.safetensors"
    fitted = limited_prior()
    saved = fitted if kind is FittedPrior else fitted.prior
    saved.save(path)
    loaded = kind.load(path)
    prior = loaded.prior if kind is FittedPrior else loaded
    assert [t.outcome for t in prior.tasks] == [t.outcome for t in fitted.prior.tasks]
    assert Outcome.constraint("x") in {t.outcome for t in prior.tasks}


@pytest.mark.parametrize("named", [True, False])
def test_priors_of_other_objectives_are_no_obstacle(named: bool, logged: Any) -> None:
    """Nor do they choose the first trial: nothing of theirs is known to be good here."""
    sampler = MetaSampler(prior_studies=limited_prior(), seed=0)
    target = optuna.create_study(directions=TWO, sampler=sampler)
    if named:
        target.set_metric_names(["a", "b"])
    target.optimize(lambda t: (t.suggest_float("x", 0, 1), t.params["x"]), n_trials=3)
    assert sampler.explain(target).source == "cold start"
    assert len([m for m in logged.messages if "No prior study has an objective" in m]) == 1


def test_a_constraint_that_no_prior_study_has_leaves_the_objectives_informed() -> None:
    def other(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.set_constraint("new", 0.3 - x)
        return (x - 0.7) ** 2

    study = run(other, 4, sampler=MetaSampler(prior_studies=limited_prior(), seed=0))
    assert study.sampler.explain(study).trust > 0.0
    assert study.best_value < 0.01

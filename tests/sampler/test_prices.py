"""Improvement is counted by its cost, the less the less of the budget is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import math

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
import pytest

from optuna_meta import explain_trial
from optuna_meta import MetaSampler
from optuna_meta.pruning.costs import fit_costs
from optuna_meta.pruning.judge import STOPPED_KEY
from optuna_meta.pruning.judge import Verdict
from optuna_meta.sampler.prices import Prices
from optuna_meta.space.search_space import Space
from optuna_meta.studies.prior import Prior
from tests.toys import bowl
from tests.toys import run


COMPLETE, PRUNED = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED


def dear(trial: optuna.Trial) -> float:
    """The farther ``size`` is from 0, the dearer; it hardly matters for the value."""
    size, x = trial.suggest_float("size", 0.0, 1.0), trial.suggest_float("x", 0.0, 1.0)
    trial.set_user_attr("money", 10.0 ** (3.0 * size))
    return (x - 0.3) ** 2 + 0.001 * (size - 0.9) ** 2


def spent(is_aware: bool, seed: int) -> tuple[float, float]:
    sampler = MetaSampler(seed=seed, cost_aware=is_aware, cost="money")
    study = optuna.create_study(sampler=sampler)
    study.optimize(dear, n_trials=20)
    return sum(t.user_attrs["money"] for t in study.trials), study.best_value


def test_the_same_is_found_for_less() -> None:
    aware, blind = (np.array([spent(a, s) for s in range(2)]).mean(axis=0) for a in (True, False))
    assert aware[0] < 0.7 * blind[0]
    assert aware[1] < 0.01


def test_the_study_itself_is_no_prior_of_its_costs() -> None:
    study, other = (run(bowl(), 6, seed=i, study_name=n) for i, n in enumerate(("target", "b")))
    sampler = MetaSampler(prior_studies=[study, other], cost_aware=True)
    suggester = sampler._known.suggester(study, study.trials)
    prices = sampler._known.prices_by(suggester)
    assert "target" in {task.name for task in sampler._known.fitted.prior.tasks}
    assert prices is not None and {task.name for task in prices.prior.tasks} == {"b"}


def test_the_record_carries_the_forecast() -> None:
    study = optuna.create_study(sampler=MetaSampler(seed=2, cost_aware=True, cost="money"))
    study.optimize(dear, n_trials=15)
    plan = study.trials[-1].user_attrs["optuna_meta:plan"]
    assert plan["cost"] == pytest.approx(study.trials[-1].user_attrs["money"], rel=0.5)
    assert study.trials[0].user_attrs["optuna_meta:plan"]["cost"] is None


def test_the_explanation_of_a_trial_tells_its_forecast_and_why_it_was_stopped() -> None:
    verdict = Verdict(3, 0.25, False, 0.01, 412, 2)
    plan = {"params": {}, "source": "cold start", "trust": 0.0, "cost": 12.5}
    study = optuna.create_study()
    attrs = {"optuna_meta:plan": plan, STOPPED_KEY: verdict.record()}
    study.add_trial(optuna.trial.create_trial(state=PRUNED, user_attrs=attrs))
    text = str(explain_trial(study, 0))
    assert "expected cost: 12.5" in text
    assert str(verdict) in text


def test_at_the_end_of_the_budget_costs_do_not_count() -> None:
    study = optuna.create_study()
    study.optimize(dear, n_trials=5)
    total = sum(t.user_attrs["money"] for t in study.trials)
    powers = [Prices(Prior(), b, "money").exponent(study.trials) for b in (total, 2 * total, 1e9)]
    assert powers == pytest.approx([0.0, 0.5, 1.0], abs=1e-3)


@pytest.mark.parametrize("odd", ["much", None, math.nan, -1.0, math.inf, 0.0])
def test_misreported_costs_do_no_harm(odd: object) -> None:
    def objective(trial: optuna.Trial) -> float:
        value = dear(trial)
        if trial.number % 3 == 0:
            trial.set_user_attr("money", odd)
        return value

    study = optuna.create_study(sampler=MetaSampler(seed=0, cost_aware=True, cost="money"))
    study.enqueue_trial({"size": 1.0, "x": 0.5})
    study.optimize(objective, n_trials=8)
    assert len(study.trials) == 8


def test_a_stopped_trial_tells_what_it_would_have_cost() -> None:
    study = optuna.create_study()
    for money, n_steps, state in ((8.0, 12, COMPLETE), (2.0, 3, PRUNED)):
        made = optuna.trial.create_trial(
            state=state,
            value=1.0 if state == COMPLETE else None,
            params={"x": money / 10.0},
            distributions={"x": FloatDistribution(0.0, 1.0)},
            intermediate_values=dict.fromkeys(range(n_steps), 1.0),
            user_attrs={"money": money},
        )
        study.add_trial(made)
    space = Space.from_distributions(study.trials[0].distributions)
    found = Prices(Prior(), None, "money")._own(space, study.trials)
    np.testing.assert_allclose(np.exp(found.logs), 8.0)


def test_costs_by_name_are_learned_from_prior_studies() -> None:
    prior = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    prior.optimize(dear, n_trials=30)
    prices = Prices(Prior.from_studies([prior]), None, "money")
    space = Space.from_distributions(prior.trials[0].distributions)
    model = fit_costs(prices._prior_costs(), prices._own(space, []))
    cheap, expensive = model.log_cost(np.array([[0.1, 0.5], [0.9, 0.5]]), space)
    assert expensive - cheap == pytest.approx(math.log(10.0**2.4), rel=0.1)
    assert not len(replace(prices, name="joules")._prior_costs().logs)


def test_costs_that_no_number_can_hold_leave_a_forecast_that_is_one() -> None:
    def objective(trial: optuna.Trial) -> float:
        trial.set_user_attr("money", [1e300, math.inf, math.nan, 10**400][trial.number % 4])
        return trial.suggest_float("x", 0.0, 1.0)

    study = optuna.create_study(sampler=MetaSampler(seed=0, cost_aware=True, cost="money"))
    study.optimize(objective, n_trials=6)
    plans = [t.user_attrs["optuna_meta:plan"] for t in study.trials]
    assert all(math.isfinite(p["cost"]) for p in plans if p["cost"] is not None)
    assert plans[-1]["cost"] == pytest.approx(1e300, rel=1e-6)


def test_a_budget_is_that_of_all_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, priced = [], Prices.priced

    def counted(self: Prices, request: object, trials: Sequence[object]) -> object:
        seen.append(len(trials))
        return priced(self, request, trials)  # type: ignore[arg-type]

    monkeypatch.setattr(Prices, "priced", counted)
    study = optuna.create_study(
        sampler=MetaSampler(seed=0, cost_aware=True, cost="money", budget=1e6),
        pruner=optuna.pruners.HyperbandPruner(max_resource=9),
        study_name="brackets",
    )
    study.optimize(dear, n_trials=8)
    assert seen == list(range(1, 9))


def test_seconds_are_what_counts_by_default() -> None:
    study = optuna.create_study(sampler=MetaSampler(seed=0, cost_aware=True, budget=1.0))
    study.optimize(dear, n_trials=5)
    assert study.trials[-1].user_attrs["optuna_meta:plan"]["cost"] > 0.0


@pytest.mark.parametrize("budget", [0.0, -1.0, math.nan])
def test_a_budget_of_nothing_is_refused(budget: float) -> None:
    with pytest.raises(ValueError, match="budget must be positive"):
        MetaSampler(cost_aware=True, budget=budget)


def test_costs_count_in_a_preview_too() -> None:
    sampler = MetaSampler(seed=0, cost_aware=True, cost="dollars")
    study = optuna.create_study(sampler=sampler)

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0.0, 10.0)
        trial.set_user_attr("dollars", math.exp(x))
        return math.sin(x)

    study.optimize(objective, n_trials=6)
    shown = sampler.preview(study, 1)[0].params["x"]
    assert study.ask().suggest_float("x", 0.0, 10.0) == pytest.approx(shown)


def test_costs_of_a_sampler_that_does_not_count_them_are_refused() -> None:
    with pytest.raises(ValueError, match="cost_aware=True"):
        MetaSampler(budget=10.0)

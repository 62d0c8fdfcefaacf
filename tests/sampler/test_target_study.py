"""What the sampler reads of the target's trials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.trial import create_trial
from optuna.trial import TrialState
import pytest

from optuna_meta import fit_prior
from optuna_meta import FittedPrior
from optuna_meta import Prior
from optuna_meta.outcomes.observations import objectives
from optuna_meta.sampler.plan import PLAN_KEY
from optuna_meta.sampler.study_state import StudyState
from optuna_meta.sampler.target_study import has_begun
from optuna_meta.sampler.target_study import TargetStudy
from optuna_meta.sampler.target_study import withheld_params
from optuna_meta.suggest.request import SuggestRequest
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import meta_sampler
from tests.toys import run
from tests.toys import svm_prior


SPACE = {
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "width": FloatDistribution(0.0, 1.0),
    "kind": CategoricalDistribution(["a", "b", "c"]),
}


def target_of(study: optuna.Study, number: int | None = None) -> TargetStudy:
    """The study as its next trial sees it."""
    trials = study.trials
    number = len(trials) if number is None else number
    common, outcomes = StudyState().common_space(trials), objectives(len(study.directions))
    return TargetStudy(tuple(study.directions), outcomes, trials, number, common)


def request_of(
    study: optuna.Study, fitted: FittedPrior | None = None, number: int | None = None
) -> SuggestRequest:
    """What the study's next trial asks."""
    fitted = bowl_prior() if fitted is None else fitted
    return target_of(study, number).encode(fitted, StudyState())


def params_of_rows(request: SuggestRequest, rows: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
    return [request.space.params(row) for row in rows]


def test_before_any_trial_the_prior_space_stands_in() -> None:
    request = request_of(optuna.create_study())
    assert request.space.names == ("kind", "rate", "width")
    assert len(request.rows) == len(request.pending) == 0


def test_finished_trials_are_rows_with_lower_better_values() -> None:
    study = run(bowl(sign=-1.0), 4, direction="maximize")
    request = request_of(study)
    assert request.values[:, 0] == pytest.approx([-trial.value for trial in study.trials])
    for params, trial in zip(params_of_rows(request, request.rows), study.trials, strict=True):
        assert params == {n: pytest.approx(v) for n, v in trial.params.items()}


def test_parameters_that_the_target_does_not_have_are_left_out() -> None:
    study = run(lambda trial: trial.suggest_float("width", 0.0, 1.0), 2)
    assert request_of(study).space.names == ("width",)


def test_a_conditional_parameter_stays_expected_until_its_condition_was_met() -> None:
    def space_after(kernel: str) -> tuple[str, ...]:
        distributions = {
            "cost": FloatDistribution(1e-3, 1e3, log=True),
            "kernel": CategoricalDistribution(["linear", "rbf"]),
        }
        study = optuna.create_study()
        params = {"cost": 1.0, "kernel": kernel}
        study.add_trial(create_trial(params=params, distributions=distributions, value=1.0))
        return request_of(study, svm_prior()).space.names

    assert space_after("linear") == ("cost", "gamma", "kernel")
    assert space_after("rbf") == ("cost", "kernel")  # It had its chance and never came.


def test_running_trials_are_pending_with_what_they_have_or_will_have() -> None:
    study = run(bowl(), 2)
    study.ask(SPACE)
    planned = study.ask()
    planned.set_user_attr(PLAN_KEY, {"params": {"rate": 0.1, "width": 0.2, "kind": "b"}})
    planned.suggest_float("width", 0.0, 1.0)
    unknown = study.ask()  # What it will run nobody knows yet.
    request = request_of(study, number=unknown.number + 1)
    first, second = params_of_rows(request, request.pending)
    assert first == {n: pytest.approx(v) for n, v in study.trials[2].params.items()}
    assert second == {
        "rate": pytest.approx(0.1),
        "width": pytest.approx(planned.params["width"]),
        "kind": "b",
    }


def test_failed_trials_are_told_apart() -> None:
    study = run(bowl(), 2)
    study.tell(study.ask(SPACE), state=TrialState.FAIL)
    with pytest.warns(match="nan is not acceptable"):
        study.tell(study.ask(SPACE), float("nan"))
    study.tell(study.ask(SPACE), state=TrialState.PRUNED)  # It reported nothing.
    request = request_of(study)
    assert len(request.values) == 2 and len(request.pending) == 0
    assert request.failed is not None
    for params, trial in zip(
        params_of_rows(request, request.failed), study.trials[2:], strict=True
    ):
        assert params == {n: pytest.approx(v) for n, v in trial.params.items()}


@pytest.mark.parametrize("planned", [True, False])
def test_a_parameter_that_was_planned_in_vain_is_conditional(planned: bool) -> None:
    """Two trials are few; only the plan says that the second could have asked for it."""
    kind, only_a = CategoricalDistribution(["a", "b"]), FloatDistribution(0.0, 1.0)
    both, one = {"kind": kind, "only a": only_a}, {"kind": kind}
    plan = {"kind": "b", "only a": 0.3} if planned else {"kind": "b"}
    study = optuna.create_study()
    study.add_trial(create_trial(params={"kind": "a", "only a": 0.2}, distributions=both, value=1))
    study.add_trial(
        create_trial(
            params={"kind": "b"}, distributions=one, value=1, system_attrs={PLAN_KEY: plan}
        )
    )
    request = request_of(study, fit_prior(Prior()))
    if not planned:
        assert request.conditions == ()
        return
    (condition,) = request.conditions
    assert request.space.names[condition.child] == "only a"
    assert condition.holds(np.array([0.0, 1.0])).tolist() == [True, False]


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), 1e308, -1e308])
def test_values_are_finite(value: float) -> None:
    study = run(bowl(), 2)
    study.tell(study.ask(SPACE), value)
    values = request_of(study).values
    assert np.isfinite(values).all()
    worst = value > 0 or np.isinf(value)  # An infinite value of either sign is a diverged run.
    assert values[2] == (values.max() if worst else values.min())


def test_pruned_trials_count() -> None:
    study = run(bowl(), 2)
    trial = study.ask(SPACE)
    trial.report(0.5, 1)
    study.tell(trial, state=TrialState.PRUNED)
    assert len(request_of(study).values) == 3


def test_own_space_is_what_complete_trials_share() -> None:
    study = optuna.create_study()
    single = {"same": IntDistribution(3, 3)}
    study.tell(study.ask(SPACE | single), 1.0)
    study.tell(study.ask({**SPACE, "rate": FloatDistribution(0.1, 0.2, log=True)} | single), 1.0)
    assert StudyState().common_space(study.trials) == {n: SPACE[n] for n in ("kind", "width")}


def test_withheld_parameters_stand_where_they_stood_last() -> None:
    study = run(bowl(), 2)
    withheld = withheld_params(study.trials, ["kind", "unheard of"])
    assert withheld == {"kind": study.trials[1].params["kind"]}
    assert withheld_params([], ["kind"]) == {}


@pytest.mark.parametrize("fail", [lambda t: 1 / 0, lambda t: float("nan")], ids=["raise", "nan"])
def test_a_failing_configuration_is_not_suggested_for_ever(
    fail: Callable[[optuna.Trial], float],
) -> None:
    """The suggester draws nothing before the first value: it would give one answer for ever."""
    study = optuna.create_study(sampler=meta_sampler(bowl_prior()))

    def failing(trial: optuna.Trial) -> float:
        value = bowl()(trial)
        return fail(trial) if trial.number < 3 else value

    study.optimize(failing, n_trials=5, catch=(ZeroDivisionError,))
    seen = [tuple(trial.params.values()) for trial in study.trials]
    assert len(set(seen)) == 5
    assert study.best_value < 0.2


def test_rivals_have_got_the_same_row_in_between() -> None:
    study = run(bowl(), 2)
    target, before = target_of(study, 4), request_of(study, number=4)
    row = before.space.row({"rate": 0.1, "width": 0.2, "kind": "b"})
    assert target.rivals(before, row, study.trials) == []
    same, other = study.ask(), study.ask()
    same.set_user_attr(PLAN_KEY, {"params": {"rate": 0.1, "width": 0.2, "kind": "b"}})
    other.set_user_attr(PLAN_KEY, {"params": {"rate": 0.1, "width": 0.3, "kind": "b"}})
    (rival,) = target.rivals(before, row, study.trials)
    assert rival.number == same.number and not has_begun(rival)
    assert target_of(study).rivals(request_of(study), row, study.trials) == []  # Known before.
    study.tell(same, 1.0)
    (rival,) = target.rivals(before, row, study.trials)
    assert has_begun(rival)


def test_trials_that_choose_at_once_take_turns() -> None:
    study = run(bowl(), 2)
    assert request_of(study).n_ahead == 0
    for _ in range(3):
        study.ask()
    assert [request_of(study, number=number).n_ahead for number in range(2, 5)] == [2, 0, 1]
    study.ask(SPACE)  # It has chosen.
    assert [request_of(study, number=number).n_ahead for number in range(2, 5)] == [2, 0, 1]
    target = target_of(study, 4).after(study.trials, 2).after(study.trials, 1)
    assert target.n_rivals == 5
    assert target.encode(bowl_prior(), StudyState()).n_ahead == 4


def test_the_priors_conditions_hold_until_the_target_contradicts_them() -> None:
    distributions = {
        "cost": FloatDistribution(1e-3, 1e3, log=True),
        "kernel": CategoricalDistribution(["linear", "rbf"]),
        "gamma": FloatDistribution(1e-4, 1.0, log=True),
    }
    study = optuna.create_study()
    assert len(request_of(study, svm_prior()).conditions) == 1
    params = {"cost": 1.0, "kernel": "linear", "gamma": 0.1}
    study.add_trial(create_trial(params=params, distributions=distributions, value=1.0))
    assert request_of(study, svm_prior()).conditions == ()


def test_a_prior_without_shared_parameters_asks_nothing() -> None:
    other = run(lambda trial: trial.suggest_float("other", 0.0, 1.0), 5)
    study = run(bowl(), 1)
    request = request_of(study, fit_prior(Prior.from_studies([other])))
    assert request.space.names == ("kind", "rate", "width")

"""What a trial will be asked for is one attribute of it, and serves whoever tries it again."""

from __future__ import annotations

import json
import math
from typing import Any

import optuna
from optuna.storages import InMemoryStorage
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import create_trial
from optuna.trial import TrialState
import pytest

from optuna_meta.sampler.plan import Plan
from optuna_meta.sampler.plan import PLAN_KEY
from optuna_meta.sampler.plan import plan_of
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import meta_sampler
from tests.toys import run


def test_a_plan_is_read_as_it_was_recorded() -> None:
    plan = Plan({"rate": 0.1, "kind": "a"}, {"source": "cold start", "trust": 0.0})
    assert plan_of(create_trial(value=0.0, user_attrs={PLAN_KEY: plan.record()})) == plan
    assert plan_of(create_trial(value=0.0)) is None


def test_what_a_table_shows_of_it_begins_it() -> None:
    """Nothing more is written for it: each attribute takes a database four statements a trial."""
    reason = {"events": ["a"], "trust": 0.5, "leaned_on": "b", "source": "prior studies"}
    written = json.dumps(Plan({"rate": 0.1}, reason).record())
    assert written.startswith('{"source": "prior studies", "trust": 0.5, "leaned_on": "b", ')


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_record_is_strict_json_whatever_is_in_it(value: float) -> None:
    reason = {
        "source": "cold start",
        "trust": 0.0,
        "cost": value,
        "predicted": [[0.0, value, 1.0]],
    }
    record = Plan({"rate": value, "width": 1.0}, reason).record()
    assert json.loads(json.dumps(record, allow_nan=False)) == {
        "source": "cold start",
        "trust": 0.0,
        "params": {"width": 1.0},
    }


def test_plans_of_earlier_versions_are_read() -> None:
    old = create_trial(value=0.0, system_attrs={"optuna_meta:plan": {"rate": 0.1}})
    assert plan_of(old) == Plan({"rate": 0.1})


def test_a_trial_is_written_to_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    for name in ("set_trial_user_attr", "set_trial_system_attr"):
        write = getattr(InMemoryStorage, name)

        def counted(self: Any, trial_id: int, key: str, value: Any, write: Any = write) -> None:
            written.append(key)
            write(self, trial_id, key, value)

        monkeypatch.setattr(InMemoryStorage, name, counted)
    study = run(bowl(), 4, sampler=meta_sampler(bowl_prior()))
    assert written == 4 * [PLAN_KEY]
    record = study.trials[-1].user_attrs[PLAN_KEY]
    assert record.pop("params") == study.trials[-1].params
    told = {"source", "trust", "leaned_on", "shares", "agreement", "predicted"}
    assert record.keys() == told


def _killed(n_before: int, n_asked: int) -> tuple[optuna.Study, optuna.trial.FrozenTrial]:
    """A study whose last trial failed after so many of its parameters, and waits to be retried."""
    study = run(bowl(), n_before, sampler=meta_sampler(bowl_prior()))
    trial = study.ask()
    trial.suggest_float("rate", 1e-4, 1.0, log=True)
    if n_asked > 1:
        trial.suggest_float("width", 0.0, 1.0)
    study.tell(trial, state=TrialState.FAIL)
    killed = study.trials[-1]
    RetryHeartbeatStaleTrialCallback()(study, killed)
    return study, killed


@pytest.mark.parametrize("n_asked", [1, 2])
def test_a_retried_trial_carries_its_plan(n_asked: int) -> None:
    study, killed = _killed(4, n_asked)
    study.sampler = meta_sampler(bowl_prior())  # Another worker's.
    study.optimize(bowl(), n_trials=1)
    assert study.trials[-1].params == killed.user_attrs[PLAN_KEY]["params"]


def test_a_plan_that_what_is_enqueued_contradicts_is_made_anew() -> None:
    study, killed = _killed(4, 1)
    attrs = {PLAN_KEY: killed.user_attrs[PLAN_KEY]}
    study.optimize(bowl(), n_trials=1)
    study.enqueue_trial({"width": 0.123}, user_attrs=attrs)
    study.optimize(bowl(), n_trials=1)
    assert study.trials[-1].params["width"] == 0.123
    assert study.trials[-1].user_attrs[PLAN_KEY]["params"]["width"] == 0.123


@pytest.mark.parametrize("n_params", [1, 200])
def test_a_record_is_short_strict_json(n_params: int) -> None:
    params = {f"parameter {i}": 0.123456 for i in range(n_params)} | {"choice": math.nan}
    many = {f"prior study {i} of a long name": [0.12, 50] for i in range(60)}
    reason = {"source": "cold start", "trust": 0.0, "shares": {"a": 0.5}, "agreement": many}
    record = Plan(params, reason).record()
    size = len(json.dumps(record, allow_nan=False))
    assert size <= max(2048, 600 + len(json.dumps({"params": record["params"]})))
    assert record["source"] == "cold start" and record["shares"] == {"a": 0.5}
    assert len(record["params"]) == n_params and 0 < len(record["agreement"]) < 60


def test_the_objective_sees_the_record() -> None:
    seen = []

    def objective(trial: optuna.Trial) -> float:
        value = bowl()(trial)
        seen.append(trial.user_attrs[PLAN_KEY])
        return value

    study = run(objective, 3, sampler=meta_sampler(bowl_prior()))
    assert seen == [trial.user_attrs[PLAN_KEY] for trial in study.trials]


@pytest.mark.parametrize("record", ["mine", {"source": "mine"}, {"params": 3}])
def test_what_is_no_plan_is_none(record: Any) -> None:
    trial = create_trial(value=1.0, user_attrs={PLAN_KEY: record})
    assert plan_of(trial) is None

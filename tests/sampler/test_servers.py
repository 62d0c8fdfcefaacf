"""On real servers: what a suggestion asks of the storage, and workers that are killed.

PostgreSQL and MariaDB are skipped where there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import Any

import optuna
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import TrialState
import pytest
import sqlalchemy

from optuna_meta.sampler.plan import PLAN_KEY
from tests import servers
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import grid
from tests.toys import grid_prior
from tests.toys import meta_sampler


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RDBStorage]:
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/study.db"
        if request.param != "sqlite":
            url = servers.text(stack.enter_context(servers.database(request.param)))
        found = RDBStorage(url)
        yield found
        found.remove_session()
        found.engine.dispose()


def statements(storage: RDBStorage, sampler: optuna.samplers.BaseSampler, objective: Any) -> float:
    """How many statements a trial takes while another worker is about to choose, too."""
    study = optuna.create_study(storage=storage, sampler=sampler)
    n_statements = 0

    def count(*_: Any) -> None:
        nonlocal n_statements
        n_statements += 1

    study.ask()
    sqlalchemy.event.listen(storage.engine, "before_cursor_execute", count)
    try:
        study.optimize(objective, n_trials=12)
    finally:
        sqlalchemy.event.remove(storage.engine, "before_cursor_execute", count)
    return n_statements / 12


@pytest.mark.parametrize("name", ["continuum", "grid"])
def test_a_trial_takes_few_more_statements_than_tpes(storage: RDBStorage, name: str) -> None:
    objective, prior = (bowl(), bowl_prior()) if name == "continuum" else (grid(), grid_prior())
    tpe = statements(storage, TPESampler(seed=0), objective)
    meta = statements(storage, meta_sampler(prior), objective)
    assert meta <= tpe + 8


WORKER = """
import sys, time
sys.path.insert(0, sys.argv[2])
from tests.sampler.test_servers import *
study = optuna.load_study(
    study_name="target", storage=beating(sys.argv[1]), sampler=meta_sampler(bowl_prior())
)
def objective(trial):
    if trial.number == 2:
        trial.suggest_float("rate", 1e-4, 1.0, log=True)
        print("running", flush=True)
        time.sleep(600)
    return bowl()(trial)
study.optimize(objective, n_trials=3)
"""


def beating(url: str) -> RDBStorage:
    """A storage that notices within seconds when a worker is gone."""
    retry = RetryHeartbeatStaleTrialCallback()
    return RDBStorage(
        url, heartbeat_interval=1, grace_period=2, heartbeat_stale_trial_callback=retry
    )


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_what_a_killed_worker_was_to_run_another_one_runs(tmp_path: Path) -> None:
    url, root = f"sqlite:///{tmp_path}/target.db", str(Path(__file__).parents[2])
    study = optuna.create_study(
        study_name="target", storage=beating(url), sampler=meta_sampler(bowl_prior())
    )
    arguments = [sys.executable, "-c", WORKER, url, root]
    worker = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None and worker.stdout.readline() == "running\n"
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    killed = study.trials[2]
    time.sleep(3.0)  # Longer than the worker may be silent.
    study.optimize(bowl(), n_trials=3)
    complete = [t for t in study.trials if t.state == TrialState.COMPLETE]
    assert [t.number for t in complete] == [0, 1, 3, 4, 5]
    assert study.trials[2].state == TrialState.FAIL
    plan = killed.user_attrs[PLAN_KEY]["params"]
    assert sum(t.params == plan for t in complete) == 1

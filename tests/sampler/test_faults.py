"""Bad days of a study's storage: no finished trial lost, no hang, no exception of ours.

Faults strike while the sampler asks the storage, and are over when Optuna does: what Optuna's own
calls raise then is Optuna's to tell. PostgreSQL and MariaDB are reached through a proxy, or are a
server of the test's own.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import os
from pathlib import Path
import signal
import threading
import time
import traceback
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import TrialState
import pytest
import sqlalchemy

from optuna_meta import FittedPrior
from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta.sampler.plan import PLAN_KEY
from tests import servers
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.toys import run


class Struck(MetaSampler):
    """A sampler that is struck in its calls of one kind during one trial."""

    def __init__(self, method: str, strike: Callable[[], Any], mend: Callable[[], Any]) -> None:
        super().__init__(prior_studies=bowl_prior(), seed=0)
        self._method, self._strike, self._mend = method, strike, mend

    def _during(self, method: str, trial: optuna.trial.FrozenTrial, call: Any) -> Any:
        if method != self._method or trial.number != 2:
            return call()
        self._strike()
        try:
            return call()
        finally:
            self._mend()

    def infer_relative_search_space(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial
    ) -> Any:
        call = super().infer_relative_search_space
        return self._during("infer_relative_search_space", trial, lambda: call(study, trial))

    def sample_relative(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial, search_space: Any
    ) -> Any:
        call = super().sample_relative
        return self._during("sample_relative", trial, lambda: call(study, trial, search_space))


METHODS = ["infer_relative_search_space", "sample_relative"]


def struck(
    url: sqlalchemy.URL, method: str, strike: Callable[[], Any], mend: Callable[[], Any]
) -> list[optuna.trial.FrozenTrial]:
    """The trials of a study that is struck in its third trial."""
    storage = RDBStorage(servers.text(url))
    study = run(bowl(), 5, sampler=Struck(method, strike, mend), storage=storage)
    trials = study.trials
    storage.remove_session()
    storage.engine.dispose()
    assert [t.state for t in trials] == 5 * [TrialState.COMPLETE]
    return trials


def plans(trials: list[optuna.trial.FrozenTrial]) -> list[int]:
    return [t.number for t in trials if PLAN_KEY in t.user_attrs]


def warnings_of(logged: Any) -> list[str]:
    return [r.getMessage() for r in logged.records if r.levelname == "WARNING"]


@pytest.mark.plan_may_fail
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_dropped_connection_costs_no_trial_and_is_told_once(
    kind: str, method: str, logged: Any
) -> None:
    with servers.database(kind) as url, servers.proxied(url) as proxy:
        trials = struck(proxy.url, method, proxy.cut, proxy.mend)
    assert (
        len(warnings_of(logged)) == 1 and "The trial goes on without it" in warnings_of(logged)[0]
    )
    assert len({repr(t.params) for t in trials}) == 5
    assert plans(trials) in ([0, 1, 3, 4], [0, 1, 2, 3, 4])


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_connection_that_is_frozen_for_a_while_costs_nothing(kind: str, logged: Any) -> None:
    with servers.database(kind) as url, servers.proxied(url) as proxy:

        def freeze() -> None:
            proxy.freeze()
            threading.Timer(1.0, proxy.mend).start()

        trials = struck(proxy.url, "sample_relative", freeze, lambda: None)
    assert plans(trials) == [0, 1, 2, 3, 4] and warnings_of(logged) == []


@pytest.mark.plan_may_fail
def test_a_connection_that_stays_frozen_costs_no_more_than_the_drivers_timeout(
    logged: Any,
) -> None:
    with servers.database("mysql") as url, servers.proxied(url) as proxy:
        waiting = proxy.url.update_query_dict({"read_timeout": "1"})
        trials = struck(waiting, "sample_relative", proxy.freeze, proxy.mend)
    assert len(warnings_of(logged)) == 1 and "timed out" in warnings_of(logged)[0]
    assert plans(trials) in ([0, 1, 3, 4], [0, 1, 2, 3, 4])


@pytest.fixture(scope="module")
def postgres() -> Iterator[servers.OwnPostgres]:
    with servers.own_postgres() as server:
        yield server


@pytest.mark.plan_may_fail
def test_a_plan_that_cannot_be_recorded_is_served_nevertheless(
    postgres: servers.OwnPostgres, logged: Any
) -> None:
    """A server that has become read-only."""
    trials = struck(
        postgres.url,
        "sample_relative",
        lambda: postgres.let_write(False),
        lambda: postgres.let_write(True),
    )
    assert len(warnings_of(logged)) == 1 and "Recording a plan failed" in warnings_of(logged)[0]
    assert "read-only" in warnings_of(logged)[0] and "max length" not in warnings_of(logged)[0]
    assert plans(trials) == [0, 1, 3, 4]
    expected = run(bowl(), 5, sampler=MetaSampler(prior_studies=bowl_prior(), seed=0)).trials
    assert [t.params for t in trials] == [t.params for t in expected]


@pytest.mark.plan_may_fail
def test_a_server_that_restarts_costs_no_trial(postgres: servers.OwnPostgres, logged: Any) -> None:
    def restart() -> None:
        postgres.stop()
        postgres.start()

    trials = struck(postgres.url, "sample_relative", restart, lambda: None)
    assert len(warnings_of(logged)) == 1 and len({repr(t.params) for t in trials}) == 5


def test_prior_studies_are_read_while_their_server_restarts(postgres: servers.OwnPostgres) -> None:
    url = servers.text(postgres.url)
    for i in range(4):
        run(bowl(), 3, seed=i, study_name=f"prior {i}", storage=url)
    chosen = lambda study: study.study_name.startswith("prior ")  # noqa: E731
    expected = Prior.from_storage(url, where=chosen)
    assert len(expected) == 4
    postgres.stop()
    starter = threading.Timer(1.0, postgres.start)
    starter.start()
    assert Prior.from_storage(url, where=chosen).names == expected.names
    starter.join()


def test_prior_studies_are_read_from_a_server_that_is_read_only(
    postgres: servers.OwnPostgres,
) -> None:
    url = servers.text(postgres.url)
    run(bowl(), 3, study_name="read only", storage=url)
    postgres.let_write(False)
    try:
        assert Prior.from_storage(url, ["read only"]).names == ("read only",)
    finally:
        postgres.let_write(True)


@pytest.mark.plan_may_fail
def test_a_full_disk_is_optunas_error_and_loses_no_finished_trial(tmp_path: Path) -> None:
    """SQLite says that the disk is full when a file would have more pages than it may."""
    url = f"sqlite:///{tmp_path}/target.db"
    storage = RDBStorage(url)

    def limit(connection: Any, _: Any) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        connection.execute("PRAGMA synchronous = OFF")

    study = optuna.create_study(
        study_name="target",
        storage=storage,
        sampler=MetaSampler(prior_studies=bowl_prior(), seed=0),
    )
    storage.engine.dispose()
    sqlalchemy.event.listen(storage.engine, "connect", limit)
    told: list[int] = []  # Trials of which Optuna has said that they are finished.
    with pytest.raises(StorageInternalError) as raised:
        study.optimize(bowl(), 1000, callbacks=[lambda _, trial: told.append(trial.number)])
    assert "full" in str(raised.value.__cause__)
    frames = traceback.extract_tb(raised.value.__traceback__)
    assert not any("optuna_meta" in frame.filename for frame in frames)
    complete = optuna.load_study(study_name="target", storage=url).get_trials(
        states=[TrialState.COMPLETE]
    )
    assert len(told) > 2 and [t.number for t in complete] == told


@pytest.mark.plan_may_fail
def test_a_plan_that_finds_no_room_is_served_nevertheless(
    postgres: servers.OwnPostgres, logged: Any
) -> None:
    filled = optuna.create_study(storage=servers.text(postgres.url)).ask()._trial_id
    row = "INSERT INTO trial_user_attributes (trial_id, key, value_json) SELECT "
    row += f"{filled}, 'filler ' || gen_random_uuid(), repeat('x', "
    engine = sqlalchemy.create_engine(postgres.url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"{row}1500) FROM generate_series(1, 1000)")
    engine.dispose()

    def fill() -> None:
        postgres.fill("trial_user_attributes", f"{row}:size)")

    trials = struck(postgres.url, "sample_relative", fill, postgres.empty)
    (warning,) = warnings_of(logged)
    assert "Recording a plan failed" in warning and "could not extend file" in warning
    assert plans(trials) == [0, 1, 3, 4] and len({repr(t.params) for t in trials}) == 5


def killed(work: Callable[[Callable[[int], None]], None], seconds: float) -> list[int]:
    """What a child process has told before it was killed, so long after the first word."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(60)
            work(lambda number: assert_written(writes, number))
        finally:
            os._exit(1)
    os.close(writes)
    told = os.read(reads, 1)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while data := os.read(reads, 1 << 16):
        told += data
    os.close(reads)
    return list(told)


def assert_written(pipe: int, number: int) -> None:
    assert os.write(pipe, bytes([number])) == 1


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
ignores_fork = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@needs_fork
@ignores_fork
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_workers_killed_anywhere_lose_no_finished_trial(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """After so many milliseconds: while planning, recording, running or ending a trial."""
    url = f"sqlite:///{tmp_path}/target.db"
    if kind == "postgresql":
        url = servers.text(request.getfixturevalue("postgres").url)
    prior = bowl_prior()
    optuna.create_study(study_name="killed", storage=url)

    def work(tell: Callable[[int], None]) -> None:
        sampler = MetaSampler(prior_studies=prior, seed=0)
        study = optuna.load_study(study_name="killed", storage=url, sampler=sampler)
        study.optimize(bowl(), 100, callbacks=[lambda _, trial: tell(trial.number)])

    told = [number for i in range(8) for number in killed(work, 0.013 * i)]
    sampler = MetaSampler(prior_studies=prior, seed=0)
    study = optuna.load_study(study_name="killed", storage=url, sampler=sampler)
    study.optimize(bowl(), 15)
    trials = study.trials
    complete = [t.number for t in trials if t.state == TrialState.COMPLETE]
    assert len(told) >= 8 and set(told) <= set(complete)
    assert len({repr(trials[number].params) for number in complete}) == len(complete)
    assert study.best_value < 1e-2


@needs_fork
@ignores_fork
def test_a_process_killed_while_saving_leaves_a_whole_file(tmp_path: Path) -> None:
    path, fitted = tmp_path / "prior.safetensors", bowl_prior()

    def work(tell: Callable[[int], None]) -> None:
        for i in range(10_000):
            fitted.save(path)
            tell(i % 256)

    for i in range(8):
        assert len(killed(work, 0.0007 * i)) >= 1
        assert FittedPrior.load(path).study_names == fitted.study_names

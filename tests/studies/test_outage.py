"""An outage is not a broken study: it is waited out, or told, and never makes a prior smaller."""

from __future__ import annotations

from collections.abc import Callable
import sqlite3
import threading
import time
from typing import Any
import warnings

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import InMemoryStorage
import pytest
from sqlalchemy.exc import DatabaseError
from sqlalchemy.exc import DataError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from optuna_meta.studies.outage import cause_of
from optuna_meta.studies.outage import is_outage
from optuna_meta.studies.prior import Prior
from tests import servers


def fill(storage: Any, n_studies: int = 6) -> None:
    for i in range(n_studies):
        study = optuna.create_study(
            storage=storage, study_name=f"s{i}", sampler=optuna.samplers.RandomSampler(seed=i)
        )
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)


def wrapped(error: Exception) -> Exception:
    """As Optuna wraps what a database raises."""
    try:
        raise StorageInternalError("typically invalid data, e.g. exceeding max length") from error
    except StorageInternalError as outer:
        return outer


def of_sqlite(code: int, message: str = "") -> Exception:
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code  # type: ignore[misc]
    return OperationalError("SELECT 1", {}, error)


class RedisConnectionError(Exception):
    """Of the name that redis gives to its own; it is no built-in ``ConnectionError``."""


RedisConnectionError.__name__ = "ConnectionError"


class RpcError(Exception):
    """Of gRPC's interface."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def code(self) -> Any:
        return self  # Its ``name`` is all that is read.

    def details(self) -> str:
        return "some details"


OUTAGES: dict[str, Exception] = {
    "connection": wrapped(OperationalError("SELECT 1", {}, Exception("server closed"))),
    "no wrapper": OperationalError("SELECT 1", {}, Exception("refused")),
    "generic": wrapped(DatabaseError("SELECT 1", {}, Exception("no message from the libpq"))),
    "pool": wrapped(PoolTimeout("QueuePool limit")),
    "locked": wrapped(of_sqlite(5)),
    "disk": wrapped(of_sqlite(10 | 8 << 8)),
    "socket": ConnectionResetError("reset by peer"),
    "redis": RedisConnectionError("gone"),
    "grpc": RpcError("UNAVAILABLE"),
}
DATA_ERRORS: dict[str, Exception] = {
    "value": ValueError("Unknown distribution class: Gone"),
    "data": wrapped(DataError("SELECT 1", {}, Exception("out of range"))),
    "no column": wrapped(of_sqlite(1, "no such column: gone")),
    "malformed": wrapped(DatabaseError("SELECT 1", {}, of_sqlite(11).orig)),  # type: ignore
    "grpc": RpcError("UNKNOWN"),
    "missing": FileNotFoundError("gone"),
}


@pytest.mark.parametrize("kind", OUTAGES)
def test_errors_of_the_surroundings_are_outages(kind: str) -> None:
    assert is_outage(OUTAGES[kind])


@pytest.mark.parametrize("kind", DATA_ERRORS)
def test_errors_of_the_data_are_none(kind: str) -> None:
    assert not is_outage(DATA_ERRORS[kind])


def test_the_cause_is_what_was_raised_first_in_one_bounded_line() -> None:
    assert cause_of(OUTAGES["connection"]) == "Exception: server closed"
    assert cause_of(RpcError("UNAVAILABLE")) == "RpcError: UNAVAILABLE: some details"
    told = cause_of(ValueError("a\n\x1b[31m" + "b" * 10**6))
    assert told.isprintable() and len(told) < 400 and told.startswith("ValueError: a [31mb")


class Failing(InMemoryStorage):
    """A storage of which reading trials fails for some of its studies, some times."""

    def __init__(self, error: Exception, times: int, studies: tuple[int, ...] = (2,)) -> None:
        super().__init__()
        self.error, self.left, self.studies = error, times, studies
        self.probe: Callable[[], None] = lambda: None
        self.is_filled = False

    def get_all_trials(self, study_id: int, *args: Any, **options: Any) -> Any:
        if self.is_filled and study_id in self.studies and self.left:
            self.left -= 1
            raise self.error
        return super().get_all_trials(study_id, *args, **options)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        if self.is_filled:
            self.probe()
        return super().get_study_user_attrs(study_id)


def failing(error: Exception, times: int) -> Failing:
    storage = Failing(error, times)
    fill(storage, 4)
    storage.is_filled = True
    return storage


@pytest.mark.parametrize("kind", OUTAGES)
def test_a_short_outage_costs_no_study(kind: str) -> None:
    assert len(Prior.from_storage(failing(OUTAGES[kind], 2))) == 4


@pytest.mark.parametrize("kind", OUTAGES)
def test_a_long_outage_is_an_error_that_says_how_far_it_came(kind: str) -> None:
    with pytest.raises(ConnectionError, match="Read 2 of 4 studies: the storage is unreachable"):
        Prior.from_storage(failing(OUTAGES[kind], -1), patience=0.2)


@pytest.mark.parametrize("kind", DATA_ERRORS)
def test_a_data_error_leaves_one_study_out_and_names_the_true_cause(kind: str) -> None:
    with pytest.warns(UserWarning) as caught:
        prior = Prior.from_storage(failing(DATA_ERRORS[kind], -1))
    assert prior.names == ("s0", "s1", "s3") and len(caught) == 1
    told = str(caught[0].message)
    assert "'s2' is left out" in told and cause_of(DATA_ERRORS[kind]) in told
    assert "max length" not in told


def test_what_looks_like_a_data_error_is_an_outage_while_nothing_else_is_answered() -> None:
    """A proxy's server that has lost its own database says no more than that something failed."""
    storage = failing(RpcError("UNKNOWN"), 3)
    answers = iter([False, False, True, True])

    def probe() -> None:
        if not next(answers):
            raise RpcError("UNKNOWN")

    storage.probe = probe
    with pytest.raises(ConnectionError, match="Read 2 of 4"):
        Prior.from_storage(failing_probe(), patience=0.2)
    storage.left = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(Prior.from_storage(storage)) == 4


def failing_probe() -> Failing:
    storage = failing(RpcError("UNKNOWN"), -1)

    def probe() -> None:
        raise RpcError("UNKNOWN")

    storage.probe = probe
    return storage


def test_how_many_studies_serve_is_told(logged: Any) -> None:
    with pytest.warns(UserWarning, match="left out"):
        Prior.from_storage(failing(ValueError(), -1))
    assert "4 studies seen, 3 prior studies." in logged.messages


# --- Real servers


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_second_without_the_server_costs_no_study(kind: str) -> None:
    with servers.database(kind) as url:
        fill(servers.text(url))
        expected = Prior.from_storage(servers.text(url))
        with servers.proxied(url) as proxy:
            fails_at(proxy, b"trial_params", 2, lambda: proxy.cut(1.0))
            found = Prior.from_storage(servers.text(proxy.url))
            assert found.names == expected.names and len(found) == 6
            fails_at(proxy, b"trial_params", 2, proxy.cut)
            with pytest.raises(ConnectionError, match=r"Read [123] of 6 studies: the storage is"):
                Prior.from_storage(servers.text(proxy.url), patience=0.5)


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_frozen_connection_is_an_error_and_no_hang(kind: str) -> None:
    with servers.database(kind) as url:
        fill(servers.text(url), 3)
        with servers.proxied(url) as proxy:
            fails_at(proxy, b"trial_params", 2, proxy.freeze)
            start = time.monotonic()
            with pytest.raises(ConnectionError, match="Read 1 of 3 .* the connection is silent"):
                Prior.from_storage(servers.text(proxy.url), patience=0.3)
            assert time.monotonic() - start < 30.0


def test_a_journal_on_redis_waits_for_its_server() -> None:
    redis = pytest.importorskip("redis")
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalRedisBackend

    prefix = "optuna-meta-outage"
    with servers.proxied(servers.address("redis")) as proxy:
        backend = JournalRedisBackend(str(proxy.url), prefix=prefix)
        try:
            storage = JournalStorage(backend)
            fill(storage, 3)
            proxy.cut(1.0)
            assert len(Prior.from_storage(storage)) == 3
            proxy.cut()
            with pytest.raises(ConnectionError, match="the storage is unreachable"):
                Prior.from_storage(storage, patience=0.3)
        finally:
            client = redis.Redis.from_url(str(servers.address("redis")))
            for key in client.scan_iter(f"{prefix}:*"):
                client.delete(key)
            client.close()
            backend._redis.close()


def fails_at(proxy: servers.Proxy, text: bytes, times: int, fail: Callable[[], None]) -> None:
    """Let something happen when a client has asked for something so many times."""
    proxy.mend()
    left, lock = [times], threading.Lock()

    def count(data: bytes) -> None:
        with lock:
            left[0] -= data.count(b"FROM " + text)
            due = left[0] <= 0
            if due:
                proxy.on_request = lambda data: None
        if due:
            fail()

    proxy.on_request = count

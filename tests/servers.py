"""Real servers that tests use, by addresses in the environment, and a proxy that breaks the way.

Faults are injected into the proxy, or into a server process of the test's own: never into a server
that others use as well.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
import os
import socket
import threading
import time
from uuid import uuid4

import optuna
from optuna.storages import BaseStorage
from optuna.storages import JournalStorage
from optuna.storages import RDBStorage
from optuna.storages.journal import JournalRedisBackend
import pytest
import sqlalchemy


ADDRESSES = {
    "postgresql": ("postgresql+psycopg2://postgres@127.0.0.1:5432/test", "psycopg2"),
    "mysql": ("mysql+pymysql://root@127.0.0.1:3306/test", "pymysql"),
    "redis": ("redis://127.0.0.1:6379", "redis"),
}
STARTS = {
    "postgresql": "docker run -p 5432:5432 -e POSTGRES_HOST_AUTH_METHOD=trust "
    "-e POSTGRES_DB=test postgres:15",
    "mysql": "docker run -p 3306:3306 -e MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1 "
    "-e MARIADB_DATABASE=test mariadb:10.11",
    "redis": "docker run -p 6379:6379 redis",
}


def address(kind: str) -> sqlalchemy.URL:
    """The URL of a server that answers; the test is skipped where there is none."""
    default, driver = ADDRESSES[kind]
    pytest.importorskip(driver, reason=f"pip install '.[tests]' brings {driver}")
    variable = f"OPTUNA_META_{kind.upper()}"
    url = sqlalchemy.make_url(os.environ.get(variable, default))
    try:
        socket.create_connection((url.host or "", url.port or 0), timeout=2).close()
    except OSError as error:
        pytest.skip(f"No {kind} at {url} ({error}): {STARTS[kind]}, or its URL in {variable}")
    return url


@contextmanager
def database(kind: str) -> Iterator[sqlalchemy.URL]:
    """A database of its own on a server, dropped in the end."""
    server, name = address(kind), f"optuna_meta_{uuid4().hex[:12]}"
    # What a killed test left open must not keep the database.
    forced = " WITH (FORCE)" if kind == "postgresql" else ""
    _execute(server, f"CREATE DATABASE {name}")
    try:
        yield server.set(database=name)
    finally:
        _execute(server, f"DROP DATABASE {name}{forced}")


def _execute(server: sqlalchemy.URL, statement: str) -> None:
    engine = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


@contextmanager
def storage_of(kind: str) -> Iterator[BaseStorage]:
    """A storage of its own on a server, gone in the end."""
    if kind == "redis":
        import redis

        url, prefix = str(address(kind)), f"optuna-meta-{uuid4().hex[:12]}"
        try:
            yield JournalStorage(JournalRedisBackend(url, prefix=prefix))
        finally:
            client = redis.Redis.from_url(url)
            for key in client.scan_iter(f"{prefix}:*"):
                client.delete(key)
            client.close()
    else:
        with database(kind) as url:
            storage = RDBStorage(url.render_as_string(hide_password=False))
            try:
                yield optuna.storages.get_storage(storage)
            finally:
                storage.scoped_session.remove()
                storage.engine.dispose()


class Proxy:
    """A TCP proxy in threads of this process: what passes can be cut, frozen or delayed.

    Args:
        url: Of the server behind it.
        latency: Seconds that whatever is sent takes, each way half of them.
    """

    def __init__(self, url: sqlalchemy.URL, latency: float = 0.0) -> None:
        self._target = (url.host or "", url.port or 0)
        self._latency = latency
        self._sockets: list[socket.socket] = []
        self._is_down, self._flows = False, threading.Event()
        self._flows.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = url.set(host="127.0.0.1", port=self._listener.getsockname()[1])
        # Called with all that a client sends, before it is passed on.
        self.on_request: Callable[[bytes], None] = lambda data: None
        _start(self._accept)

    def cut(self, seconds: float | None = None) -> None:
        """Drop all connections, and refuse new ones, for some seconds or until ``mend``."""
        self._is_down = True
        for end in self._sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        if seconds is not None:
            threading.Timer(seconds, self.mend).start()

    def freeze(self) -> None:
        """Let nothing pass any more, in silence."""
        self._flows.clear()

    def mend(self) -> None:
        self._is_down = False
        self._flows.set()

    def close(self) -> None:
        self.mend()
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._is_down:
                    client.close()
                    continue
                server = socket.create_connection(self._target)
                self._sockets += [client, server]
                _start(self._pass_on, client, server, True)
                _start(self._pass_on, server, client, False)

    def _pass_on(self, source: socket.socket, target: socket.socket, is_request: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if is_request:
                    self.on_request(data)
                if self._latency:
                    time.sleep(0.5 * self._latency)
                self._flows.wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _start(function: Callable[..., None], *args: object) -> None:
    threading.Thread(target=function, args=args, daemon=True).start()


@contextmanager
def proxied(url: sqlalchemy.URL, latency: float = 0.0) -> Iterator[Proxy]:
    proxy = Proxy(url, latency)
    try:
        yield proxy
    finally:
        proxy.close()


def text(url: sqlalchemy.URL) -> str:
    """The URL as Optuna wants it."""
    return url.render_as_string(hide_password=False)

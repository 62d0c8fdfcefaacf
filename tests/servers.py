"""Real servers that tests use, by addresses in the environment, and a proxy that breaks the way.

Faults are injected into the proxy, or into a server process of the test's own: never into a server
that others use as well.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
import glob
import os
from pathlib import Path
import shutil
import socket
import subprocess
import tempfile
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


def _execute(server: sqlalchemy.URL, *statements: str) -> None:
    engine = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
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


class OwnPostgres:
    """A PostgreSQL server of the test's own, which it may stop and make read-only.

    Args:
        folder: Where its data are kept; short, as it holds a socket too.
    """

    def __init__(self, folder: Path) -> None:
        found = (shutil.which("pg_ctl"), *glob.glob("/usr/lib/postgresql/*/bin/pg_ctl"))
        programs = [Path(path).parent for path in found if path]
        if not programs:
            pytest.skip("No pg_ctl: install PostgreSQL's server (apt-get install postgresql)")
        pytest.importorskip("psycopg2", reason="pip install '.[tests]' brings psycopg2")
        self._bin, self._data = programs[-1], folder / "data"
        # It does not run as root, which tests in containers do.
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user:
            try:
                shutil.chown(folder, self._user)
            except LookupError:
                pytest.skip("No user postgres, and PostgreSQL does not run as root")
        wanted = ("-A", "trust", "-U", "postgres", "--no-sync", "--wal-segsize=1")
        self._call("initdb", *wanted, "-D", self._data)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._options = f"-p {port} -k {folder} -c fsync=off -c listen_addresses=127.0.0.1"
        self._options += " -c autovacuum=off"  # Which would make room in a full table.
        self.url = sqlalchemy.make_url(ADDRESSES["postgresql"][0]).set(
            port=port, database="postgres"
        )
        self.start()

    def start(self) -> None:
        self._call("pg_ctl", "-w", "-D", self._data, "-o", self._options, "start")

    def stop(self) -> None:
        """Stop it as a power failure would: nothing is told to clients, nothing tidied."""
        self._call("pg_ctl", "-w", "-D", self._data, "-m", "immediate", "stop")

    def let_write(self, is_allowed: bool) -> None:
        """Let sessions write, also those that exist, or refuse it."""
        value = "off" if is_allowed else "on"
        _execute(
            self.url,
            f"ALTER SYSTEM SET default_transaction_read_only = {value}",
            "SELECT pg_reload_conf()",
            "SELECT pg_sleep(0.2)",
        )

    def fill(self, table: str, filler: str) -> None:
        """Let no file of the server's grow beyond a table's, and leave no room in this.

        So it is on a full disk for whoever writes to the table; the log of what is written has
        files of a megabyte, which are there already.

        Args:
            table: Its name; it must have more than a megabyte.
            filler: A statement that adds a row of ``:size`` characters.
        """
        if not shutil.which("prlimit"):
            pytest.skip("No prlimit, which util-linux brings")
        engine = sqlalchemy.create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            size = connection.exec_driver_sql(f"SELECT pg_relation_size('{table}')").scalar_one()
            assert size > 1 << 20
            self._limit(f"{size}:", connection)
            for characters in (1500, 100, 1):
                with suppress(sqlalchemy.exc.DBAPIError):
                    while True:
                        connection.execute(sqlalchemy.text(filler), {"size": characters})
        engine.dispose()

    def empty(self) -> None:
        """Let files grow again."""
        engine = sqlalchemy.create_engine(self.url)
        with engine.connect() as connection:
            self._limit("unlimited:", connection)
        engine.dispose()

    def _limit(self, size: str, connection: sqlalchemy.Connection) -> None:
        pids = connection.exec_driver_sql("SELECT pid FROM pg_stat_activity").scalars()
        parent = (self._data / "postmaster.pid").read_text().split()[0]
        for pid in (int(parent), *pids):
            # Not as root, who may do so only where a container lets it.
            limit = ["prlimit", f"--fsize={size}", "--pid", str(pid)]
            subprocess.run(limit, check=True, user=self._user)

    def _call(self, program: str, *arguments: object) -> None:
        # Its children keep what they inherit, and a pipe would be waited for.
        subprocess.run(
            [str(self._bin / program), *map(str, arguments)],
            check=True,
            user=self._user,
            cwd=self._data.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        server = OwnPostgres(Path(folder))
        try:
            yield server
        finally:
            server.stop()


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

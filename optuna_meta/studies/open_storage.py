"""What a user calls a storage -> an Optuna storage, opened; slips are named before they cost."""

from __future__ import annotations

import json
import os
from pathlib import Path
import warnings

from optuna.storages import BaseStorage
from optuna.storages import JournalStorage
from optuna.storages import RDBStorage
from optuna.storages.journal import JournalFileBackend

from optuna_meta._optuna_storages import file_of
from optuna_meta.studies.outage import shown


__all__ = ["check_journal", "opened", "require_sqlite_file"]

_SQLITE_HEAD = b"SQLite format 3\0"


def opened(storage: str | BaseStorage) -> BaseStorage:
    """Open a storage by URL or by the path of a journal or SQLite file; leave objects as they are.

    Without Optuna's cache, which would keep every trial that was read.

    Raises:
        ValueError: The file does not exist, or is neither a journal nor an SQLite database, the
            journal is damaged, or the database has no tables of Optuna's.
    """
    if isinstance(storage, BaseStorage):
        check_journal(storage)
        return storage
    if not isinstance(storage, str):
        raise ValueError(
            f"A storage URL, a path or a storage object is wanted, got {type(storage).__name__}."
        )
    if storage.startswith("redis"):
        raise ValueError(
            "Redis is read through a storage object: JournalStorage(JournalRedisBackend(url)), "
            "from optuna.storages and optuna.storages.journal."
        )
    if "://" not in storage:
        return _opened_file(storage)
    require_sqlite_file(storage)
    return _opened_database(storage)


def _opened_file(path: str) -> BaseStorage:
    if not os.path.isfile(path):
        raise ValueError(
            f"No file at {path!r} (seen from {os.getcwd()!r}), and no storage URL: prior studies "
            "are read from a URL such as 'sqlite:///studies.db' or from an existing file."
        )
    with open(path, "rb") as file:
        head = file.readline(4096)
    if head.startswith(_SQLITE_HEAD):
        return _opened_database(f"sqlite:///{path}")
    if _operation(head):
        return _opened_journal(path)
    raise ValueError(
        f"{path!r} is neither an SQLite database nor an Optuna journal: name the file that "
        "Optuna wrote, or pass a storage URL such as 'sqlite:///studies.db'."
    )


def _opened_database(url: str) -> BaseStorage:
    """Open a database that holds Optuna's tables: in another one Optuna would make them."""
    from sqlalchemy import create_engine  # Takes time to import.
    from sqlalchemy import inspect

    engine = create_engine(url)
    try:
        tables = inspect(engine).get_table_names()
    finally:
        engine.dispose()
    if "studies" in tables or not tables:
        return RDBStorage(url)
    is_mlflow = {"experiments", "runs"} <= set(tables)
    raise ValueError(
        f"{engine.url.render_as_string()!r} holds no Optuna studies"
        + ("; it is a store of MLflow, which Prior.from_mlflow reads." if is_mlflow else ".")
    )


def _opened_journal(path: str) -> BaseStorage:
    try:
        storage = JournalStorage(JournalFileBackend(path))
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path) or error from error
    check_journal(storage)
    return storage


def check_journal(storage: BaseStorage) -> None:
    """Read a journal's news; name the line where its file is damaged, and warn of a cut one.

    Raises:
        ValueError: A line is no operation of Optuna's.
    """
    path = file_of(storage)
    if path is None or not os.path.isfile(path):
        return
    try:
        storage.get_all_studies()
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path) or error from error
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 1))
        is_whole = file.read(1) in (b"", b"\n")
    if not is_whole:
        n_lines = Path(path).read_bytes().count(b"\n")
        warnings.warn(
            f"The journal {path!r} ends in the middle of line {n_lines + 1}: what was being "
            "written there is not read, and further trials will make the file unreadable. End "
            "the file with line "
            f"{n_lines}.",
            stacklevel=2,
        )


def _damaged(path: str) -> ValueError | None:
    """Return the error that names the first line that is no operation, if there is one."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            if not _operation(line):
                text = shown(line.decode("utf-8", "backslashreplace"))
                return ValueError(
                    f"The journal {path!r} is damaged in line {number}, {text}: it was cut there "
                    "or written over. Restore the file, or remove that line if the trial that it "
                    "was about can be missed."
                )
    return None


def _operation(line: bytes) -> bool:
    try:
        operation = json.loads(line)
    except ValueError:
        return False
    return isinstance(operation, dict) and "op_code" in operation


def require_sqlite_file(url: str) -> None:
    """Refuse a missing file: SQLAlchemy would create it, and a slip would read as "no priors"."""
    scheme, _, path = url.partition(":///")
    path = path.split("?")[0].removeprefix("file:")
    is_file = scheme.startswith("sqlite") and path not in ("", ":memory:")
    if is_file and not os.path.isfile(path):
        raise ValueError(
            f"No SQLite file at {path!r} (from the URL {url!r}, seen from {os.getcwd()!r}). "
            "Prior studies are read from an existing file: check the path."
        )

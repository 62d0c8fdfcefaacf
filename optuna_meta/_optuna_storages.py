"""The private names of Optuna's storages that no public one replaces, beside ``_optuna``."""

from __future__ import annotations

from collections.abc import Sequence
import hashlib
import os
from typing import Any
from typing import TYPE_CHECKING
from uuid import uuid4
from weakref import WeakKeyDictionary

from optuna import Study
from optuna.storages import GrpcStorageProxy
from optuna.storages import JournalStorage
from optuna.storages import RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study._frozen import FrozenStudy


if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import TrialState


__all__ = [
    "database_of",
    "ended_by_study",
    "file_of",
    "names_in",
    "origin_of",
    "storage_mark",
    "study_named",
]


def study_named(storage: BaseStorage, name: str) -> FrozenStudy:
    """Return what ``get_all_studies`` would tell of one study."""
    number = storage.get_study_id_from_name(name)
    return FrozenStudy(
        study_name=name,
        direction=None,
        directions=storage.get_study_directions(number),
        user_attrs=storage.get_study_user_attrs(number),
        system_attrs=storage.get_study_system_attrs(number),
        study_id=number,
    )


def names_in(database: RDBStorage) -> list[str]:
    """Return the names of a database's studies, which no broken attribute can keep it from."""
    from sqlalchemy import text  # It takes long, and many a sampler reads from no database.

    with database.engine.connect() as connection:
        statement = text("SELECT study_name FROM studies ORDER BY study_id")
        return [row.study_name for row in connection.execute(statement)]


def database_of(storage: BaseStorage) -> RDBStorage | None:
    """Return the relational database behind a storage, beside Optuna's cache of it, if any."""
    backend = getattr(storage, "_backend", storage)
    return backend if isinstance(backend, RDBStorage) else None


def file_of(storage: BaseStorage) -> str | None:
    """Return the path of a journal's file, if the storage is one."""
    backend = storage._backend if isinstance(storage, JournalStorage) else None
    return os.path.abspath(backend._file_path) if isinstance(backend, JournalFileBackend) else None


def ended_by_study(
    database: RDBStorage, states: Sequence[TrialState]
) -> dict[int, tuple[int, Any]] | None:
    """Return by study, by number, how many trials have these states and when the last ended.

    In one statement, where the public interface reads the trials; ``None`` where the tables are
    not those that this was written for. A study without such a trial has no entry.
    """
    import sqlalchemy.exc  # As above.

    names = ", ".join(f"'{state.name}'" for state in states)
    statement = sqlalchemy.text(
        "SELECT study_id, COUNT(*) AS n, MAX(datetime_complete) AS last FROM trials "
        f"WHERE state IN ({names}) GROUP BY study_id"
    ).columns(last=sqlalchemy.DateTime)
    try:
        with database.engine.connect() as connection:
            rows = connection.execute(statement).all()
    except sqlalchemy.exc.ProgrammingError:
        return None
    return {row.study_id: (row.n, row.last) for row in rows}


_TOKENS: WeakKeyDictionary[BaseStorage, str] = WeakKeyDictionary()


def storage_mark(storage: BaseStorage) -> str:
    """Return a short hash that tells a storage from others, in every process that opens it.

    Without user or password. One that has no address, as one in memory, is told by the object.
    """
    path = file_of(storage)
    if database := database_of(storage):
        url = database.engine.url
        path = url.database if url.drivername.startswith("sqlite") else None
        address = f"{url.get_backend_name()}://{url.host}:{url.port}/{url.database}"
    elif isinstance(storage, GrpcStorageProxy):
        address = f"grpc://{storage._host}:{storage._port}"
    else:
        address = ""
    if path and path != ":memory:":
        address = os.path.abspath(path.removeprefix("file:"))
    elif path or not address or address.startswith("sqlite"):
        address = _TOKENS.setdefault(database or storage, str(uuid4()))
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def origin_of(study: Study) -> str:
    """Return what names a study for good: its storage's mark and its number there."""
    return f"{storage_mark(study._storage)}#{study._study_id}"

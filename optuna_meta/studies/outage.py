"""Storages that do not answer: what an outage is, and how long one is waited out.

A broken study costs itself, an outage must cost nothing: the two are told apart by what was
raised, all the way down to the driver's own error.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
import reprlib
import sqlite3
from threading import Thread
import time
from typing import Any
from typing import TypeVar

import optuna


__all__ = ["Patience", "StorageOutage", "cause_of", "is_outage", "shown"]

_logger = optuna.logging.get_logger("optuna.meta")
T = TypeVar("T")

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0  # Seconds between attempts; each wait is twice the last.
_ANSWER = 10.0  # Times as long one answer may take.
# SQLite says by number what is wrong with the file's surroundings, not with what is in it: busy,
# locked, out of memory, read-only, I/O error, full, cannot be opened, locking protocol.
_SQLITE_OUTAGES = {5, 6, 7, 8, 10, 13, 14, 15}
_GRPC_OUTAGES = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "CANCELLED"}
_DATA_ERRORS = ("DataError", "IntegrityError", "ProgrammingError", "NotSupportedError")
# A retry finds these as they are.
_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_MOST_SHOWN = 300  # Characters of an error: statements and documents come along.

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 100
shown = _repr.repr  # Of a name or a value: escaped, and never longer than a line or two.


class StorageOutage(ConnectionError):
    """A storage that did not answer for as long as it was waited for."""


@dataclass(frozen=True)
class Patience:
    """How long a storage may leave a question unanswered.

    Args:
        seconds: From the first failure to giving up.
        is_remote: Whether the storage may fall silent: a frozen connection raises nothing, and
            is given up after ten times as long, which a large study may need.
    """

    seconds: float
    is_remote: bool = True

    def answer(self, question: Callable[[], T]) -> T:
        """Ask until there is an answer, or an error that is no outage.

        Raises:
            StorageOutage: There was none in time.
        """
        wait, failed_at = _FIRST_WAIT, None
        while True:
            try:
                return _within(_ANSWER * self.seconds, question) if self.is_remote else question()
            except StorageOutage:
                raise
            except Exception as error:
                if not is_outage(error):
                    raise
                if failed_at is None:
                    failed_at = time.monotonic()
                    _logger.warning(
                        f"The storage does not answer ({cause_of(error)}); trying again for "
                        f"{self.seconds:g} s."
                    )
                if time.monotonic() + wait > failed_at + self.seconds:
                    raise StorageOutage(
                        f"no answer in {self.seconds:g} s; {cause_of(error)}"
                    ) from error
            time.sleep(wait)
            wait = min(2.0 * wait, _LONGEST_WAIT)


def _within(seconds: float, question: Callable[[], T]) -> T:
    """Ask in a thread of its own, which is left alone where no answer comes."""
    answers: list[T] = []
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            answers.append(question())
        except BaseException as error:
            errors.append(error)

    thread = Thread(target=ask, daemon=True, name="optuna-meta-reader")
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise StorageOutage(f"no answer in {seconds:g} s, the connection is silent")
    return answers[0]


def is_outage(error: BaseException) -> bool:
    """Tell whether an error is of a storage's surroundings: connection, lock, timeout, disk."""
    return any(_is_outage(link) for link in _chain(error))


def _is_outage(error: BaseException) -> bool:
    import sqlalchemy.exc  # It takes long, and many a sampler reads from no database.

    if isinstance(error, sqlalchemy.exc.DBAPIError):
        if isinstance(error.orig, sqlite3.Error):
            code = getattr(error.orig, "sqlite_errorcode", None)
            return code is not None and code & 0xFF in _SQLITE_OUTAGES
        return error.connection_invalidated or type(error).__name__ not in _DATA_ERRORS
    if isinstance(error, OSError | sqlalchemy.exc.TimeoutError):
        return not isinstance(error, _LASTING)
    # Drivers that need not be installed: redis has errors of these names, gRPC has a code.
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "RpcError" in kinds:
        return grpc_code(error) in _GRPC_OUTAGES
    return bool(kinds & {"ConnectionError", "TimeoutError"})


def grpc_code(error: Any) -> str:
    """Return the name of a gRPC error's status."""
    return str(getattr(error.code(), "name", "")) if hasattr(error, "code") else ""


def cause_of(error: BaseException) -> str:
    """Return what went wrong first, in one line: storages wrap it in words of their own."""
    *_, first = _chain(error)
    first = getattr(first, "orig", None) or first  # The driver's, in SQLAlchemy's.
    text = (
        str(first) if not hasattr(first, "details") else f"{grpc_code(first)}: {first.details()}"
    )
    text = "".join(c if c.isprintable() else " " for c in text[:_MOST_SHOWN])
    return f"{type(first).__name__}: {' '.join(text.split())}" if text else type(first).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it, as far as it was raised from it on purpose."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__

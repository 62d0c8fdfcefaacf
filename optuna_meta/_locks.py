"""The lock under which threads compute, and which no fork leaves locked."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
import os
import threading
from types import TracebackType

from threadpoolctl import ThreadpoolController


__all__ = ["COMPUTING"]


class Computing:
    """A lock, to be held by a ``with`` statement, under which linear algebra has one thread.

    Our matrices are small: many threads on them take longer than one, and where each of several
    workers starts as many as there are cores, they wait for each other most of the time. The
    number is the process's: where it has other threads at work, which may change it meanwhile, it
    stays.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._limits = ExitStack()
        if hasattr(os, "register_at_fork"):
            released = self._lock.release
            os.register_at_fork(
                before=self._lock.acquire, after_in_parent=released, after_in_child=released
            )

    def __enter__(self) -> None:
        self._lock.acquire()
        try:
            if self._depth == 0 and not _has_company():
                self._limits.enter_context(self._controller.limit(limits=1, user_api="blas"))
        except BaseException:
            self._lock.release()
            raise
        self._depth += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._depth -= 1
        try:
            if self._depth == 0:
                self._limits.close()
        finally:
            self._lock.release()

    @cached_property
    def _controller(self) -> ThreadpoolController:
        """What knows the libraries, once NumPy and SciPy have loaded theirs."""
        return ThreadpoolController()


def _has_company() -> bool:
    """Tell whether other threads may be at work; those of a notebook's kernel are daemons."""
    own = threading.current_thread()
    return any(t is not own and not t.daemon for t in threading.enumerate())


# No storage is asked under it, lest threads wait for each other's. Not a lock of an object, which
# would have to be pickled, and which a child, forked while a thread held it, would wait for.
COMPUTING = Computing()

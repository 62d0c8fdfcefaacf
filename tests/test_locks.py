from __future__ import annotations

import threading
import time

import numpy as np  # noqa: F401  # Its library is one of those that are limited.
import pytest
import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_info
from threadpoolctl import threadpool_limits
from threadpoolctl import ThreadpoolController

from optuna_meta._locks import COMPUTING
from optuna_meta._locks import Computing


def n_threads() -> set[int]:
    return {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}


def test_linear_algebra_has_one_thread_while_computing_and_its_own_number_after() -> None:
    with threadpool_limits(2, "blas"):
        with COMPUTING:
            with COMPUTING:
                assert n_threads() == {1}
            assert n_threads() == {1}
        assert n_threads() == {2}
        with pytest.raises(ZeroDivisionError), COMPUTING:
            _ = 1 / 0
        assert n_threads() == {2}


def test_what_other_threads_set_is_left_alone() -> None:
    """Whoever came second would restore for good what the first had set for a while."""
    inside, go_on = threading.Event(), threading.Event()

    def other() -> None:
        with threadpool_limits(1, "blas"):
            inside.set()
            go_on.wait(10.0)

    with threadpool_limits(2, "blas"):
        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(10.0)
        with COMPUTING:
            go_on.set()
            thread.join()
        assert n_threads() == {2}


def test_a_failure_leaves_it_unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Computing()
    monkeypatch.setattr(ThreadpoolController, "limit", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError), lock:
        pass
    monkeypatch.undo()
    found: list[bool] = []

    def other() -> None:
        found.append(lock._lock.acquire(timeout=1.0))
        if found[0]:
            lock._lock.release()  # Else no later fork would come back: each waits for the lock.

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert found == [True]


def test_threads_compute_one_after_the_other() -> None:
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(20):
            with COMPUTING:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(1e-4)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]

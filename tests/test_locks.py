from __future__ import annotations

import threading

import numpy as np  # noqa: F401  # Its library is one of those that are limited.
import pytest
import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_info
from threadpoolctl import threadpool_limits

from optuna_meta._locks import COMPUTING


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


def test_threads_compute_one_after_the_other() -> None:
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(50):
            with COMPUTING:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    with threadpool_limits(2, "blas"):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most == [1] and n_threads() == {2}

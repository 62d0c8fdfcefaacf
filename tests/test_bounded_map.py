from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import copy
import sys

from optuna_meta._bounded_map import BoundedMap


def test_the_least_recently_used_entry_is_forgotten() -> None:
    kept: BoundedMap[str, int] = BoundedMap(2)
    kept["a"], kept["b"] = 1, 2
    assert kept["a"] == 1
    kept["c"] = 3
    assert dict(kept.data) == {"a": 1, "c": 3}
    assert copy.copy(kept).data == kept.data and "b" not in kept and kept.get("b") is None
    kept["a"] = 4
    kept["d"] = 5
    assert dict(kept.data) == {"a": 4, "d": 5}


def test_threads_get_the_same_entry() -> None:
    kept: BoundedMap[int, object] = BoundedMap(3)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            entries = [
                e for _ in range(200) for e in pool.map(lambda _: kept.made(0, object), "x" * 8)
            ]
    finally:
        sys.setswitchinterval(before)
    assert len({id(entry) for entry in entries}) == 1

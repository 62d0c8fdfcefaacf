from __future__ import annotations

import math
import pickle
from typing import Any

import pytest

from optuna_meta.studies.packing import PackedConfigurations


COLUMNS: dict[str, list[Any]] = {
    "floats": [0.1, -0.0, 1e300, 5e-324],
    "integers": [1, 2**60 + 1, -7, 1],
    "equal but not the same": [1, True, 1.0, "1"],
    "texts": ["é", "", "\0", None],
    "not a number": [math.nan, 1.0, math.nan, 0.0],
    "lists": [[1], [2], [1], (1,)],
}


@pytest.mark.parametrize("name", COLUMNS)
def test_what_is_packed_is_unpacked(name: str) -> None:
    trials = [{name: value} for value in COLUMNS[name]]
    trials[1:1] = [{}]
    packed = PackedConfigurations.of(trials)
    assert len(packed) == 5 and repr(list(packed)) == repr(trials)
    assert repr(packed[0]) == repr(trials[0])


def test_packed_configurations_take_a_fraction_of_the_memory() -> None:
    trials = [{f"p{i}": n * 0.1 + i for i in range(8)} | {"k": "a"} for n in range(100)]
    assert 4 * len(pickle.dumps(PackedConfigurations.of(trials))) < 3 * len(pickle.dumps(trials))

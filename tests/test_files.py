from __future__ import annotations

import os
from pathlib import Path
import pickle
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest
from safetensors.numpy import save_file

from optuna_meta._files import read_arrays
from optuna_meta._files import write_arrays


ARRAYS: dict[str, NDArray[Any]] = {
    "a": np.array([[1.0, np.nan], [-0.0, 2.5]]),
    "b": np.arange(3),
    "c": np.zeros((0, 2)),
}
HEADER = {"names": ["é", "b"], "missing": None, "number": 0.1}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "some file"
    write_arrays(path, ARRAYS, "kind", 3, HEADER)
    return path


def test_what_is_written_is_read(written: Path) -> None:
    arrays, header = read_arrays(str(written), "kind", 3)
    assert header == HEADER and list(written.parent.iterdir()) == [written]
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
    assert read_arrays(written, "kind", 4)[1] == HEADER  # A later version reads it too.


def test_no_arrays_and_views_are_written(tmp_path: Path) -> None:
    write_arrays(tmp_path / "f", {}, "kind", 1, {})
    assert read_arrays(tmp_path / "f", "kind", 1) == ({}, {})
    grid = np.arange(12.0).reshape(3, 4)
    write_arrays(tmp_path / "f", {"t": grid.T[::2]}, "kind", 1, {})
    np.testing.assert_array_equal(read_arrays(tmp_path / "f", "kind", 1)[0]["t"], grid.T[::2])


def test_every_truncation_is_noticed(written: Path) -> None:
    content = written.read_bytes()
    for length in range(0, len(content), 3):
        written.write_bytes(content[:length])
        with pytest.raises(ValueError, match="truncated or no safetensors file.*save it again"):
            read_arrays(written, "kind", 3)


def test_a_flipped_bit_is_noticed_wherever_it_is(written: Path) -> None:
    content = written.read_bytes()
    for i in range(len(content)):  # All 8 bits of each byte have been tried, too: it takes long.
        flipped = bytearray(content)
        flipped[i] ^= 1 << i % 8
        written.write_bytes(flipped)
        with pytest.raises(ValueError, match="damaged|truncated|has version|Wanted a file"):
            read_arrays(written, "kind", 3)


def test_a_foreign_file_is_named(tmp_path: Path, written: Path) -> None:
    with pytest.raises(ValueError, match="Wanted a file of format 'other', '.*' has 'kind'"):
        read_arrays(written, "other", 3)
    foreign = tmp_path / "weights"
    save_file({"w": np.zeros(2)}, foreign)
    with pytest.raises(ValueError, match="Wanted a file of format 'kind', '.*weights' has None"):
        read_arrays(foreign, "kind", 3)
    foreign.write_bytes(pickle.dumps(ARRAYS))
    with pytest.raises(ValueError, match="weights' is truncated or no safetensors file"):
        read_arrays(foreign, "kind", 3)


def test_a_newer_file_asks_for_an_upgrade(written: Path) -> None:
    message = "has version 3 of 'kind', this optuna-meta reads up to 2: upgrade optuna-meta"
    with pytest.raises(ValueError, match=message):
        read_arrays(written, "kind", 2)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=re.escape(f"No file at '{tmp_path / 'gone'}'")):
        read_arrays(tmp_path / "gone", "kind", 1)


def test_a_write_that_fails_leaves_the_old_file(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = written.read_bytes()

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_arrays(written, {}, "kind", 3, {})
    assert written.read_bytes() == before and list(written.parent.iterdir()) == [written]

from __future__ import annotations

import io

import pytest
import torch

from optuna_meta.weights.checkpoint.tensor_file import TensorReader
from optuna_meta.weights.checkpoint.tensor_file import write_tensors


STATE = {
    "wide": torch.arange(6.0, dtype=torch.float64).reshape(2, 3),
    "empty": torch.empty(0, 2),
    "narrow": torch.arange(5, dtype=torch.uint8),
    "half": torch.ones(3, dtype=torch.bfloat16),
}


class _Network:
    """Gives a few bytes at a time, and knows neither ``readinto`` nor ``seek``."""

    def __init__(self, content: bytes) -> None:
        self._left = content

    def read(self, n: int) -> bytes:
        piece, self._left = self._left[: min(n, 7)], self._left[min(n, 7) :]
        return piece


def _written() -> bytes:
    stream = io.BytesIO()
    header = write_tensors(stream, STATE, {"note": "Ω"})
    assert header.n_bytes == stream.tell() == len(stream.getvalue())
    return stream.getvalue()


def test_a_stream_of_small_pieces_is_read() -> None:
    content = _written()
    reader = TensorReader(_Network(content), "It", len(content))  # type: ignore[arg-type]
    assert reader.header.metadata == {"note": "Ω"}
    found = dict(reader.tensors())
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in STATE.items())
    TensorReader(_Network(content), "It", len(content)).verify()  # type: ignore[arg-type]


def test_the_header_is_the_same_when_written_and_when_read() -> None:
    content = io.BytesIO(_written())
    stream = io.BytesIO()
    assert (
        write_tensors(stream, STATE, {"note": "Ω"})
        == TensorReader(content, "It", len(content.getvalue())).header
    )


def test_text_that_looks_like_the_place_of_a_hash_is_left_alone() -> None:
    stream, zeros = io.BytesIO(), "0" * 64
    written = write_tensors(stream, {zeros: torch.ones(2)}, {"a": zeros, zeros: "b"})
    stream.seek(0)
    reader = TensorReader(stream, "It", written.n_bytes)
    assert dict(reader.tensors()).keys() == {zeros}
    assert reader.header == written and zeros not in (written.sha256, written.seal)


def test_tensors_begin_at_multiples_of_their_items_size() -> None:
    content = _written()
    reader = TensorReader(io.BytesIO(content), "It", len(content))
    place = len(content) - sum(entry.n_bytes for entry in reader.header.entries)
    for entry in reader.header.entries:
        assert place % entry.dtype.itemsize == 0
        place += entry.n_bytes


def test_the_hash_is_of_names_dtypes_shapes_and_values() -> None:
    def sha256(state: dict[str, torch.Tensor], **metadata: str) -> str:
        return write_tensors(io.BytesIO(), state, metadata).sha256

    values = torch.arange(4, dtype=torch.int32)
    same = sha256({"a": values})
    others = [
        {"b": values},
        {"a": values.reshape(2, 2)},
        {"a": values.view(torch.float32)},
        {"a": values + 1},
        {"a": values, "b": values},
    ]
    assert sha256({"a": values.clone()}, note="other metadata") == same
    assert len({same, *map(sha256, others)}) == 6


def test_the_last_tensor_waits_for_the_hash() -> None:
    content = bytearray(_written())
    content[-1] ^= 1
    reader = TensorReader(io.BytesIO(bytes(content)), "It", len(content))
    seen = []
    with pytest.raises(ValueError, match="It is damaged: its bytes are not those"):
        for name, _ in reader.tensors():
            seen.append(name)
    assert len(seen) == len(STATE) - 1

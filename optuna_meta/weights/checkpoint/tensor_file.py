"""Tensors in one safetensors stream, hashed while they pass, one in memory at a time.

The format is that of the safetensors library, which reads and writes the same files. Its own
writer needs all tensors contiguous and on the CPU at once, and a hash would cost another pass.
A stream here is 8 bytes that give the header's length, the header (JSON: each tensor's dtype,
shape and place, and text under ``__metadata__``) and the tensors' bytes without a gap.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import hashlib
import io
import json
from typing import Any
from typing import BinaryIO

import torch
from torch import Tensor

from optuna_meta.weights.checkpoint.tensor_header import decoded
from optuna_meta.weights.checkpoint.tensor_header import encoded
from optuna_meta.weights.checkpoint.tensor_header import Entry
from optuna_meta.weights.checkpoint.tensor_header import entry_of
from optuna_meta.weights.checkpoint.tensor_header import Header


__all__ = ["TensorReader", "write_tensors"]

_MOST_HEADER = 100_000_000  # bytes; the limit of the safetensors library too
_CHUNK = 1 << 20
_UNSET = "0" * 64


def write_tensors(
    stream: BinaryIO, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> Header:
    """Writes tensors to a stream that can seek, and returns the header as it was written.

    Raises:
        ValueError: A tensor has no bytes to write, or a dtype or name that the format lacks.
    """
    # Wide dtypes first, so that each tensor starts at a multiple of its item's size.
    names = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    entries = [entry_of(name, tensors[name]) for name in names]
    start = stream.tell()
    # The hashes come first, so that nothing else is taken for their place.
    unset = encoded(entries, {"sha256": _UNSET, "seal": _UNSET, **metadata})
    stream.write(unset)
    digest = _digest_of(entries)
    for name in names:
        _write_hashed(stream, _bytes_of(tensors[name]), digest)
    end, sha256 = stream.tell(), digest.hexdigest()
    seal = _seal(sha256, metadata)
    stream.seek(start)
    for known in (sha256, seal):
        unset = unset.replace(_UNSET.encode(), known.encode(), 1)
    stream.write(unset)
    stream.seek(end)
    return Header(tuple(entries), dict(metadata), end - start, sha256, seal)


class TensorReader:
    """Reads a stream once, from its start to its end; it need not seek.

    Args:
        stream: What to read.
        label: What to call it in errors.
        n_bytes: Its length. A header that describes another one is not believed.

    Raises:
        ValueError: The stream is truncated, or no safetensors stream.
    """

    def __init__(self, stream: BinaryIO, label: str, n_bytes: int) -> None:
        self._stream = stream
        self.label = label
        self.header = self._read_header(n_bytes)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yields each tensor; the last one comes after all bytes were found to be those written.

        Raises:
            ValueError: The bytes are fewer, more or others than those written.
        """
        waiting: list[tuple[str, Tensor]] = []
        digest = _digest_of(self.header.entries)
        for entry in self.header.entries:
            yield from waiting
            raw = torch.empty(entry.n_bytes, dtype=torch.uint8, device="cpu")
            for chunk in _chunks(raw.numpy().data):
                self._fill(chunk)
                digest.update(chunk)
            waiting = [(entry.name, raw.view(entry.dtype).reshape(entry.shape))]
        self._check_end(digest)
        yield from waiting

    def verify(self) -> None:
        """Reads to the end without keeping the tensors.

        Raises:
            ValueError: As :meth:`tensors`.
        """
        digest, buffer = _digest_of(self.header.entries), memoryview(bytearray(_CHUNK))
        left = sum(entry.n_bytes for entry in self.header.entries)
        while left:
            chunk = buffer[: min(left, _CHUNK)]
            self._fill(chunk)
            digest.update(chunk)
            left -= len(chunk)
        self._check_end(digest)

    def _read_header(self, n_bytes: int) -> Header:
        prefix = memoryview(bytearray(8))
        self._fill(prefix)
        length = int.from_bytes(prefix, "little")
        if length > min(_MOST_HEADER, n_bytes):
            raise ValueError(f"{self.label} is truncated or no safetensors file.")
        text = memoryview(bytearray(length))
        self._fill(text)
        try:
            header = decoded(bytes(text))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(
                f"{self.label} is damaged or no safetensors file: its header does not describe "
                f"tensors ({error})."
            ) from error
        if header.n_bytes != n_bytes:
            raise ValueError(
                f"{self.label} is truncated or damaged: its header describes {header.n_bytes} "
                f"bytes, there are {n_bytes}."
            )
        return header

    def _fill(self, wanted: memoryview) -> None:
        """Reads exactly as many bytes as the view has."""
        done = 0
        while done < len(wanted):
            n = _read_into(self._stream, wanted[done:])
            if n == 0:
                raise ValueError(f"{self.label} is truncated: it ends too early.")
            done += n

    def _check_end(self, digest: Any) -> None:
        if self._stream.read(1):
            raise ValueError(f"{self.label} is damaged: more bytes follow its tensors.")
        header = self.header
        if not header.sha256 and not header.seal:
            return
        sha256 = digest.hexdigest()
        if (sha256, _seal(sha256, header.metadata)) != (header.sha256, header.seal):
            raise ValueError(
                f"{self.label} is damaged: its bytes are not those that were written (sha256)."
            )


def _bytes_of(tensor: Tensor) -> memoryview:
    """The tensor's bytes in order; a copy only where they lie otherwise, or on a device."""
    dense = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    return dense.reshape(-1).view(torch.uint8).numpy().data


def _read_into(stream: BinaryIO, wanted: memoryview) -> int:
    """Reads some bytes and returns how many; those of a network need not know ``readinto``."""
    if isinstance(stream, io.BufferedIOBase | io.RawIOBase):
        return stream.readinto(wanted) or 0
    piece = stream.read(len(wanted))
    wanted[: len(piece)] = piece
    return len(piece)


def _write_hashed(stream: BinaryIO, data: memoryview, digest: Any) -> None:
    for chunk in _chunks(data):  # Hashed while it is in the processor's cache.
        digest.update(chunk)
        stream.write(chunk)


def _chunks(data: memoryview) -> Iterator[memoryview]:
    return (data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK))


def _digest_of(entries: Iterable[Entry]) -> Any:
    """A hash that has taken in all but the tensors' bytes."""
    described = [[e.name, e.code, e.shape] for e in entries]
    return hashlib.sha256(json.dumps(described).encode())


def _seal(sha256: str, metadata: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps([sha256, sorted(metadata.items())]).encode()).hexdigest()

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
from dataclasses import dataclass
import hashlib
import json
import math
from typing import Any
from typing import BinaryIO
from typing import NamedTuple

import torch
from torch import Tensor


__all__ = ["Entry", "Header", "TensorReader", "write_tensors"]

_MOST_HEADER = 100_000_000  # bytes; the limit of the safetensors library too
_CHUNK = 1 << 20  # bytes that are hashed at once: they stay in the processor's cache
_UNSET = "0" * 64  # as long as a hash, whose place it keeps
_METADATA = "__metadata__"
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
    "C64": torch.complex64,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


class Entry(NamedTuple):
    """One tensor of a stream."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        """How many bytes its values take."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Header:
    """What a stream says of its tensors, in the order of their bytes.

    Args:
        entries: The tensors.
        metadata: Text by name; without the hashes.
        n_bytes: Length of the whole stream.
        sha256: Hash of the tensors with their names, dtypes and shapes; empty in a foreign file.
        seal: Hash of ``sha256`` and of the metadata; empty in a foreign file.
    """

    entries: tuple[Entry, ...]
    metadata: Mapping[str, str]
    n_bytes: int
    sha256: str = ""
    seal: str = ""


def write_tensors(
    stream: BinaryIO, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> Header:
    """Write tensors to a stream that can seek, and return the header as it was written.

    Args:
        stream: Where they go.
        tensors: By name, of any shape.
        metadata: Text by name.

    Raises:
        ValueError: A tensor has no bytes to write, or a dtype or name that the format lacks.
    """
    # Wide dtypes first, so that each tensor starts at a multiple of its item's size.
    names = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    entries = [_entry_of(name, tensors[name]) for name in names]
    start = stream.tell()
    # The hashes come first, so that nothing else is taken for their place.
    header = _encoded(entries, {"sha256": _UNSET, "seal": _UNSET, **metadata})
    stream.write(header)
    digest = _digest_of(entries)
    for name in names:
        for chunk in _chunks(_bytes_of(tensors[name])):
            digest.update(chunk)
            stream.write(chunk)
    end, sha256 = stream.tell(), digest.hexdigest()
    seal = _seal(sha256, metadata)
    stream.seek(start)
    for known in (sha256, seal):
        header = header.replace(_UNSET.encode(), known.encode(), 1)
    stream.write(header)
    stream.seek(end)
    return Header(tuple(entries), dict(metadata), end - start, sha256, seal)


class TensorReader:
    """A stream that is read once, from its start to its end; it need not seek.

    Args:
        stream: What to read.
        label: What to call it in errors.
        n_bytes: Its length. A header that describes another one is not believed.

    Raises:
        ValueError: The stream is truncated, or no safetensors stream.
        OSError: It cannot be read.
    """

    def __init__(self, stream: BinaryIO, label: str, n_bytes: int) -> None:
        self._stream = stream
        self.label = label
        self.header = self._read_header(n_bytes)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield each tensor; the last one comes after all bytes were found to be those written.

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
            waiting = [(entry.name, self._shaped(raw, entry))]
        self._check_end(digest)
        yield from waiting

    def verify(self) -> None:
        """Read to the end without keeping the tensors.

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

    def _shaped(self, raw: Tensor, entry: Entry) -> Tensor:
        try:
            return raw.view(entry.dtype).reshape(entry.shape)
        except (RuntimeError, OverflowError, TypeError) as error:  # An empty one of 2**70 rows.
            raise ValueError(f"{self.label} is damaged: {entry.name!r}: {error}") from error

    def _read_header(self, n_bytes: int) -> Header:
        prefix = memoryview(bytearray(8))
        self._fill(prefix)
        length = int.from_bytes(prefix, "little")
        if length > min(_MOST_HEADER, n_bytes):
            raise ValueError(f"{self.label} is truncated or no safetensors file.")
        text = memoryview(bytearray(length))
        self._fill(text)
        try:
            header = _decoded(bytes(text))
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
        """Read exactly as many bytes as the view has; a network gives a few at a time."""
        while wanted:
            piece = self._read(len(wanted))
            if not piece:
                raise ValueError(f"{self.label} is truncated: it ends too early.")
            wanted[: len(piece)] = piece
            wanted = wanted[len(piece) :]

    def _read(self, n: int) -> bytes:
        try:
            return self._stream.read(n)
        except Exception as error:  # Each kind of artifact store has errors of its own.
            raise OSError(f"{self.label} could not be read: {error!r}.") from error

    def _check_end(self, digest: Any) -> None:
        if self._read(1):
            raise ValueError(f"{self.label} is damaged: more bytes follow its tensors.")
        header, sha256 = self.header, digest.hexdigest()
        written = header.sha256, header.seal
        if any(written) and written != (sha256, _seal(sha256, header.metadata)):
            raise ValueError(f"{self.label} is damaged: its bytes are not those written (sha256).")


def _entry_of(name: str, tensor: Tensor) -> Entry:
    """Return what the header says of a tensor, once it is sure that the format can hold it."""
    if name == _METADATA:
        raise ValueError(f"No tensor can be named {_METADATA!r} in a safetensors file: rename it.")
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        kind = "on the meta device" if tensor.is_meta else f"{tensor.layout}"
        raise ValueError(f"{name!r} is {kind}: convert it to a dense tensor with values.")
    if tensor.dtype not in _CODES:
        raise ValueError(
            f"{name!r} has dtype {tensor.dtype}, which safetensors files do not hold: convert it "
            f"to one of {', '.join(sorted(_DTYPES))}."
        )
    return Entry(name, tensor.dtype, tuple(tensor.shape))


def _encoded(entries: Iterable[Entry], metadata: Mapping[str, str]) -> bytes:
    """Write the header; blanks fill its length up to a multiple of 8."""
    described: dict[str, Any] = {_METADATA: dict(metadata)}
    offset = 0
    for name, dtype, shape in entries:
        end = offset + math.prod(shape) * dtype.itemsize
        described[name] = {"dtype": _CODES[dtype], "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(described, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _decoded(text: bytes) -> Header:
    """Read the header, and check that the tensors' bytes follow each other without a gap."""
    described = json.loads(text, object_pairs_hook=_unique)
    metadata = described.pop(_METADATA, {})
    if not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its metadata are not text")
    entries, offset = [], 0
    # An empty tensor starts where its successor does, and ends there too.
    for name, about in sorted(described.items(), key=lambda item: item[1]["data_offsets"]):
        entry = Entry(name, _DTYPES[about["dtype"]], tuple(about["shape"]))
        if not all(type(n) is int and n >= 0 for n in entry.shape):
            raise ValueError(f"{name!r} has the shape {about['shape']}")
        if about["data_offsets"] != [offset, offset + entry.n_bytes]:
            raise ValueError(f"the bytes of {name!r} are out of place")
        entries.append(entry)
        offset += entry.n_bytes
    hashes = {name: metadata.pop(name, "") for name in ("sha256", "seal")}
    return Header(tuple(entries), metadata, 8 + len(text) + offset, **hashes)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _bytes_of(tensor: Tensor) -> memoryview:
    """Return the tensor's bytes in order; a copy only where they lie otherwise, or on a device."""
    dense = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    return dense.reshape(-1).view(torch.uint8).numpy().data


def _chunks(data: memoryview) -> Iterator[memoryview]:
    return (data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK))


def _digest_of(entries: Iterable[Entry]) -> Any:
    """Return a hash that has taken in all but the tensors' bytes."""
    described = [[entry.name, _CODES[entry.dtype], entry.shape] for entry in entries]
    return hashlib.sha256(json.dumps(described).encode())


def _seal(sha256: str, metadata: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps([sha256, sorted(metadata.items())]).encode()).hexdigest()

"""The header of a safetensors file: what it says of its tensors, written and read."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
import json
import math
from typing import Any
from typing import NamedTuple

import torch
from torch import Tensor


__all__ = ["Entry", "Header", "decoded", "encoded", "entry_of"]

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
_METADATA = "__metadata__"


class Entry(NamedTuple):
    """One tensor of a stream."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def code(self) -> str:
        return _CODES[self.dtype]


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


def entry_of(name: str, tensor: Tensor) -> Entry:
    if name == _METADATA:
        raise ValueError(
            f"A tensor cannot be named {_METADATA!r} in a safetensors file: rename it."
        )
    if tensor.layout != torch.strided or tensor.device.type == "meta" or tensor.is_quantized:
        kind = "on the meta device" if tensor.device.type == "meta" else f"{tensor.layout}"
        raise ValueError(
            f"{name!r} is {kind}, only dense tensors with values can be saved: convert it first."
        )
    if tensor.dtype not in _CODES:
        raise ValueError(
            f"{name!r} has dtype {tensor.dtype}, which safetensors files do not hold: convert it "
            f"to one of {', '.join(sorted(_CODES.values()))}."
        )
    return Entry(name, tensor.dtype, tuple(tensor.shape))


def encoded(entries: Iterable[Entry], metadata: Mapping[str, str]) -> bytes:
    described: dict[str, Any] = {_METADATA: dict(metadata)}
    offset = 0
    for entry in entries:
        described[entry.name] = {
            "dtype": entry.code,
            "shape": entry.shape,
            "data_offsets": [offset, offset + entry.n_bytes],
        }
        offset += entry.n_bytes
    text = json.dumps(described, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def decoded(text: bytes) -> Header:
    """The header, checked: the tensors' bytes follow each other without a gap."""
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

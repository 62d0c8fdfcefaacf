"""Arrays and a JSON header in one safetensors file, written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors import SafetensorError
from safetensors.numpy import save_file


__all__ = ["read_arrays", "write_arrays"]


def write_arrays(
    path: str | Path,
    arrays: Mapping[str, NDArray[Any]],
    kind: str,
    version: int,
    header: Mapping[str, Any],
) -> None:
    """Write named arrays and a header; a file of that name is replaced at once."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    metadata = {"format": kind, "version": str(version), "header": json.dumps(header)}
    metadata["sha256"] = _digest(contiguous, metadata)
    partial = f"{os.fspath(path)}.{os.getpid()}.partial"
    try:
        save_file(contiguous, partial, metadata)
        os.replace(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)


def read_arrays(
    path: str | Path, kind: str, version: int
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what :func:`write_arrays` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is truncated, damaged, foreign or from a newer version.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"No file at {os.fspath(path)!r}.")
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            _check_kind(path, metadata, kind, version)
            arrays = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise ValueError(
            f"{os.fspath(path)!r} is truncated or no safetensors file ({error}): save it again."
        ) from error
    if metadata.get("sha256") != _digest(arrays, metadata):
        raise ValueError(f"{os.fspath(path)!r} is damaged (wrong checksum): save it again.")
    try:
        header = json.loads(metadata["header"])
    except (KeyError, ValueError, RecursionError) as error:
        raise ValueError(f"{os.fspath(path)!r} has no header: save it again.") from error
    if not isinstance(header, dict):
        raise ValueError(f"{os.fspath(path)!r} has no header of named values: save it again.")
    return arrays, header


def _check_kind(path: str | Path, metadata: Mapping[str, str], kind: str, version: int) -> None:
    found = metadata.get("format")
    if found != kind:
        raise ValueError(f"Wanted a file of format {kind!r}, {os.fspath(path)!r} has {found!r}.")
    written = metadata.get("version", "")
    if written.isdecimal() and int(written) > version:
        raise ValueError(
            f"{os.fspath(path)!r} has version {written} of {kind!r}, this "
            f"optuna-meta reads up to {version}: upgrade optuna-meta or save the file again."
        )


def _digest(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> str:
    """Return the checksum of the arrays and of the metadata but itself."""
    signed = sorted((name, text) for name, text in metadata.items() if name != "sha256")
    digest = hashlib.sha256(json.dumps(signed).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

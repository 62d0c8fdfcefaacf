"""A model's weights and what is known of them, in memory and as one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
import json
import os
from pathlib import Path
from typing import Any
from typing import BinaryIO
import uuid

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from optuna_meta.weights.checkpoint.tensor_file import Header
from optuna_meta.weights.checkpoint.tensor_file import TensorReader
from optuna_meta.weights.checkpoint.tensor_file import write_tensors
from optuna_meta.weights.state_dict import copied
from optuna_meta.weights.state_dict import state_of
from optuna_meta.weights.state_dict import untied


__all__ = ["Checkpoint", "Metadata", "metadata_of", "read_checkpoint", "write_checkpoint"]

_FORMAT = "optuna_meta.checkpoint"
_VERSION = 1
_LIBRARIES = ("optuna-meta", "optuna", "torch", "safetensors", "numpy")


@dataclass(frozen=True)
class Metadata:
    """Where weights come from.

    Args:
        study: Name of the study; empty for weights of no study.
        trial: Number of the trial.
        params: Its hyperparameters.
        value: How well the weights did, as the study measures it.
        step: After how many steps, or epochs, they were saved.
        tags: Words of the user's.
        versions: Of the libraries that wrote them.
        extra: Anything else that JSON holds.
        sha256: Hash of the tensors with their names, dtypes and shapes; empty until they have been
            a file.
    """

    study: str = ""
    trial: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    value: float | None = None
    step: int | None = None
    tags: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Weights by name, each a tensor of any shape, and where they come from.

    Args:
        state: The tensors, buffers among them; tied ones under each of their names.
        metadata: Where they come from.

    Raises:
        ValueError: A value of ``state`` is no tensor, or not initialised yet.
    """

    state: Mapping[str, Tensor]
    metadata: Metadata = field(default_factory=Metadata)

    def __post_init__(self) -> None:
        for name, tensor in self.state.items():
            if not isinstance(tensor, Tensor):
                raise ValueError(
                    f"A checkpoint holds tensors, {name!r} is of type {type(tensor).__name__}: "
                    "leave it out, or convert it."
                )
        if lazy := [name for name, tensor in self.state.items() if is_lazy(tensor)]:
            raise ValueError(
                f"{', '.join(map(repr, lazy[:5]))} have no values yet, for they belong to lazy "
                "modules: run the model once on data first."
            )

    @classmethod
    def from_model(
        cls,
        model: torch.nn.Module,
        *,
        study: str = "",
        trial: int | None = None,
        params: Mapping[str, Any] | None = None,
        value: float | None = None,
        step: int | None = None,
        tags: Sequence[str] = (),
        extra: Mapping[str, Any] | None = None,
        copy: bool = True,
    ) -> Checkpoint:
        """Take the model's parameters and buffers, on the CPU.

        What ``torch.compile`` and parallel wrappers put into names is left out. Tied tensors stay
        tied.

        Args:
            model: The model.
            study: See :class:`Metadata`, also for the others.
            trial: Number of the trial.
            params: Its hyperparameters.
            value: How well the weights did.
            step: After how many steps they are taken.
            tags: Words of the user's.
            extra: Anything else that JSON holds.
            copy: Whether to copy. Without, the tensors are the model's own, change with it, and
                stay on its device.

        Raises:
            ValueError: A part of the model's state is no tensor, or a lazy module never ran.
        """
        known = dict(_versions())
        about = Metadata(study, trial, params or {}, value, step, tuple(tags), known, extra or {})
        own = cls(state_of(model.state_dict()), about)
        return replace(own, state=copied(own.state)) if copy else own

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor."""
        return {name: tuple(tensor.shape) for name, tensor in self.state.items()}

    @property
    def dtypes(self) -> dict[str, torch.dtype]:
        """Dtype of each tensor."""
        return {name: tensor.dtype for name, tensor in self.state.items()}

    def save_file(self, path: str | Path) -> str:
        """Write a safetensors file, whole or not at all, and return the hash of the tensors.

        Raises:
            ValueError: A tensor has no place in a safetensors file, or the metadata none in JSON.
        """
        partial = Path(f"{os.fspath(path)}.{uuid.uuid4().hex}.partial")
        try:
            with open(partial, "xb") as stream:
                header = write_checkpoint(stream, self)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        return header.sha256

    @classmethod
    def load_file(
        cls, path: str | Path, *, device: str | torch.device = "cpu", require_hash: bool = True
    ) -> Checkpoint:
        """Read what :meth:`save_file` wrote, and check every byte. No code is ever executed.

        Args:
            path: The file.
            device: Where the tensors go, one after the other.
            require_hash: Whether to refuse files that other programs wrote, which have no hash.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is truncated, damaged, foreign or from a newer version.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"No file at {os.fspath(path)!r}.")
        with open(path, "rb") as stream:
            reader = TensorReader(stream, repr(os.fspath(path)), os.path.getsize(path))
            return read_checkpoint(reader, device=device, require_hash=require_hash)


def write_checkpoint(stream: BinaryIO, checkpoint: Checkpoint) -> Header:
    """Write a checkpoint to a stream that can seek; see :meth:`Checkpoint.save_file`."""
    kept, aliases = untied(checkpoint.state)
    described = {**vars(checkpoint.metadata)}
    del described["sha256"]
    metadata = {"format": _FORMAT, "version": str(_VERSION)}
    try:
        metadata["checkpoint"] = json.dumps(described)
    except TypeError as error:
        raise ValueError(
            f"The metadata of a checkpoint must be plain JSON: {error}. Convert it to numbers, "
            "text, lists and dictionaries."
        ) from error
    metadata["aliases"] = json.dumps(aliases)
    return write_tensors(stream, kept, metadata)


def read_checkpoint(
    reader: TensorReader, *, device: str | torch.device = "cpu", require_hash: bool = True
) -> Checkpoint:
    """Read a checkpoint to its end; see :meth:`Checkpoint.load_file`."""
    metadata = metadata_of(reader, require_hash=require_hash)
    state = {name: tensor.to(device) for name, tensor in reader.tensors()}
    for alias, name in json.loads(reader.header.metadata.get("aliases", "{}")).items():
        state[alias] = state[name]
    return Checkpoint(state, metadata)


def metadata_of(reader: TensorReader, *, require_hash: bool = True) -> Metadata:
    """Return what the header tells; it is checked only when the tensors have been read.

    Raises:
        ValueError: The header is not that of a checkpoint, or of a newer version.
    """
    header, label = reader.header, reader.label
    if not header.sha256 or not header.seal or header.metadata.get("format") != _FORMAT:
        if require_hash:
            raise ValueError(
                f"{label} has no hash to check it by: it was written by another program or is "
                "damaged. Load it with require_hash=False if you trust it."
            )
        return Metadata()
    written = header.metadata.get("version", "")
    if not written.isdecimal() or int(written) > _VERSION:
        raise ValueError(
            f"{label} has version {written!r} of checkpoints, this optuna-meta reads up to "
            f"{_VERSION}: upgrade optuna-meta."
        )
    try:
        described = json.loads(header.metadata["checkpoint"])
        known = {f.name: described[f.name] for f in fields(Metadata) if f.name in described}
        known |= {"tags": tuple(known["tags"]), "sha256": header.sha256}
        return Metadata(**known)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{label} is damaged: its metadata cannot be read ({error}).") from error


@cache
def _versions() -> dict[str, str]:
    versions = {}
    for library in _LIBRARIES:
        with suppress(PackageNotFoundError):  # It runs from a folder.
            versions[library] = version(library)
    return versions

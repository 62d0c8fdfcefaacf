"""Where weights come from, as the header of their file tells it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
import json
from typing import Any

from optuna_meta.weights.checkpoint.plain import as_json
from optuna_meta.weights.checkpoint.plain import as_text
from optuna_meta.weights.checkpoint.tensor_file import TensorReader


__all__ = ["aliases_of", "Metadata", "metadata_of", "versions", "written_metadata"]

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


def written_metadata(metadata: Metadata, aliases: Mapping[str, str], extra: str) -> dict[str, str]:
    """Return what a header holds: text by name.

    Args:
        metadata: Of the checkpoint.
        aliases: The name that each tied tensor is written under, by its further names.
        extra: Extra state as JSON; empty if there is none.

    Raises:
        ValueError: ``metadata.extra`` is no JSON.
    """
    described = {**vars(metadata)}
    del described["sha256"]
    described |= {
        "params": as_text(metadata.params),
        "tags": [*metadata.tags],
        "versions": dict(metadata.versions),
        "extra": as_json(metadata.extra),
    }
    return {
        "format": _FORMAT,
        "version": str(_VERSION),
        "checkpoint": json.dumps(described),
        "aliases": json.dumps(aliases),
        **({"extra_state": extra} if extra else {}),
    }


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


def aliases_of(reader: TensorReader) -> dict[str, str]:
    """Return the name that the file has a tensor under, for each further name of it.

    Raises:
        ValueError: They are no names of its tensors.
    """
    known = {entry.name for entry in reader.header.entries}
    try:
        aliases = json.loads(reader.header.metadata.get("aliases", "{}"))
        if all(name in known and alias not in known for alias, name in aliases.items()):
            return dict(aliases)
    except (ValueError, TypeError, AttributeError):
        pass
    raise ValueError(f"{reader.label} is damaged: its tied names are none of its tensors.")


@cache
def versions() -> dict[str, str]:
    """Return the versions of the libraries that write a file here."""
    found = {}
    for library in _LIBRARIES:
        with suppress(PackageNotFoundError):  # It runs from a folder.
            found[library] = version(library)
    return found

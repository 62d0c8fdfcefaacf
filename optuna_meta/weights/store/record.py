"""What a trial's attributes tell of its checkpoints: numbers to sort by, records out of sight.

A database may hold no more than 65,535 bytes in one attribute, and a training of many epochs saves
a checkpoint after each: records beyond a few kilobytes go into a file of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import hashlib
import json
import math
from typing import Any
from typing import NamedTuple


__all__ = [
    "as_json",
    "attributes_of_unrecorded",
    "Blob",
    "CheckpointRecord",
    "hidden_attribute",
    "n_inline",
    "Owner",
    "parse_records",
    "records_of_json",
    "RECORDS_KEY",
    "shown_attributes",
    "Unrecorded",
    "unrecorded_of",
    "WrittenRecords",
]

# System attribute, which a dashboard does not show; earlier versions had a user attribute of it.
RECORDS_KEY = "optuna_meta:checkpoints"
_VALUE_KEY = "ckpt:value"
_STEP_KEY = "ckpt:step"
_UNRECORDED_KEY = "optuna_meta:unrecorded"

_MOST_BYTES = 5000  # of a trial's records among its attributes,
_FEWER_BYTES = 2500  # and what stays of them there when the others go into a file.


class Blob(NamedTuple):
    """A file in the artifact store."""

    artifact_id: str
    sha256: str  # of its tensors, as in its own header
    n_bytes: int


class Owner(NamedTuple):
    """A trial that has written attributes, which retries and copies of it have too."""

    study: str
    trial: int


@dataclass(frozen=True)
class CheckpointRecord:
    """One checkpoint of a trial.

    Args:
        study: Name of the study that saved it.
        trial: Number of the trial that saved it.
        weights: Its file.
        value: How well it did; ``None`` where that is the trial's final value.
        step: After how many steps it was saved.
        tags: Words of the user's.
        saved: When, in ISO 8601, UTC.
        training: The file of the optimizer's state, where it was saved and is still of use.
    """

    study: str
    trial: int
    weights: Blob
    value: float | None = None
    step: int | None = None
    tags: tuple[str, ...] = ()
    saved: str = ""
    training: Blob | None = None

    def __str__(self) -> str:
        step = "" if self.step is None else f", step {self.step}"
        return f"trial {self.trial} of study {self.study!r}{step}"

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """Its files."""
        return (self.weights,) if self.training is None else (self.weights, self.training)

    @property
    def owner(self) -> Owner:
        """The trial that saved it."""
        return Owner(self.study, self.trial)


class WrittenRecords(NamedTuple):
    """What a trial's attributes hold of its records.

    Args:
        records: In the order they were saved; but for those in a file, until that is read.
        earlier: The file of those before.
        owner: Who wrote the attributes.
        problems: Why others cannot be read.
        in_file: Those of the file, once it is read.
    """

    records: list[CheckpointRecord]
    earlier: Blob | None = None
    owner: Owner | None = None
    problems: tuple[Exception, ...] = ()
    in_file: tuple[CheckpointRecord, ...] = ()


class Unrecorded(NamedTuple):
    """Artifacts of a trial that it has no record of: on their way, given up, or free again.

    Args:
        artifact_ids: The artifacts.
        process: Which process wrote this.
    """

    artifact_ids: tuple[str, ...] = ()
    process: str = ""


def hidden_attribute(
    owner: Owner, records: Sequence[CheckpointRecord], earlier: Blob | None
) -> dict[str, Any]:
    """Return the attribute ``RECORDS_KEY``, which holds a trial's records.

    Args:
        owner: The trial.
        records: Its records, but for those in a file.
        earlier: That file.
    """
    written = {**owner._asdict(), "records": as_json(records, owner)}
    return written if earlier is None else {**written, "earlier": list(earlier)}


def shown_attributes(last: CheckpointRecord) -> dict[str, float | int]:
    """Return the user attributes of a trial: what its last record has of plain numbers.

    Only plain numbers make sortable columns in the dashboard.
    """
    shown: dict[str, float | int] = {}
    if last.value is not None and math.isfinite(last.value):
        shown[_VALUE_KEY] = last.value
    if last.step is not None and abs(last.step) < 2**63:
        shown[_STEP_KEY] = last.step
    return shown


def attributes_of_unrecorded(owner: Owner, unrecorded: Unrecorded) -> dict[str, Any]:
    """Return the hidden attribute that tells of artifacts without a record."""
    return {_UNRECORDED_KEY: {"owner": _short(owner), **unrecorded._asdict()}}


def unrecorded_of(attributes: Mapping[str, Any], owner: Owner) -> Unrecorded:
    """Return what a trial itself has noted; a retry or a copy of another has that one's note."""
    try:
        written = attributes.get(_UNRECORDED_KEY) or {}
        if written["owner"] == _short(owner):
            return Unrecorded(tuple(map(str, written["artifact_ids"])), str(written["process"]))
    except (TypeError, KeyError, AttributeError):
        pass
    return Unrecorded()


def _short(owner: Owner) -> str:
    """Return what tells an owner from others, however long the study's name."""
    return hashlib.sha256(json.dumps(owner).encode()).hexdigest()[:16]


def n_inline(records: Sequence[CheckpointRecord], owner: Owner) -> int:
    """Return how many records, the last ones, stay among a trial's attributes."""
    sizes = [len(json.dumps(entry)) + 2 for entry in as_json(records, owner)]
    if sum(sizes) <= _MOST_BYTES:
        return len(sizes)
    kept = 1
    while sum(sizes[-kept - 1 :]) <= _FEWER_BYTES:
        kept += 1
    return kept


def parse_records(attributes: Mapping[str, Any]) -> WrittenRecords:
    """Read the records among a trial's attributes, shown and hidden ones."""
    written = attributes.get(RECORDS_KEY)
    if written is None:
        return WrittenRecords([])
    try:
        owner = Owner(str(written["study"]), int(written["trial"]))
        earlier = _blob(written["earlier"]) if written.get("earlier") else None
        records, problems = records_of_json(written["records"], owner)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        return WrittenRecords([], problems=(error,))
    return WrittenRecords(records, earlier, owner, problems)


def records_of_json(
    entries: Any, owner: Owner
) -> tuple[list[CheckpointRecord], tuple[Exception, ...]]:
    """Return the records that :func:`as_json` was given, and why each other one is not read."""
    records, problems = [], []
    for entry in entries:
        try:
            records.append(_from_json(entry, owner))
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            problems.append(error)
    return records, tuple(problems)


def as_json(records: Sequence[CheckpointRecord], owner: Owner) -> list[dict[str, Any]]:
    """Return records as JSON, without what they share with their owner."""
    return [_as_json(record, owner) for record in records]


def _as_json(record: CheckpointRecord, owner: Owner) -> dict[str, Any]:
    entry: dict[str, Any] = {"weights": list(record.weights), "saved": record.saved}
    if record.owner != owner:
        entry |= record.owner._asdict()
    if record.value is not None:  # Databases and browsers differ about JSON's NaN.
        entry["value"] = record.value if math.isfinite(record.value) else str(record.value)
    if record.step is not None:
        entry["step"] = record.step
    if record.tags:
        entry["tags"] = list(record.tags)
    if record.training is not None:
        entry["training"] = list(record.training)
    return entry


def _from_json(entry: Mapping[str, Any], owner: Owner) -> CheckpointRecord:
    value, step, training = (entry.get(name) for name in ("value", "step", "training"))
    return CheckpointRecord(
        study=str(entry.get("study", owner.study)),
        trial=int(entry.get("trial", owner.trial)),
        weights=_blob(entry["weights"]),
        value=None if value is None else float(value),
        step=None if step is None else int(step),
        tags=tuple(map(str, entry.get("tags", ()))),
        saved=str(entry["saved"]),
        training=None if training is None else _blob(training),
    )


def _blob(entry: Sequence[Any]) -> Blob:
    artifact_id, sha256, n_bytes = entry
    return Blob(str(artifact_id), str(sha256), int(n_bytes))

"""What a trial's user attributes tell of its checkpoints: small, sortable, for all to see."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import math
from typing import Any
from typing import NamedTuple
import warnings


__all__ = ["attributes_of", "Blob", "CheckpointRecord", "parse_records", "read_records"]

_RECORDS_KEY = "optuna_meta:checkpoints"
_VALUE_KEY = "optuna_meta:checkpoint_value"
_STEP_KEY = "optuna_meta:checkpoint_step"


class Blob(NamedTuple):
    """A file in the artifact store."""

    artifact_id: str
    sha256: str  # of its tensors, as in its own header
    n_bytes: int


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


def attributes_of(records: Sequence[CheckpointRecord]) -> dict[str, Any]:
    """Return the user attributes that hold a trial's records, the last also as plain numbers.

    Only plain numbers make sortable columns in the dashboard.
    """
    attributes: dict[str, Any] = {_RECORDS_KEY: [_as_json(record) for record in records]}
    value, step = records[-1].value, records[-1].step
    if value is not None and math.isfinite(value):
        attributes[_VALUE_KEY] = value
    if step is not None:
        attributes[_STEP_KEY] = step
    return attributes


def read_records(user_attrs: Mapping[str, Any], owner: str) -> list[CheckpointRecord]:
    """Read the records among a trial's user attributes, in the order they were saved.

    What cannot be read is left out with a warning that names its owner.
    """
    records, problems = parse_records(user_attrs)
    for problem in problems:
        warnings.warn(
            f"A record of a checkpoint of {owner} is left out, for it cannot be read "
            f"({problem!r}): its attribute {_RECORDS_KEY!r} was edited or is of another version.",
            stacklevel=2,
        )
    return records


def parse_records(user_attrs: Mapping[str, Any]) -> tuple[list[CheckpointRecord], list[Exception]]:
    """Return the records among a trial's user attributes, and why each other one is not read."""
    written = user_attrs.get(_RECORDS_KEY, [])
    records: list[CheckpointRecord] = []
    problems: list[Exception] = []
    for entry in written if isinstance(written, list) else [written]:
        try:
            records.append(_from_json(entry))
        except (TypeError, KeyError, ValueError) as error:
            problems.append(error)
    return records, problems


def _as_json(record: CheckpointRecord) -> dict[str, Any]:
    entry = {n: list(v) if isinstance(v, tuple) else v for n, v in vars(record).items()}
    if record.training is None:
        del entry["training"]
    if record.value is not None and not math.isfinite(record.value):
        entry["value"] = str(record.value)  # Databases and browsers differ about JSON's NaN.
    return entry


def _from_json(entry: Mapping[str, Any]) -> CheckpointRecord:
    value, training = entry["value"], entry.get("training")
    return CheckpointRecord(
        study=str(entry["study"]),
        trial=int(entry["trial"]),
        weights=_blob(entry["weights"]),
        value=None if value is None else float(value),
        step=None if entry["step"] is None else int(entry["step"]),
        tags=tuple(map(str, entry["tags"])),
        saved=str(entry["saved"]),
        training=None if training is None else _blob(training),
    )


def _blob(entry: Sequence[Any]) -> Blob:
    artifact_id, sha256, n_bytes = entry
    return Blob(str(artifact_id), str(sha256), int(n_bytes))

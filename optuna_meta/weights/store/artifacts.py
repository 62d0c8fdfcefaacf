"""Checkpoints as artifacts: put there whole, read back checked, removed."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import closing
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
import re
from typing import Any
from typing import BinaryIO
from typing import Protocol
import uuid
import warnings

from optuna.artifacts.exceptions import ArtifactNotFound
import torch

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint.checkpoint import read_checkpoint
from optuna_meta.weights.checkpoint.checkpoint import write_checkpoint
from optuna_meta.weights.checkpoint.metadata import aliases_of
from optuna_meta.weights.checkpoint.metadata import Metadata
from optuna_meta.weights.checkpoint.metadata import metadata_of
from optuna_meta.weights.checkpoint.tensor_file import TensorReader
from optuna_meta.weights.store.record import as_json
from optuna_meta.weights.store.record import Blob
from optuna_meta.weights.store.record import CheckpointRecord
from optuna_meta.weights.store.record import Owner
from optuna_meta.weights.store.record import parse_records
from optuna_meta.weights.store.record import RECORDS_KEY
from optuna_meta.weights.store.record import records_of_json
from optuna_meta.weights.store.record import WrittenRecords
from optuna_meta.weights.store.staging import staged


__all__ = [
    "ArtifactStore",
    "CheckpointArtifacts",
    "file_name",
    "MIME_TYPE",
    "new_artifact_id",
    "UNREADABLE",
]

MIME_TYPE = "application/x-optuna-meta-checkpoint"
UNREADABLE = (ArtifactNotFound, ValueError, OSError)  # What reading an artifact may raise.


class ArtifactStore(Protocol):
    """What Optuna's artifact stores can do."""

    def open_reader(self, artifact_id: str) -> BinaryIO: ...

    def write(self, artifact_id: str, content_body: BinaryIO) -> None: ...

    def remove(self, artifact_id: str) -> None: ...


@dataclass(frozen=True)
class CheckpointArtifacts:
    """Files of checkpoints in an artifact store.

    Args:
        artifacts: The artifact store.
        staging: Folder where a file lies before it is uploaded; the system's by default.
    """

    artifacts: ArtifactStore
    staging: str | Path | None = None
    _indexes: dict[Blob, list[CheckpointRecord]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def put(self, checkpoint: Checkpoint, artifact_id: str) -> Blob:
        """Write a checkpoint as an artifact, of which nothing is noted anywhere."""
        with staged(self.staging) as folder:
            path = folder / "checkpoint.safetensors"
            with open(path, "wb", buffering=0) as stream:  # The pieces written are large.
                header = write_checkpoint(stream, checkpoint)
            with open(path, "rb") as stream:
                self.artifacts.write(artifact_id, stream)
        return Blob(artifact_id, header.sha256, header.n_bytes)

    def get(self, record: CheckpointRecord, blob: Blob, device: str | torch.device) -> Checkpoint:
        """Read one of a record's files and check every byte.

        Raises:
            ArtifactNotFound: It is not there.
            ValueError: It is not the file that was recorded.
            OSError: The store does not give it.
        """
        with self.reader(record, blob) as reader:
            _require_same(record, blob, reader)
            return read_checkpoint(reader, device=device)

    def check(self, record: CheckpointRecord, blob: Blob) -> None:
        """Read one of a record's files without keeping it; see :meth:`get`."""
        with self.reader(record, blob) as reader:
            _require_same(record, blob, reader)
            aliases_of(reader)
            reader.verify()

    def put_index(self, owner: Owner, records: Sequence[CheckpointRecord], new_id: str) -> Blob:
        """Write records of a trial that are too many for its attributes."""
        about = Metadata(*owner, extra={"records": as_json(records, owner)})
        blob = self.put(Checkpoint({}, about), new_id)
        self._keep_index(blob, list(records))
        return blob

    def records_of(self, attributes: Any, trial: str) -> WrittenRecords:
        """Return all records of a trial, also those in a file; what cannot be read is warned of.

        Args:
            attributes: Of the trial, shown and hidden ones.
            trial: What to call it.
        """
        written = parse_records(attributes)
        for problem in written.problems:
            warnings.warn(
                f"A record of a checkpoint of {trial} is left out, for it cannot be read "
                f"({problem!r}): its attribute {RECORDS_KEY!r} was edited or is of another "
                "version.",
                stacklevel=3,
            )
        if written.earlier is None or written.owner is None:
            return written
        try:
            earlier = self._index(written.earlier, written.owner)
        except UNREADABLE as error:
            text = f"Earlier checkpoints of {trial} are left out, for their list cannot be read: "
            warnings.warn(f"{text}{error}", stacklevel=3)
            return written._replace(problems=(*written.problems, error))
        return written._replace(records=[*earlier, *written.records], in_file=tuple(earlier))

    def reads_all(self, attributes: Any) -> bool:
        """Tell whether the file with a trial's earlier records, if there is one, can be read."""
        written = parse_records(attributes)
        if written.earlier is None or written.owner is None:
            return True
        try:
            self._index(written.earlier, written.owner)
        except UNREADABLE:
            return False
        return True

    def _index(self, blob: Blob, owner: Owner) -> list[CheckpointRecord]:
        if blob not in self._indexes:
            index = self.get(CheckpointRecord(*owner, weights=blob), blob, "cpu")
            records, problems = records_of_json(index.metadata.extra["records"], owner)
            if problems:
                raise ValueError(f"{problems[0]!r}")
            self._keep_index(blob, records)
        return self._indexes[blob]

    def _keep_index(self, blob: Blob, records: list[CheckpointRecord]) -> None:
        while len(self._indexes) > 256:
            self._indexes.pop(next(iter(self._indexes)), None)
        self._indexes[blob] = records

    def has(self, artifact_id: str) -> bool:
        """Tell whether there is, or may be, such a file, whatever it holds."""
        try:
            self.artifacts.open_reader(_checked(artifact_id)).close()
        except (ArtifactNotFound, ValueError):
            return False
        except Exception:  # Whatever a network raises: it may be there.
            return True
        return True

    def remove(self, artifact_id: str) -> bool:
        """Remove a file, if it is there; warn where that fails, for it only takes space.

        Returns:
            Whether it is gone.
        """
        try:
            self.artifacts.remove(_checked(artifact_id))
        except ArtifactNotFound:
            pass
        except Exception as error:  # Whatever a network raises, it must not end a training run.
            text = f"Artifact {artifact_id} could not be removed ({error!r}): prune() tries again."
            warnings.warn(text, stacklevel=2)
            return False
        return True

    @contextmanager
    def reader(self, record: CheckpointRecord, blob: Blob) -> Iterator[TensorReader]:
        """Open one of a record's files and read its header; nothing is checked.

        Raises:
            ArtifactNotFound: It is not there.
            ValueError: The header is damaged, or the artifact's id is a path.
            OSError: The store does not give it.
        """
        label = f"The checkpoint of {record} (artifact {blob.artifact_id})"
        try:
            stream = self.artifacts.open_reader(_checked(blob.artifact_id))
        except ArtifactNotFound as error:
            raise ArtifactNotFound(
                f"{label} is not in this artifact store: it was pruned, or deleted in the "
                "dashboard, or the store is not the one that it was saved to."
            ) from error
        except ValueError:
            raise
        except Exception as error:  # Each kind of store has errors of its own.
            raise OSError(f"{label} could not be opened: {error!r}.") from error
        with closing(stream):
            yield TensorReader(stream, label, blob.n_bytes)


def new_artifact_id() -> str:
    """Return an artifact's id that no other one has."""
    return str(uuid.uuid4())


def file_name(study: str, trial: int | None, step: int | None) -> str:
    """Return a name to know a file by when it is downloaded."""
    of_step = "" if step is None else f"-step{step}"
    short = re.sub(r"[^\w.-]+", "_", study).encode()[:60].decode(errors="ignore")
    return f"{short}-trial{trial}{of_step}.weights.safetensors"


def _checked(artifact_id: str) -> str:
    """Return an id that is no path, so that no record makes a store leave its folder.

    Raises:
        ValueError: It is something else.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", artifact_id) or ".." in artifact_id:
        raise ValueError(f"Invalid artifact_id {artifact_id!r}: its record was edited.")
    return artifact_id


def _require_same(record: CheckpointRecord, blob: Blob, reader: TensorReader) -> None:
    written = metadata_of(reader)
    if (written.study, written.trial) != (record.study, record.trial):
        raise ValueError(
            f"{reader.label} is another one: its file holds weights of trial {written.trial} of "
            f"study {written.study!r}. The artifact store's files were mixed up: restore them."
        )
    if written.sha256 != blob.sha256:
        raise ValueError(
            f"{reader.label} is damaged or another one: its hash is {written.sha256[:12]}..., the "
            f"trial recorded {blob.sha256[:12]}... (sha256)."
        )

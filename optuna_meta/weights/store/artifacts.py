"""Checkpoints as artifacts: put there whole, read back checked, removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager
from dataclasses import dataclass
import os
import re
import tempfile
from typing import BinaryIO
from typing import cast
from typing import Protocol
import warnings

from optuna import Trial
from optuna.artifacts import upload_artifact
from optuna.artifacts.exceptions import ArtifactNotFound
import torch

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint.checkpoint import metadata_of
from optuna_meta.weights.checkpoint.checkpoint import read_checkpoint
from optuna_meta.weights.checkpoint.checkpoint import write_checkpoint
from optuna_meta.weights.checkpoint.tensor_file import Header
from optuna_meta.weights.checkpoint.tensor_file import TensorReader
from optuna_meta.weights.store.record import Blob
from optuna_meta.weights.store.record import CheckpointRecord


__all__ = ["ArtifactStore", "CheckpointArtifacts", "MIME_TYPE"]

MIME_TYPE = "application/x-optuna-meta-checkpoint"


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
    staging: str | None = None

    def put(self, trial: Trial, checkpoint: Checkpoint, kind: str) -> Blob:
        """Upload a checkpoint as an artifact of a running trial."""
        # Unbuffered, for the pieces written are large.
        with tempfile.NamedTemporaryFile(
            buffering=0,
            dir=self.staging,
            prefix=f"{_name_of(checkpoint)}-",
            suffix=f".{kind}.safetensors",
            delete=False,  # Not every system opens a file twice.
        ) as stream:
            try:
                header = write_checkpoint(cast(BinaryIO, stream), checkpoint)
                stream.close()
                artifact_id = upload_artifact(
                    artifact_store=self.artifacts,
                    file_path=stream.name,
                    study_or_trial=trial,
                    mimetype=MIME_TYPE,
                )
            finally:
                stream.close()
                os.unlink(stream.name)
        return Blob(artifact_id, header.sha256, header.n_bytes)

    def get(self, record: CheckpointRecord, blob: Blob, device: str | torch.device) -> Checkpoint:
        """Read one of a record's files and check every byte.

        Raises:
            ArtifactNotFound: It is not there.
            ValueError: It is not the file that was recorded.
        """
        with self._reader(record, blob) as reader:
            _require_same(record, blob, reader)
            return read_checkpoint(reader, device=device)

    def check(self, record: CheckpointRecord, blob: Blob) -> None:
        """Read one of a record's files without keeping it; see :meth:`get`."""
        with self._reader(record, blob) as reader:
            _require_same(record, blob, reader)
            reader.verify()

    def header(self, record: CheckpointRecord) -> Header:
        """Read the header of a record's weights alone; nothing is checked."""
        with self._reader(record, record.weights) as reader:
            return reader.header

    def has(self, artifact_id: str) -> bool:
        """Tell whether there is such a file, whatever it holds."""
        try:
            self.artifacts.open_reader(artifact_id).close()
        except ArtifactNotFound:
            return False
        return True

    def remove(self, artifact_id: str) -> None:
        """Remove a file, if it is there; warn where that fails, for it only takes space."""
        try:
            self.artifacts.remove(artifact_id)
        except ArtifactNotFound:
            pass
        except Exception as error:  # Whatever a network raises, it must not end a training run.
            warnings.warn(
                f"Artifact {artifact_id} could not be removed ({error!r}): prune() tries again.",
                stacklevel=2,
            )

    @contextmanager
    def _reader(self, record: CheckpointRecord, blob: Blob) -> Iterator[TensorReader]:
        label = f"The checkpoint of {record} (artifact {blob.artifact_id})"
        try:
            stream = self.artifacts.open_reader(blob.artifact_id)
        except ArtifactNotFound as error:
            raise ArtifactNotFound(
                f"{label} is not in this artifact store: it was pruned, or deleted in the "
                "dashboard, or the store is not the one that it was saved to."
            ) from error
        with closing(stream):
            yield TensorReader(stream, label, blob.n_bytes)


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


def _name_of(checkpoint: Checkpoint) -> str:
    """Return a name to know the file by when it is downloaded."""
    about = checkpoint.metadata
    parts = [re.sub(r"[^\w.-]+", "_", about.study)[:60], f"trial{about.trial}"]
    parts += [] if about.step is None else [f"step{about.step}"]
    return "-".join(parts)

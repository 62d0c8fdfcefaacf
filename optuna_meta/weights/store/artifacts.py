"""Checkpoints as artifacts: put there whole, read back checked, removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
import os
from pathlib import Path
import re
import tempfile
from typing import BinaryIO
from typing import Protocol
import uuid
import warnings

from optuna import Trial
from optuna.artifacts import upload_artifact
from optuna.artifacts.exceptions import ArtifactNotFound
import torch

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint.checkpoint import read_checkpoint
from optuna_meta.weights.checkpoint.checkpoint import write_checkpoint
from optuna_meta.weights.checkpoint.metadata import metadata_of
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
    staging: str | Path | None = None

    def put(self, trial: Trial, checkpoint: Checkpoint, kind: str) -> Blob:
        """Upload a checkpoint as an artifact of a running trial."""
        with tempfile.TemporaryDirectory(dir=self.staging) as folder:
            path = os.path.join(folder, f"{_name_of(checkpoint)}.{kind}.safetensors")
            with open(path, "wb", buffering=0) as stream:  # The pieces written are large.
                header = write_checkpoint(stream, checkpoint)
            artifact_id = upload_artifact(
                artifact_store=self.artifacts,
                file_path=path,
                study_or_trial=trial,
                mimetype=MIME_TYPE,
            )
        return Blob(artifact_id, header.sha256, header.n_bytes)

    def get(self, record: CheckpointRecord, blob: Blob, device: str | torch.device) -> Checkpoint:
        """Read one of a record's files and check every byte.

        Raises:
            ArtifactNotFound: It is not there.
            ValueError: It is not the file that was recorded.
        """
        with self.reader(record, blob) as reader:
            _require_same(record, blob, reader)
            return read_checkpoint(reader, device=device)

    def check(self, record: CheckpointRecord, blob: Blob) -> None:
        """Read one of a record's files without keeping it; see :meth:`get`."""
        with self.reader(record, blob) as reader:
            _require_same(record, blob, reader)
            reader.verify()

    def has(self, artifact_id: str) -> bool:
        """Tell whether there is such a file, whatever it holds."""
        with suppress(ArtifactNotFound):
            self.artifacts.open_reader(artifact_id).close()
            return True
        return False

    def remove(self, artifact_id: str) -> None:
        """Remove a file, if it is there; warn where that fails, for it only takes space."""
        try:
            self.artifacts.remove(artifact_id)
        except ArtifactNotFound:
            pass
        except Exception as error:  # Whatever a network raises, it must not end a training run.
            text = f"Artifact {artifact_id} could not be removed ({error!r}): prune() tries again."
            warnings.warn(text, stacklevel=2)

    @contextmanager
    def reader(self, record: CheckpointRecord, blob: Blob) -> Iterator[TensorReader]:
        """Open one of a record's files and read its header; nothing is checked.

        Raises:
            ArtifactNotFound: It is not there.
            ValueError: The header is damaged.
        """
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
    step = "" if about.step is None else f"-step{about.step}"
    study = re.sub(r"[^\w.-]+", "_", about.study).encode()[:100].decode(errors="ignore")
    return f"{study}-trial{about.trial}{step}-{uuid.uuid4().hex[:8]}"

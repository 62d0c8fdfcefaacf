"""An artifact store that breaks."""

from __future__ import annotations

from typing import Any

from optuna.artifacts import FileSystemArtifactStore


class Slow(FileSystemArtifactStore):
    """A store whose upload breaks after some bytes."""

    def write(self, artifact_id: str, content_body: Any) -> None:
        (self._base_path / artifact_id).write_bytes(content_body.read(100))
        raise OSError("the connection broke")

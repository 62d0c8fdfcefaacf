"""Whether each checkpoint of a study is still what was saved."""

from __future__ import annotations

from dataclasses import dataclass

import optuna
from optuna.artifacts.exceptions import ArtifactNotFound

from optuna_meta.weights.store.artifacts import CheckpointArtifacts
from optuna_meta.weights.store.garbage import orphaned_artifacts
from optuna_meta.weights.store.record import CheckpointRecord
from optuna_meta.weights.store.retention import pruned_artifacts
from optuna_meta.weights.store.retention import stored_checkpoints


__all__ = ["Finding", "Verification", "verify"]


@dataclass(frozen=True)
class Finding:
    """What became of one checkpoint.

    Args:
        artifact_id: Its artifact, that of its weights.
        owner: Which trial and step it is of.
        status: ``intact``; ``missing`` from the store; ``damaged``; ``unreadable``, for the store
            does not give it; ``pruned`` by this library; or ``unfinished``, what a process left
            that ended before it was recorded, and is never trusted.
        detail: What was found; empty where it is intact.
        record: Its record, where it has one.
    """

    artifact_id: str
    owner: str
    status: str
    detail: str = ""
    record: CheckpointRecord | None = None


@dataclass(frozen=True)
class Verification:
    """What became of each checkpoint of a study; as text, a table.

    Args:
        study: Name of the study.
        findings: One for each checkpoint, and for each upload that did not finish.
    """

    study: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether no checkpoint is missing, damaged or unreadable."""
        return all(f.status in ("intact", "pruned", "unfinished") for f in self.findings)

    def __str__(self) -> str:
        width = max((len(f.owner) for f in self.findings), default=0)
        lines = [f"  {f.owner:<{width}}  {f.status:<10}  {f.detail}" for f in self.findings]
        return "\n".join([f"Checkpoints of study {self.study!r}:", *map(str.rstrip, lines)])


def verify(study: optuna.Study, artifacts: CheckpointArtifacts) -> Verification:
    """Read every checkpoint of a study to its end, and report what became of each."""
    pruned, name = pruned_artifacts(study, artifacts), study.study_name
    stored = stored_checkpoints(study, artifacts)
    findings = [_find(record, artifacts, pruned) for record, _ in stored]
    detail = "no trial has a record of it: prune removes it"
    for artifact_id, trial in orphaned_artifacts(study, artifacts).items():
        owner = f"trial {trial.number} of study {name!r}"
        findings.append(Finding(artifact_id, owner, "unfinished", detail))
    return Verification(name, tuple(findings))


def _find(record: CheckpointRecord, artifacts: CheckpointArtifacts, pruned: set[str]) -> Finding:
    status, detail = "intact", ""
    try:
        if record.weights.artifact_id in pruned:
            status = "pruned"
        else:
            for blob in record.blobs:
                artifacts.check(record, blob)
    except ArtifactNotFound as error:
        status, detail = "missing", str(error)
    except ValueError as error:
        status, detail = "damaged", str(error)
    except OSError as error:
        status, detail = "unreadable", str(error)
    return Finding(record.weights.artifact_id, str(record), status, detail, record)

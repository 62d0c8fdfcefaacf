"""Removing what a study of checkpoints no longer needs, unless another study does."""

from __future__ import annotations

from collections.abc import Sequence

import optuna

from optuna_meta.weights.store.artifacts import CheckpointArtifacts
from optuna_meta.weights.store.record import CheckpointRecord
from optuna_meta.weights.store.retention import all_holdings
from optuna_meta.weights.store.retention import give_up
from optuna_meta.weights.store.retention import given_up
from optuna_meta.weights.store.retention import kept
from optuna_meta.weights.store.retention import superfluous
from optuna_meta.weights.store.retention import unfinished_uploads
from optuna_meta.weights.store.retention import unreferenced


__all__ = ["clear", "leftovers", "prune"]


def prune(
    study: optuna.Study,
    shelf: CheckpointArtifacts,
    top_k: int,
    others: Sequence[optuna.Study] = (),
) -> list[CheckpointRecord]:
    """Gives up the checkpoints beyond the best, removes their files and returns their records."""
    beyond = [holding.record for holding in superfluous(kept(study), study, top_k)]
    ids = {blob.artifact_id for record in beyond for blob in record.blobs}
    # First the note, then the file: no other worker takes it for a checkpoint in between.
    give_up(study, ids)
    _remove(study, shelf, ids, others)
    return beyond


def clear(
    study: optuna.Study, shelf: CheckpointArtifacts, others: Sequence[optuna.Study] = ()
) -> None:
    """Removes files of unfinished uploads, and those that had to stay when they were given up."""
    _remove(study, shelf, given_up(study), others)
    unrecorded = {artifact_id for _, artifact_id in leftovers(study, shelf)}
    for artifact_id in unreferenced(study, unrecorded, others):
        shelf.remove(artifact_id)


def leftovers(study: optuna.Study, shelf: CheckpointArtifacts) -> list[tuple[str, str]]:
    """Owner and artifact of each upload that left something behind but no record."""
    return [
        (f"trial {trial.number} of study {study.study_name!r}", artifact_id)
        for trial, artifact_id in unfinished_uploads(study)
        if shelf.has(artifact_id)
    ]


def _remove(
    study: optuna.Study,
    shelf: CheckpointArtifacts,
    artifact_ids: set[str],
    others: Sequence[optuna.Study],
) -> None:
    if artifact_ids:
        for artifact_id in unreferenced(study, artifact_ids - _borrowed(study), others):
            shelf.remove(artifact_id)


def _borrowed(study: optuna.Study) -> set[str]:
    """Artifacts that a study of another name saved, perhaps in another storage."""
    records = [record for record, _ in all_holdings(study) if record.study != study.study_name]
    return {blob.artifact_id for record in records for blob in record.blobs}

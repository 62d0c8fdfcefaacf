"""A checkpoint of a running trial: its files are written, its record added, what it replaces goes.

A process can be killed between any two of these steps. So first the trial notes which files are
about to be without a record, then they are written, then recorded, and then those go which no
record names any more. Ids of artifacts are used again, so that what the trial lists stays short.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from datetime import UTC
from typing import NamedTuple

from optuna import Trial

from optuna_meta._optuna import list_artifact
from optuna_meta._optuna import listed_artifacts
from optuna_meta._optuna import set_hidden_attr
from optuna_meta._optuna import trial_attributes
from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint.metadata import Metadata
from optuna_meta.weights.checkpoint.plain import as_value
from optuna_meta.weights.checkpoint.plain import whole_number
from optuna_meta.weights.store.artifacts import CheckpointArtifacts
from optuna_meta.weights.store.artifacts import file_name
from optuna_meta.weights.store.artifacts import MIME_TYPE
from optuna_meta.weights.store.artifacts import new_artifact_id
from optuna_meta.weights.store.given_up import given_up_by
from optuna_meta.weights.store.listing import MOST_LISTED
from optuna_meta.weights.store.processes import this_process
from optuna_meta.weights.store.record import attributes_of_unrecorded
from optuna_meta.weights.store.record import Blob
from optuna_meta.weights.store.record import CheckpointRecord
from optuna_meta.weights.store.record import hidden_attribute
from optuna_meta.weights.store.record import n_inline
from optuna_meta.weights.store.record import Owner
from optuna_meta.weights.store.record import RECORDS_KEY
from optuna_meta.weights.store.record import shown_attributes
from optuna_meta.weights.store.record import Unrecorded
from optuna_meta.weights.store.record import unrecorded_of
from optuna_meta.weights.store.record import WrittenRecords
from optuna_meta.weights.store.retention import beyond_top_k
from optuna_meta.weights.store.retention import is_given_up
from optuna_meta.weights.store.retention import stored_checkpoints
from optuna_meta.weights.store.retention import StoredCheckpoint
from optuna_meta.weights.store.retention import to_be_resumed


__all__ = ["add_checkpoint", "described"]

_MOST_FREE = 40  # ids that a trial remembers


class _Ids(NamedTuple):
    """Ids for the files of a checkpoint."""

    weights: str
    training: str
    listing: str


def described(metadata: Metadata, trial: Trial, value: float | None, step: int | None) -> Metadata:
    """Return metadata that also say of which trial a model is, how good and how old."""
    return replace(
        metadata,
        study=trial.study.study_name,
        trial=trial.number,
        params=trial.params,
        value=None if value is None else as_value(value),
        step=None if step is None else whole_number(step),
    )


class _Plan(NamedTuple):
    """What becomes of a trial's records and files."""

    indexed: list[CheckpointRecord]  # the first ones, which go into a file
    listing: Blob | None  # that file
    gone: list[str]  # ids of files that no record names any more


def add_checkpoint(
    trial: Trial,
    weights: Checkpoint,
    training: Checkpoint | None,
    artifacts: CheckpointArtifacts,
    top_k: int | None,
) -> CheckpointRecord:
    """Write a checkpoint and add its record to its trial.

    Args:
        trial: The running trial.
        weights: The checkpoint, with its metadata.
        training: The states of optimizer and others.
        artifacts: Where it goes.
        top_k: How many checkpoints of the study stay; ``None`` for all.

    Raises:
        UpdateFinishedTrialError: The trial is finished.
    """
    about, attributes = weights.metadata, trial_attributes(trial)
    owner = Owner(about.study, trial.number)
    old = artifacts.records_of(attributes, f"trial {trial.number}")
    recorded = {b.artifact_id for b in _blobs(old.records, old.earlier)}
    free = [a for a in unrecorded_of(attributes, owner).artifact_ids if a not in recorded]
    ids = _ids(free, listed := listed_artifacts(trial))
    record = CheckpointRecord(
        *owner,
        weights=Blob(ids.weights, "", 0),
        training=None if training is None else Blob(ids.training, "", 0),
        value=about.value,
        step=about.step,
        tags=tuple(about.tags),
        saved=datetime.now(UTC).isoformat(),
    )
    kept = _kept(trial, old.records, record, artifacts, top_k)
    plan = _planned(kept, old, owner, ids.listing)
    _note(trial, owner, [*dict.fromkeys([*ids, *plan.gone, *free])])
    record = replace(record, weights=artifacts.put(weights, ids.weights))
    if training is not None:
        record = replace(record, training=artifacts.put(training, ids.training))
    inline, index = [*kept[len(plan.indexed) : -1], record], plan.listing
    if index is not None and index != old.earlier:
        index = artifacts.put_index(owner, plan.indexed, ids.listing)
    set_hidden_attr(trial, RECORDS_KEY, hidden_attribute(owner, inline, index))
    for key, number in shown_attributes(inline[-1]).items():
        trial.set_user_attr(key, number)
    # With top_k it may go once the trial has ended, and the trial could not say so.
    if top_k is None and (ids.weights in listed or len(listed) < MOST_LISTED):
        list_artifact(trial, ids.weights, file_name(*owner, about.step), MIME_TYPE)
    for artifact_id in plan.gone:  # Only now: until then they were of use.
        artifacts.remove(artifact_id)
    return record


def _planned(
    kept: Sequence[CheckpointRecord], old: WrittenRecords, owner: Owner, new_id: str
) -> _Plan:
    indexed = _indexed(kept, old, owner)
    index = _index(indexed, old, owner, new_id)
    used = {b.artifact_id for b in _blobs(kept, index)}
    own = [r for r in old.records if r.owner == owner]
    before = _blobs(own, old.earlier if old.owner == owner else None)
    return _Plan(indexed, index, [b.artifact_id for b in before if b.artifact_id not in used])


def _blobs(records: Iterable[CheckpointRecord], index: Blob | None) -> list[Blob]:
    blobs = [blob for record in records for blob in record.blobs]
    return blobs if index is None else [*blobs, index]


def _indexed(
    kept: Sequence[CheckpointRecord], old: WrittenRecords, owner: Owner
) -> list[CheckpointRecord]:
    """Return those of a trial's records that go into a file, from its first one on."""
    if _is_unread(old):
        return []
    known = {record.weights for record in old.in_file}
    n_known = sum(record.weights in known for record in kept)
    return list(kept[: len(kept) - n_inline(kept[n_known:], owner)])


def _index(
    indexed: Sequence[CheckpointRecord], old: WrittenRecords, owner: Owner, new_id: str
) -> Blob | None:
    """Return the file with a trial's earlier records: the one it has, where that still holds."""
    if _is_unread(old) or (list(indexed) == list(old.in_file) and old.owner == owner):
        return old.earlier
    return Blob(new_id, "", 0) if indexed else None


def _is_unread(old: WrittenRecords) -> bool:
    """Tell whether the file of earlier records could not be read, which may be for a while."""
    return old.earlier is not None and not old.in_file


def _ids(free: Sequence[str], listed: set[str]) -> _Ids:
    """Return ids, free ones first; for weights a listed one, for the rest one that is not."""
    shown = [a for a in free if a in listed]
    hidden = [a for a in free if a not in listed]
    if not shown and len(listed) >= MOST_LISTED:
        shown, hidden = hidden[2:], hidden[:2]
    hidden += [new_artifact_id(), new_artifact_id()]
    return _Ids(shown[0] if shown else new_artifact_id(), hidden[0], hidden[1])


def _note(trial: Trial, owner: Owner, artifact_ids: list[str]) -> None:
    note = Unrecorded(tuple(artifact_ids[:_MOST_FREE]), this_process())
    for key, content in attributes_of_unrecorded(owner, note).items():
        set_hidden_attr(trial, key, content)


def _kept(
    trial: Trial,
    old: Sequence[CheckpointRecord],
    new: CheckpointRecord,
    artifacts: CheckpointArtifacts,
    top_k: int | None,
) -> list[CheckpointRecord]:
    """Return the records that the trial has from now on, the new one last."""
    records = list(old)
    if new.training is not None:
        # A retried trial also has records of the one that failed, whose files it leaves alone.
        records = [replace(r, training=None) if r.owner == new.owner else r for r in records]
    if top_k is None:
        return [*records, new]
    study = trial.study
    trials, given_up = study.get_trials(deepcopy=False), given_up_by(study)
    stored = [s for s in stored_checkpoints(study, artifacts) if not is_given_up(s, given_up)]
    live = {s.record.weights for s in stored}
    stored.append(StoredCheckpoint(new, trials[trial.number]))
    others = [t for t in trials if t.number != trial.number]
    stay = {new.weights.artifact_id, *to_be_resumed(others, trials, artifacts)}
    beyond = beyond_top_k(study, stored, top_k, stay)
    gone = {s.record.weights for s in beyond if s.record.owner == new.owner}
    return [r for r in records if r.weights in live - gone] + [new]

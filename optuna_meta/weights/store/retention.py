"""Which checkpoints a study has, which of them are best, and which may go, with their files."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
import json
from typing import Any
from typing import NamedTuple

import numpy as np
from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._optuna import ARTIFACT_PREFIX
from optuna_meta._optuna import attributes_of_other_studies
from optuna_meta._optuna import enqueued_params
from optuna_meta._optuna import set_study_system_attr
from optuna_meta._optuna import study_system_attrs
from optuna_meta._typing import Array
from optuna_meta.outcomes.pareto import best_first
from optuna_meta.weights.store.artifacts import CheckpointArtifacts
from optuna_meta.weights.store.artifacts import MIME_TYPE
from optuna_meta.weights.store.record import CheckpointRecord
from optuna_meta.weights.store.record import parse_records
from optuna_meta.weights.store.record import read_records


__all__ = [
    "collect_garbage",
    "inherited",
    "orphaned_artifacts",
    "prune",
    "pruned_artifacts",
    "ranked",
    "signs_of",
    "stored_checkpoints",
    "StoredCheckpoint",
    "unpruned",
]

_PRUNED = "optuna_meta:pruned:"


class StoredCheckpoint(NamedTuple):
    """A checkpoint and the trial that has it: the one that saved it, or one that retries that."""

    record: CheckpointRecord
    trial: FrozenTrial


def stored_checkpoints(study: Study) -> list[StoredCheckpoint]:
    """Return every checkpoint that a study's trials record, each once, also the pruned ones."""
    stored: dict[str, StoredCheckpoint] = {}
    for trial in study.get_trials(deepcopy=False):
        owner = f"trial {trial.number} of study {study.study_name!r}"
        for record in read_records(trial.user_attrs, owner):
            # A retried trial has the attributes of the one that failed.
            if record.weights.artifact_id not in stored or trial.number == record.trial:
                stored[record.weights.artifact_id] = StoredCheckpoint(record, trial)
    return list(stored.values())


def unpruned(study: Study) -> list[StoredCheckpoint]:
    """Return the checkpoints of a study but for those that were pruned."""
    pruned = pruned_artifacts(study)
    return [s for s in stored_checkpoints(study) if s.record.weights.artifact_id not in pruned]


def pruned_artifacts(study: Study) -> set[str]:
    """Return the artifacts that a study has no more need of."""
    return _marked_pruned(study_system_attrs(study))


def ranked(stored: Sequence[StoredCheckpoint], study: Study) -> list[StoredCheckpoint]:
    """Return the checkpoints, best first; those without a finite value last, as they were saved.

    With several objectives those are best whose trials' values the fewest others dominate. The
    records of the result have their trial's final value where they had none.
    """
    stored, signs = [_with_value(each) for each in stored], signs_of(study)
    unknown = [None] * len(signs)
    rows = [[s.record.value] if len(signs) == 1 else s.trial.values or unknown for s in stored]
    values = signs * np.array(rows, dtype=float).reshape(len(stored), len(signs))  # (n, K)
    finite = np.isfinite(values).all(axis=1)
    known = np.flatnonzero(finite)
    order = [*known[best_first(values[known], np.zeros((len(known), 0)))]]
    order += sorted(np.flatnonzero(~finite), key=lambda i: stored[i].record.saved)
    return [stored[i] for i in order]


def signs_of(study: Study) -> Array:
    """Return what a study's values are multiplied by so that lower is better.  # (K,)"""
    return np.array([1.0 if d == StudyDirection.MINIMIZE else -1.0 for d in study.directions])


def inherited(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> list[CheckpointRecord]:
    """Return the records that a trial may go on from, in the order they were saved.

    These are its own, among which a retried trial has those of the one that failed; or, for an
    enqueued one, those of the last pruned or failed trial with the same parameters.

    Args:
        trial: The trial.
        trials: All trials of its study.
    """
    records = read_records(trial.user_attrs, f"trial {trial.number}")
    wanted = enqueued_params(trial)
    stopped = [t for t in trials if t.state in (TrialState.PRUNED, TrialState.FAIL)]
    for earlier in reversed(stopped if wanted else []):
        if not records and earlier.params == wanted:
            records = read_records(earlier.user_attrs, f"trial {earlier.number}")
    return records


def prune(
    study: Study, artifacts: CheckpointArtifacts, top_k: int, others: Sequence[Study] = ()
) -> list[CheckpointRecord]:
    """Prune the checkpoints beyond the best, remove their files and return their records."""
    records = [each.record for each in _beyond_top_k(study, top_k)]
    artifact_ids = {blob.artifact_id for record in records for blob in record.blobs}
    # First the mark, then the file: no other worker takes it for a checkpoint in between.
    _mark_pruned(study, artifact_ids)
    _remove(study, artifacts, artifact_ids, others)
    return records


def collect_garbage(study: Study, artifacts: CheckpointArtifacts, others: Sequence[Study]) -> None:
    """Remove files of unfinished uploads, and those that had to stay when they were pruned."""
    garbage = pruned_artifacts(study) | orphaned_artifacts(study, artifacts).keys()
    _remove(study, artifacts, garbage, others)


def orphaned_artifacts(study: Study, artifacts: CheckpointArtifacts) -> dict[str, FrozenTrial]:
    """Return what finished trials left in the store without a record: their process had ended.

    What a running trial has there may be on its way, and that of a trial with a record that cannot
    be read may belong to it: neither is among them.
    """
    uploaded: dict[str, FrozenTrial] = {}
    known = pruned_artifacts(study)
    for trial in study.get_trials(deepcopy=False):
        records, problems = parse_records(trial.user_attrs)
        known.update(blob.artifact_id for record in records for blob in record.blobs)
        ours = _our_artifacts(trial.system_attrs)
        if problems or not trial.state.is_finished():
            known |= ours
        uploaded |= dict.fromkeys(ours, trial)
    return {a: trial for a, trial in uploaded.items() if a not in known and artifacts.has(a)}


def _beyond_top_k(study: Study, top_k: int) -> list[StoredCheckpoint]:
    """Return the checkpoints beyond the best ``top_k``, but for what may be resumed.

    The last checkpoint of each unfinished trial, or of the one it goes on from, stays, and that of
    each failed one until it has been retried; so does each whose value is still to come.
    """
    trials = study.get_trials(deepcopy=False)
    unfinished = [t for t in trials if not t.state.is_finished() or _waits_for_retry(t, trials)]
    last = [records[-1] for t in unfinished if (records := inherited(t, trials))]
    stay = {record.weights.artifact_id for record in last}
    kept = unpruned(study)
    valued = [s for s in kept if s.trial.state.is_finished() or s.record.value is not None]
    beyond = ranked(valued, study)[top_k:]
    return [s for s in beyond if s.record.weights.artifact_id not in stay]


def _waits_for_retry(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
    """Tell whether a trial has failed and no later one of its parameters has come to its end."""
    return trial.state == TrialState.FAIL and not any(
        t.state in (TrialState.COMPLETE, TrialState.PRUNED) and t.params == trial.params
        for t in trials[trial.number + 1 :]
    )


def _mark_pruned(study: Study, artifact_ids: Iterable[str]) -> None:
    """Note on the study that it has no need of artifacts; finished trials cannot be changed."""
    for artifact_id in artifact_ids:
        set_study_system_attr(study, f"{_PRUNED}{artifact_id}", True)


def _marked_pruned(system_attrs: Mapping[str, Any]) -> set[str]:
    return {key.removeprefix(_PRUNED) for key in system_attrs if key.startswith(_PRUNED)}


def _remove(
    study: Study, artifacts: CheckpointArtifacts, artifact_ids: set[str], others: Iterable[Study]
) -> None:
    """Remove the artifacts that the study itself saved and no other one needs.

    Args:
        study: The study.
        artifacts: Where they lie.
        artifact_ids: What it has no need of.
        others: Studies to ask beside all those of the same storage, which hold copies of trials.
    """
    if not artifact_ids:  # Reading other studies takes time.
        return
    # A study of another name may have saved some, perhaps in another storage.
    borrowed = [r for r, _ in stored_checkpoints(study) if r.study != study.study_name]
    left = artifact_ids - {blob.artifact_id for record in borrowed for blob in record.blobs}
    for attributes in chain(attributes_of_other_studies(study), map(_attributes, others)):
        left -= _needed(attributes)
    for artifact_id in left:
        artifacts.remove(artifact_id)


def _attributes(study: Study) -> list[Mapping[str, Any]]:
    trials = study.get_trials(deepcopy=False)
    of_trials = (a for t in trials for a in (t.system_attrs, t.user_attrs))
    return [study_system_attrs(study), *of_trials]


def _needed(attributes: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the artifacts that attributes of a study and its trials name, but for pruned ones."""
    named: set[str] = set()
    pruned: set[str] = set()
    for some in attributes:
        pruned |= _marked_pruned(some)
        named |= {k.removeprefix(ARTIFACT_PREFIX) for k in some if k.startswith(ARTIFACT_PREFIX)}
        for record in parse_records(some)[0]:
            named.update(blob.artifact_id for blob in record.blobs)
    return named - pruned


def _our_artifacts(system_attrs: Mapping[str, Any]) -> set[str]:
    """Return the artifacts that are checkpoints; what the dashboard deleted is null."""
    ours = set()
    for key, text in system_attrs.items():
        about = json.loads(text) if key.startswith(ARTIFACT_PREFIX) and text else None
        if about and about.get("mimetype") == MIME_TYPE:
            ours.add(key.removeprefix(ARTIFACT_PREFIX))
    return ours


def _with_value(stored: StoredCheckpoint) -> StoredCheckpoint:
    """Return it with its trial's final value, where it has none and there is one objective."""
    record, trial = stored
    if record.value is not None or trial.values is None or len(trial.values) > 1:
        return stored
    return StoredCheckpoint(replace(record, value=trial.values[0]), trial)

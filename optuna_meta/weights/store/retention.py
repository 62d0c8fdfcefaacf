"""Which checkpoints a study has, which of them are best, and which may go."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._optuna import enqueued_params
from optuna_meta._optuna import trial_attributes
from optuna_meta._typing import Array
from optuna_meta.outcomes.pareto import best_first
from optuna_meta.weights.store.artifacts import CheckpointArtifacts
from optuna_meta.weights.store.given_up import give_up
from optuna_meta.weights.store.given_up import given_up_by
from optuna_meta.weights.store.given_up import GivenUp
from optuna_meta.weights.store.record import Blob
from optuna_meta.weights.store.record import CheckpointRecord


__all__ = [
    "beyond_top_k",
    "inherited",
    "is_given_up",
    "prune",
    "pruned_artifacts",
    "ranked",
    "signs_of",
    "stored_checkpoints",
    "stored_in",
    "StoredCheckpoint",
    "to_be_resumed",
    "unpruned",
]


class StoredCheckpoint(NamedTuple):
    """A checkpoint and the trial that has it: the one that saved it, or one that retries that."""

    record: CheckpointRecord
    trial: FrozenTrial


def stored_checkpoints(study: Study, artifacts: CheckpointArtifacts) -> list[StoredCheckpoint]:
    """Return every checkpoint that a study's trials record, each once, also the pruned ones."""
    return stored_in(study.get_trials(deepcopy=False), artifacts, study.study_name)


def stored_in(
    trials: Sequence[FrozenTrial], artifacts: CheckpointArtifacts, study: str
) -> list[StoredCheckpoint]:
    """Return the same of trials, those of the study that has this name.

    A training that came to its end is resumed by none: its records are without its state.
    """
    stored: dict[str, StoredCheckpoint] = {}
    to_go_on: set[Blob | None] = set()
    for trial in trials:
        label = f"trial {trial.number} of study {study!r}"
        for record in artifacts.records_of(trial_attributes(trial), label).records:
            # A retried trial has the attributes of the one that failed.
            if record.weights.artifact_id not in stored or trial.number == record.trial:
                stored[record.weights.artifact_id] = StoredCheckpoint(record, trial)
            if trial.state != TrialState.COMPLETE:
                to_go_on.add(record.training)
    return [
        s if s.record.training in to_go_on else s._replace(record=replace(s.record, training=None))
        for s in stored.values()
    ]


def unpruned(study: Study, artifacts: CheckpointArtifacts) -> list[StoredCheckpoint]:
    """Return the checkpoints of a study but for those that were pruned."""
    given_up = given_up_by(study)
    return [s for s in stored_checkpoints(study, artifacts) if not is_given_up(s, given_up)]


def pruned_artifacts(study: Study, artifacts: CheckpointArtifacts) -> set[str]:
    """Return the artifacts with weights that a study has no more need of."""
    given_up = given_up_by(study)
    stored = stored_checkpoints(study, artifacts)
    return {s.record.weights.artifact_id for s in stored if is_given_up(s, given_up)}


def is_given_up(stored: StoredCheckpoint, given_up: GivenUp) -> bool:
    """Tell whether a checkpoint is among what its study has given up."""
    return given_up.has(stored.trial.number, stored.record.weights.artifact_id)


def ranked(stored: Sequence[StoredCheckpoint], study: Study) -> list[StoredCheckpoint]:
    """Return the checkpoints, best first; those without a finite value last, as they were saved.

    With several objectives those are best whose trials' values the fewest others dominate. Of
    equal ones of a trial the last comes first: that is the one which the objective ended with. The
    records of the result have their trial's final value where they had none.
    """
    places = sorted(range(len(stored)), key=lambda i: (stored[i].trial.number, -i))
    stored, signs = [_with_value(stored[i]) for i in places], signs_of(study)
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


def inherited(
    trial: FrozenTrial, trials: Sequence[FrozenTrial], artifacts: CheckpointArtifacts
) -> list[CheckpointRecord]:
    """Return the records that a trial may go on from, in the order they were saved.

    These are its own, among which a retried trial has those of the one that failed; or, for an
    enqueued one, those of the last pruned or failed trial with the same parameters.

    Args:
        trial: The trial.
        trials: All trials of its study.
        artifacts: Where the checkpoints lie.
    """
    records = artifacts.records_of(trial_attributes(trial), f"trial {trial.number}").records
    wanted = enqueued_params(trial)
    stopped = [t for t in trials if t.state in (TrialState.PRUNED, TrialState.FAIL)]
    for earlier in reversed(stopped if wanted else []):
        if not records and earlier.params == wanted:
            label = f"trial {earlier.number}"
            records = artifacts.records_of(trial_attributes(earlier), label).records
    return records


def prune(study: Study, artifacts: CheckpointArtifacts, top_k: int) -> list[CheckpointRecord]:
    """Give up the checkpoints of finished trials beyond the best, and return their records.

    What a running trial has beyond them, its own process gives up.
    """
    trials = study.get_trials(deepcopy=False)
    kept = unpruned(study, artifacts)
    stay = to_be_resumed(trials, trials, artifacts)
    beyond = [s for s in beyond_top_k(study, kept, top_k, stay) if _is_over(s)]
    gone = {s.record.weights.artifact_id for s in beyond}
    # Of what cannot be read now, nothing is decided: it may be there again later.
    ended = [
        t for t in trials if t.state.is_finished() and artifacts.reads_all(trial_attributes(t))
    ]
    left: dict[int, list[str]] = {trial.number: [] for trial in ended}
    for record, trial in kept:
        if trial.number in left and record.weights.artifact_id not in gone:
            left[trial.number].append(record.weights.artifact_id)
    # First the note, then the file: no other worker takes it for a checkpoint in between.
    give_up(study, GivenUp.leaving(left), uncleared={s.trial.number for s in beyond})
    return [s.record for s in beyond]


def to_be_resumed(
    some: Sequence[FrozenTrial], trials: Sequence[FrozenTrial], artifacts: CheckpointArtifacts
) -> set[str]:
    """Return the artifacts that some of a study's trials may go on from.

    That is the last checkpoint of each unfinished trial, or of the one it goes on from, and of
    each failed one until it has been retried.
    """
    waiting = [t for t in some if not t.state.is_finished() or _waits_for_retry(t, trials)]
    last = [records[-1] for t in waiting if (records := inherited(t, trials, artifacts))]
    return {record.weights.artifact_id for record in last}


def beyond_top_k(
    study: Study, kept: Sequence[StoredCheckpoint], top_k: int, stay: Collection[str]
) -> list[StoredCheckpoint]:
    """Return those of a study's checkpoints that are beyond the best ``top_k``.

    Those whose value is still to come will rank by their order, the last first. The last one of
    the best trial takes the place of the worst where an earlier one of that trial stays; it stays
    beside the best where only one may.

    Args:
        study: The study.
        kept: Its checkpoints, each trial's in the order they were saved.
        top_k: How many stay.
        stay: Artifacts that stay whatever their rank.
    """
    valued = [s for s in kept if _is_over(s) or s.record.value is not None]
    order = ranked(valued, study)
    best, beyond = order[:top_k], order[top_k:]
    ending = _end_of_best_trial(kept, study)
    places = [i for i, s in enumerate(beyond) if ending and _same(s, ending)]
    if ending and places and any(s.trial.number == ending.trial.number for s in best):
        del beyond[places[0]]
        beyond += best[-1:] if top_k > 1 else []
    waiting: dict[int, list[StoredCheckpoint]] = {}
    for each in kept:
        if not (_is_over(each) or each.record.value is not None):
            waiting.setdefault(each.trial.number, []).append(each)
    beyond += [s for of_trial in waiting.values() for s in of_trial[:-top_k]]
    return [s for s in beyond if s.record.weights.artifact_id not in stay]


def _is_over(stored: StoredCheckpoint) -> bool:
    return stored.trial.state.is_finished()


def _same(a: StoredCheckpoint, b: StoredCheckpoint) -> bool:
    return a.record.weights == b.record.weights


def _end_of_best_trial(
    kept: Collection[StoredCheckpoint], study: Study
) -> StoredCheckpoint | None:
    """Return the last checkpoint of the trial with the best final value, if there is one."""
    ended = [s for s in kept if s.trial.state == TrialState.COMPLETE]
    if not ended or len(study.directions) > 1:
        return None
    sign = signs_of(study)[0]
    best = min((s.trial for s in ended), key=lambda trial: sign * (trial.value or 0.0)).number
    return [s for s in ended if s.trial.number == best][-1]


def _waits_for_retry(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
    """Tell whether a trial has failed and no later one of its parameters has come to its end."""
    return trial.state == TrialState.FAIL and not any(
        t.state in (TrialState.COMPLETE, TrialState.PRUNED) and t.params == trial.params
        for t in trials[trial.number + 1 :]
    )


def _with_value(stored: StoredCheckpoint) -> StoredCheckpoint:
    """Return it with its trial's final value, where it has none and there is one objective."""
    record, trial = stored
    if record.value is not None or trial.values is None or len(trial.values) > 1:
        return stored
    return StoredCheckpoint(replace(record, value=trial.values[0]), trial)

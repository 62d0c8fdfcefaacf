"""Files in the store that nobody needs: checkpoints given up, and what killed processes left."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from itertools import chain
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._optuna import ARTIFACT_PREFIX
from optuna_meta._optuna import other_studies
from optuna_meta._optuna import study_system_attrs
from optuna_meta._optuna import trial_attributes
from optuna_meta.weights.store.artifacts import CheckpointArtifacts
from optuna_meta.weights.store.given_up import give_up
from optuna_meta.weights.store.given_up import given_up_by
from optuna_meta.weights.store.given_up import GivenUp
from optuna_meta.weights.store.given_up import parse_given_up
from optuna_meta.weights.store.processes import is_over
from optuna_meta.weights.store.record import Owner
from optuna_meta.weights.store.record import parse_records
from optuna_meta.weights.store.record import unrecorded_of
from optuna_meta.weights.store.retention import is_given_up
from optuna_meta.weights.store.retention import stored_in
from optuna_meta.weights.store.staging import clear_staging


__all__ = ["collect_garbage", "orphaned_artifacts"]


def collect_garbage(
    study: Study, artifacts: CheckpointArtifacts, others: Sequence[Study] = ()
) -> None:
    """Remove the files that the study's trials saved and that neither it nor another study needs.

    Args:
        study: The study.
        artifacts: Where the files lie.
        others: Studies to ask beside all those of the same storage, which hold copies of trials.
    """
    clear_staging(artifacts.staging)
    cleared = given_up_by(study).cleared
    ended = {t.number for t in study.get_trials(deepcopy=False) if t.state.is_finished()}
    garbage = _garbage(study, artifacts, cleared)
    if garbage:  # Reading other studies takes time.
        asked = ((study_system_attrs(other), other.get_trials(deepcopy=False)) for other in others)
        needed: set[str] = set()
        for system_attrs, trials in chain(other_studies(study), asked):
            if not all(artifacts.reads_all(trial_attributes(trial)) for trial in trials):
                return  # What such a one needs is unknown.
            needed |= _needed(system_attrs, trials, artifacts)
        stays = {a for a in garbage if a in needed or not artifacts.remove(a)}
        ended -= {garbage[artifact_id].number for artifact_id in stays}
    if ended - cleared:
        give_up(study, GivenUp(cleared=frozenset(ended)))


def orphaned_artifacts(study: Study, artifacts: CheckpointArtifacts) -> dict[str, FrozenTrial]:
    """Return what ended trials left in the store without a record: their process was killed.

    What a running trial has there may be on its way, and that of a trial with a record that cannot
    be read may belong to it: neither is among them.
    """
    trials = study.get_trials(deepcopy=False)
    stored = stored_in(trials, artifacts, study.study_name)
    recorded = {blob.artifact_id for s in stored for blob in s.record.blobs}
    orphans: dict[str, FrozenTrial] = {}
    for trial in trials:
        _, earlier, _, problems, _ = parse_records(trial_attributes(trial))
        note = unrecorded_of(trial_attributes(trial), Owner(study.study_name, trial.number))
        if earlier is not None:
            recorded.add(earlier.artifact_id)
        if not problems and (trial.state.is_finished() or is_over(note.process)):
            orphans |= dict.fromkeys(note.artifact_ids, trial)
    return {a: t for a, t in orphans.items() if a not in recorded and artifacts.has(a)}


def _garbage(
    study: Study, artifacts: CheckpointArtifacts, cleared: frozenset[int]
) -> dict[str, FrozenTrial]:
    """Return the files that the study has no need of, and the trial that saved each."""
    trials, given_up = study.get_trials(deepcopy=False), given_up_by(study)
    stored = stored_in(trials, artifacts, study.study_name)
    found: dict[str, FrozenTrial] = {}
    for each in stored:
        record, trial = each
        # A study of another name may have saved some, perhaps in another storage.
        is_own = record.owner == (study.study_name, trial.number)
        if is_own and trial.number not in cleared and is_given_up(each, given_up):
            found |= {blob.artifact_id: trial for blob in record.blobs}
    left = {s.trial.number for s in stored if not is_given_up(s, given_up)}
    for trial in trials:
        written = parse_records(trial_attributes(trial))
        gone = trial.number in given_up.left and trial.number not in left | cleared
        own = written.owner == (study.study_name, trial.number)
        if written.earlier and gone and own:
            found[written.earlier.artifact_id] = trial
        # Only the last record has a state of the training, which is over.
        if own and trial.state == TrialState.COMPLETE and trial.number not in cleared:
            last = [r.training for r in written.records[-1:] if r.training is not None]
            found |= {blob.artifact_id: trial for blob in last}
    live = {b.artifact_id for s in stored if not is_given_up(s, given_up) for b in s.record.blobs}
    found = {a: t for a, t in found.items() if a not in live and artifacts.has(a)}
    return found | orphaned_artifacts(study, artifacts)


def _needed(
    system_attrs: Mapping[str, Any], trials: Sequence[FrozenTrial], artifacts: CheckpointArtifacts
) -> set[str]:
    """Return the artifacts that a study and its trials name, but for those it has given up."""
    given_up = parse_given_up(system_attrs)
    named, gone = _listed(system_attrs), set()
    for trial in trials:
        named |= _listed(trial.system_attrs)
        written = parse_records(trial_attributes(trial))
        if written.earlier is not None:
            named.add(written.earlier.artifact_id)
    for each in stored_in(trials, artifacts, ""):
        of_record = {blob.artifact_id for blob in each.record.blobs}
        if is_given_up(each, given_up):
            gone |= of_record
        named |= of_record
    return named - gone


def _listed(attributes: Mapping[str, Any]) -> set[str]:
    return {k.removeprefix(ARTIFACT_PREFIX) for k in attributes if k.startswith(ARTIFACT_PREFIX)}

"""Which checkpoints optuna-dashboard lists for download: those that are there, and no others.

What a finished trial lists can't be changed any more, and with ``save_top_k`` its checkpoint may
go later. So the study lists it for the trial, under a name that the dashboard reads too.
"""

from __future__ import annotations

from optuna import Study

from optuna_meta._optuna import list_for_trial
from optuna_meta._optuna import listed_for_trials
from optuna_meta._optuna import unlist_for_trial
from optuna_meta.weights.store.artifacts import CheckpointArtifacts
from optuna_meta.weights.store.artifacts import file_name
from optuna_meta.weights.store.artifacts import MIME_TYPE
from optuna_meta.weights.store.retention import ranked
from optuna_meta.weights.store.retention import unpruned


__all__ = ["MOST_LISTED", "update_listing"]

MOST_LISTED = 16  # in the dashboard, of a trial or of a study: some 300 bytes each


def update_listing(study: Study, artifacts: CheckpointArtifacts) -> None:
    """List the best checkpoints of finished trials, and no longer what a study has given up."""
    kept = [s for s in unpruned(study, artifacts) if s.trial.state.is_finished()]
    wanted = {s.record.weights.artifact_id: s for s in ranked(kept, study)[:MOST_LISTED]}
    listed = listed_for_trials(study, MIME_TYPE)
    for artifact_id, trial_id in listed.items():
        if trial_id is not None and artifact_id not in wanted:
            unlist_for_trial(study, trial_id, artifact_id)
    for artifact_id, (record, trial) in wanted.items():
        if artifact_id not in listed:  # What the dashboard deleted is not listed again.
            name = file_name(record.study, record.trial, record.step)
            list_for_trial(study, trial, artifact_id, name, MIME_TYPE)

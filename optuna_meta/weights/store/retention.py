"""Which checkpoints a study has, which of them are best, and which may go."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
import json
from typing import Any
from typing import NamedTuple

import numpy as np
import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._optuna import attributes_of_other_studies
from optuna_meta._optuna import set_study_system_attr
from optuna_meta._optuna import study_system_attrs
from optuna_meta.outcomes.pareto import best_first
from optuna_meta.weights.store.artifacts import MIME_TYPE
from optuna_meta.weights.store.record import CheckpointRecord
from optuna_meta.weights.store.record import parse_records
from optuna_meta.weights.store.record import read_records


__all__ = [
    "StoredCheckpoint",
    "all_holdings",
    "give_up",
    "given_up",
    "in_order",
    "inherited",
    "kept",
    "superfluous",
    "unfinished_uploads",
    "unreferenced",
]

_GIVEN_UP = "optuna_meta:pruned:"
_ARTIFACT = "artifacts:"  # Optuna's own prefix.


class StoredCheckpoint(NamedTuple):
    """A checkpoint and the trial that has it: the one that saved it, or one that retries that."""

    record: CheckpointRecord
    trial: FrozenTrial


def all_holdings(study: optuna.Study) -> list[StoredCheckpoint]:
    """Every checkpoint that a study's trials record, each once, also those it gave up."""
    found: dict[str, StoredCheckpoint] = {}
    for trial in study.get_trials(deepcopy=False):
        owner = f"trial {trial.number} of study {study.study_name!r}"
        for record in read_records(trial.user_attrs, owner):
            known = found.get(record.weights.artifact_id)
            # A retried trial has the attributes of the one that failed.
            if known is None or trial.number == record.trial:
                found[record.weights.artifact_id] = StoredCheckpoint(record, trial)
    return list(found.values())


def kept(study: optuna.Study) -> list[StoredCheckpoint]:
    """The checkpoints that a study did not give up."""
    gone = given_up(study)
    return [h for h in all_holdings(study) if h.record.weights.artifact_id not in gone]


def in_order(holdings: Sequence[StoredCheckpoint], study: optuna.Study) -> list[StoredCheckpoint]:
    """The checkpoints, best first; those without a finite value last, as they were saved.

    With several objectives those are best whose trials' values the fewest others dominate. The
    records of the result have their trial's final value where they had none.
    """
    signs = np.array([1.0 if d.name == "MINIMIZE" else -1.0 for d in study.directions])
    rows = [_values(holding, len(signs)) for holding in holdings]
    values = signs * np.array(rows, dtype=float).reshape(len(rows), len(signs))  # (n, K)
    finite = np.isfinite(values).all(axis=1)
    known = np.flatnonzero(finite)
    ordered = [*known[best_first(values[known], np.zeros((len(known), 0)))]]
    ordered += sorted(np.flatnonzero(~finite), key=lambda i: holdings[i].record.saved)
    return [_with_value(holdings[i], rows[i]) for i in ordered]


def inherited(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> list[CheckpointRecord]:
    """Records that a trial may go on from, in the order they were saved.

    These are its own, among which a retried trial has those of the one that failed; or, for an
    enqueued one, those of the last pruned or failed trial with the same parameters.

    Args:
        trial: The trial.
        trials: All trials of its study.
    """
    records = read_records(trial.user_attrs, f"trial {trial.number}")
    wanted = trial.system_attrs.get("fixed_params")
    stopped = [t for t in trials if t.state in (TrialState.PRUNED, TrialState.FAIL)]
    for earlier in reversed(stopped if wanted else []):
        if not records and earlier.params == wanted:
            records = read_records(earlier.user_attrs, f"trial {earlier.number}")
    return records


def superfluous(
    holdings: Sequence[StoredCheckpoint], study: optuna.Study, top_k: int
) -> list[StoredCheckpoint]:
    """The checkpoints beyond the best ``top_k`` of those given, but what may be resumed.

    The last checkpoint of each unfinished trial, or of the one it goes on from, stays, and that of
    each failed one until it has been retried; so does each whose value is still to come.
    """
    trials = study.get_trials(deepcopy=False)
    unfinished = [t for t in trials if not t.state.is_finished() or _waits_for_retry(t, trials)]
    last = [records[-1] for t in unfinished if (records := inherited(t, trials))]
    stay = {record.weights.artifact_id for record in last}
    ranked = [h for h in holdings if h.trial.state.is_finished() or h.record.value is not None]
    beyond = in_order(ranked, study)[top_k:]
    return [h for h in beyond if h.record.weights.artifact_id not in stay]


def _waits_for_retry(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
    """Whether a trial has failed and no later one with its parameters has come to its end."""
    later = trials[trial.number + 1 :] if trial.state == TrialState.FAIL else ()
    return trial.state == TrialState.FAIL and not any(
        t.state in (TrialState.COMPLETE, TrialState.PRUNED) and t.params == trial.params
        for t in later
    )


def give_up(study: optuna.Study, artifact_ids: Iterable[str]) -> None:
    """Notes that a study has no more need of artifacts; finished trials cannot be changed."""
    for artifact_id in artifact_ids:
        set_study_system_attr(study, f"{_GIVEN_UP}{artifact_id}", True)


def given_up(study: optuna.Study) -> set[str]:
    """The artifacts that a study has no more need of."""
    return _given_up(study_system_attrs(study))


def unreferenced(
    study: optuna.Study, artifact_ids: Iterable[str], others: Iterable[optuna.Study] = ()
) -> set[str]:
    """Those of the artifacts that no other study needs.

    Args:
        study: The study that gives them up.
        artifact_ids: The artifacts.
        others: Studies to ask beside all those of the same storage, which hold copies of trials.
    """
    left = set(artifact_ids)
    if not left:  # Reading other studies takes time.
        return left
    for attributes in attributes_of_other_studies(study):
        left -= _needed(attributes)
    for other in others:
        trials = other.get_trials(deepcopy=False)
        left -= _needed([study_system_attrs(other), *_attributes(trials)])
    return left


def unfinished_uploads(study: optuna.Study) -> list[tuple[FrozenTrial, str]]:
    """Artifacts of finished trials that no record names: the trial's process ended in between.

    Those of a running trial may be on their way, and those of a trial with a record that cannot be
    read may belong to it: neither is among them.
    """
    found: dict[str, FrozenTrial] = {}
    known = given_up(study)
    for trial in study.get_trials(deepcopy=False):
        records, problems = parse_records(trial.user_attrs)
        known.update(blob.artifact_id for record in records for blob in record.blobs)
        ours = _our_artifacts(trial.system_attrs)
        if problems or not trial.state.is_finished():
            known |= ours
        found |= dict.fromkeys(ours, trial)
    return [
        (trial, artifact_id) for artifact_id, trial in found.items() if artifact_id not in known
    ]


def _values(holding: StoredCheckpoint, n_objectives: int) -> list[float]:
    record, trial = holding
    if n_objectives == 1 and record.value is not None:
        return [record.value]
    values = trial.values or [float("nan")] * n_objectives
    return [float("nan") if value is None else value for value in values]


def _with_value(holding: StoredCheckpoint, values: Sequence[float]) -> StoredCheckpoint:
    if holding.record.value is not None or len(values) > 1 or np.isnan(values[0]):
        return holding
    return holding._replace(record=replace(holding.record, value=float(values[0])))


def _attributes(trials: Iterable[FrozenTrial]) -> list[Mapping[str, Any]]:
    return [attributes for t in trials for attributes in (t.system_attrs, t.user_attrs)]


def _needed(attributes: Iterable[Mapping[str, Any]]) -> set[str]:
    """Artifacts that the attributes of one study and its trials name, but for those given up."""
    needed: set[str] = set()
    gone: set[str] = set()
    for some in attributes:
        gone |= _given_up(some)
        needed |= {key.removeprefix(_ARTIFACT) for key in some if key.startswith(_ARTIFACT)}
        for record in parse_records(some)[0]:
            needed.update(blob.artifact_id for blob in record.blobs)
    return needed - gone


def _given_up(system_attrs: Mapping[str, Any]) -> set[str]:
    return {key.removeprefix(_GIVEN_UP) for key in system_attrs if key.startswith(_GIVEN_UP)}


def _our_artifacts(system_attrs: Mapping[str, Any]) -> set[str]:
    """Artifacts of checkpoints; what the dashboard deleted is null."""
    found = set()
    for key, text in system_attrs.items():
        about = json.loads(text) if key.startswith(_ARTIFACT) and text else None
        if about and about.get("mimetype") == MIME_TYPE:
            found.add(key.removeprefix(_ARTIFACT))
    return found

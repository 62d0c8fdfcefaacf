"""The private names of Optuna that no public one replaces; nothing else imports them."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
import json
import logging
from types import SimpleNamespace
from typing import Any
from typing import TYPE_CHECKING

from optuna import Study
from optuna import Trial
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import InMemoryStorage


if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial


__all__ = [
    "ARTIFACT_PREFIX",
    "all_trials",
    "contains",
    "enqueued_params",
    "has_trial",
    "list_artifact",
    "list_for_trial",
    "listed_artifacts",
    "listed_for_trials",
    "metric_names",
    "metric_names_in",
    "notable",
    "other_studies",
    "quiet_study",
    "set_hidden_attr",
    "set_study_system_attr",
    "set_trial_user_attr",
    "storage_of",
    "study_id_of",
    "study_key",
    "study_system_attrs",
    "study_user_attrs",
    "trial_attributes",
    "unlist_for_trial",
    "whole_study",
]


ARTIFACT_PREFIX = "artifacts:"  # Of the attributes that name a trial's artifacts.
_ON_STUDY = "dashboard:artifacts:"  # Where a study lists them for a trial of its own.
# A trial that no storage holds, or that has ended, keeps no record.
_NO_RECORD = (KeyError, UpdateFinishedTrialError)


def study_user_attrs(study: Study) -> Mapping[str, Any]:
    """Return a study's user attributes, also where ``HyperbandPruner``'s wrapper hides them."""
    return study._storage.get_study_user_attrs(study._study_id)


def metric_names(study: Study) -> Sequence[str] | None:
    """Return the names of a study's objectives, if set; also under ``HyperbandPruner``."""
    return metric_names_in(study_system_attrs(study))


def metric_names_in(system_attrs: Mapping[str, Any]) -> Sequence[str] | None:
    """Return the names of the objectives among the system attributes of a study, if set."""
    names: Sequence[str] | None = system_attrs.get("study:metric_names")
    return names


def study_key(study: Study) -> tuple[int, int, str, int]:
    """Return what tells a study from all others of this process: names can be the same.

    So are those of the brackets that ``HyperbandPruner`` makes of one study, each of some trials.
    """
    bracket = getattr(study, "_bracket_id", -1)
    return id(study._storage), study._study_id, study.study_name, bracket


def all_trials(study: Study, trials: Sequence[FrozenTrial]) -> Sequence[FrozenTrial]:
    """Add to a study's trials those that ``HyperbandPruner`` hides; not to be edited."""
    if not hasattr(study, "_bracket_id"):
        return trials
    return study._storage.get_all_trials(study._study_id, deepcopy=False)


def whole_study(study: Study) -> Study:
    """Return a study with all of its trials, also where ``HyperbandPruner`` hides some."""
    if not hasattr(study, "_bracket_id"):
        return study
    return Study(study.study_name, study._storage, sampler=study.sampler)


def has_trial(study: Study, number: int) -> bool:
    """Tell whether a study has a trial of this number, for less than reading its trials takes."""
    try:
        study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
    except KeyError:
        return False
    return True


def set_trial_user_attr(study: Study, trial: FrozenTrial, key: str, value: Any) -> None:
    """Persist a user attribute from inside a sampler, where the objective's trial shows it too."""
    with suppress(*_NO_RECORD):
        study._storage.set_trial_user_attr(trial._trial_id, key, value)
        trial.set_user_attr(key, value)  # Which does not persist it.


def contains(distribution: BaseDistribution, value: Any) -> bool:
    """Tell whether an external value lies in a distribution."""
    try:
        return distribution._contains(distribution.to_internal_repr(value))
    except (ValueError, TypeError, OverflowError):
        return False


def enqueued_params(trial: FrozenTrial) -> dict[str, Any]:
    """Return the values that a trial was enqueued with."""
    return dict(trial.system_attrs.get("fixed_params", {}))


def study_system_attrs(study: Study) -> Mapping[str, Any]:
    """Return the system attributes of a study."""
    return study._storage.get_study_system_attrs(study._study_id)


def set_study_system_attr(study: Study, key: str, value: Any) -> None:
    """Persist a system attribute of a study."""
    study._storage.set_study_system_attr(study._study_id, key, value)


def other_studies(study: Study) -> Iterator[tuple[Mapping[str, Any], list[FrozenTrial]]]:
    """Yield the system attributes and the trials of each other study in the storage."""
    storage = study._storage
    for other in storage.get_all_studies():
        if other._study_id == study._study_id:
            continue
        with suppress(KeyError):  # It was deleted since.
            yield other.system_attrs, storage.get_all_trials(other._study_id, deepcopy=False)


def trial_attributes(trial: Trial | FrozenTrial) -> Mapping[str, Any]:
    """Return what is written on a trial, where the dashboard's table shows it and where not."""
    frozen = trial.storage.get_trial(trial._trial_id) if isinstance(trial, Trial) else trial
    return {**frozen.user_attrs, **frozen.system_attrs}


def set_hidden_attr(trial: Trial, key: str, value: Any) -> None:
    """Write on a running trial what nobody wants to see in a table."""
    trial.storage.set_trial_system_attr(trial._trial_id, key, value)


def listed_artifacts(trial: Trial) -> set[str]:
    """Return the ids of a running trial's artifacts, as Optuna lists them."""
    attributes = trial.storage.get_trial(trial._trial_id).system_attrs
    return {k.removeprefix(ARTIFACT_PREFIX) for k in attributes if k.startswith(ARTIFACT_PREFIX)}


def list_artifact(trial: Trial, artifact_id: str, filename: str, mimetype: str) -> None:
    """List a file among a running trial's artifacts, as ``upload_artifact`` does.

    Raises:
        UpdateFinishedTrialError: The trial is finished.
    """
    text = _artifact_meta(artifact_id, filename, mimetype)
    trial.storage.set_trial_system_attr(trial._trial_id, f"{ARTIFACT_PREFIX}{artifact_id}", text)


def list_for_trial(
    study: Study, trial: FrozenTrial, artifact_id: str, filename: str, mimetype: str
) -> None:
    """List a file among an ended trial's artifacts, for optuna-dashboard alone, on its study."""
    key = f"{_ON_STUDY}{trial._trial_id}:{artifact_id}"
    set_study_system_attr(study, key, _artifact_meta(artifact_id, filename, mimetype))


def unlist_for_trial(study: Study, trial_id: int, artifact_id: str) -> None:
    """List a file no longer that :func:`list_for_trial` did."""
    set_study_system_attr(study, f"{_ON_STUDY}{trial_id}:{artifact_id}", "null")


def listed_for_trials(study: Study, mimetype: str) -> dict[str, int | None]:
    """Return the storage's number of the trial for each artifact that a study lists for one.

    ``None`` for those that are no longer listed; other kinds of files are left out.
    """
    found: dict[str, int | None] = {}
    for key, text in study_system_attrs(study).items():
        trial_id, _, artifact_id = key.removeprefix(_ON_STUDY).partition(":")
        if key.startswith(_ON_STUDY) and trial_id.isdecimal():
            meta = json.loads(text)
            if meta is None or meta.get("mimetype") == mimetype:
                found[artifact_id] = None if meta is None else int(trial_id)
    return found


def _artifact_meta(artifact_id: str, filename: str, mimetype: str) -> str:
    meta = {"artifact_id": artifact_id, "filename": filename, "mimetype": mimetype}
    return json.dumps({**meta, "encoding": None})


def notable(study: Study, trial: FrozenTrial) -> Any:
    """Return what optuna-dashboard's functions take for a trial, of one that has ended too."""
    return SimpleNamespace(storage=study._storage, study=study, _trial_id=trial._trial_id)


def study_id_of(study: Any) -> Any:
    """Return the storage's number of a study, or of what ``get_all_studies`` tells of one."""
    return study._study_id


def storage_of(study: Study) -> BaseStorage:
    """Return the storage of a study."""
    return study._storage


_QUIET = "optuna_meta:quiet"  # Name of studies in memory of which a user need not be told.
logging.getLogger("optuna.storages._in_memory").addFilter(
    lambda record: _QUIET not in record.getMessage()
)


def quiet_study(direction: StudyDirection, sampler: BaseSampler) -> Study:
    """Make a study in memory that is not logged, for many small ones."""
    storage = InMemoryStorage()
    storage.create_new_study([direction], _QUIET)
    return Study(_QUIET, storage, sampler=sampler)

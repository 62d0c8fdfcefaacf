"""Which checkpoints the dashboard lists."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.artifacts import get_all_artifact_meta
import pytest

from optuna_meta._optuna import listed_for_trials
from optuna_meta.weights.store.artifacts import MIME_TYPE
from optuna_meta.weights.store.listing import MOST_LISTED
from tests.weights.toys import linear
from tests.weights.toys import saved
from tests.weights.toys import store_in


def listed(study: optuna.Study) -> set[str]:
    """Artifacts that a study lists for its trials."""
    known = listed_for_trials(study, MIME_TYPE)
    return {artifact_id for artifact_id, trial in known.items() if trial is not None}


def test_a_study_lists_what_it_keeps_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    store = store_in(folder, save_top_k=2)
    study = optuna.create_study()
    for values in ([0.5, 0.4, 0.9], [0.1], [0.2, 0.05]):
        saved(store, values, study=study)
        store.prune(study)
        kept = {record.weights.artifact_id for record in store.records(study)}
        assert listed(study) == kept == {path.name for path in folder.iterdir()}
    for trial in study.trials:
        assert get_all_artifact_meta(trial, storage=study._storage) == []
    assert get_all_artifact_meta(study) == []


def test_a_trial_lists_its_own_where_all_are_kept(tmp_path: Path) -> None:
    store = store_in(tmp_path / "artifacts")
    study = saved(store, [0.5, 0.4])
    store.prune(study)
    for trial, record in zip(study.trials, reversed(store.records(study)), strict=True):
        (meta,) = get_all_artifact_meta(trial, storage=study._storage)
        assert meta.artifact_id == record.weights.artifact_id
    assert listed(study) == set()


def test_a_running_trials_checkpoint_is_not_listed_until_it_ends(tmp_path: Path) -> None:
    store, study = store_in(tmp_path / "artifacts", save_top_k=2), optuna.create_study()
    trial = study.ask()
    record = store.save(trial, linear(0.5), value=0.5)
    store.prune(study)
    assert listed(study) == set()
    study.tell(trial, 0.5)
    store.prune(study)
    assert listed(study) == {record.weights.artifact_id}


def test_the_best_are_listed_where_there_are_many(tmp_path: Path) -> None:
    store = store_in(tmp_path / "artifacts", save_top_k=30)
    study = saved(store, [0.1 * i for i in range(MOST_LISTED + 4)])
    store.prune(study)
    best = [record.weights.artifact_id for record in store.records(study)[:MOST_LISTED]]
    assert listed(study) == set(best)


def test_what_the_dashboard_deleted_is_not_listed_again(tmp_path: Path) -> None:
    store = store_in(tmp_path / "artifacts", save_top_k=2)
    study = saved(store, [0.5, 0.4])
    store.prune(study)
    gone = store.records(study)[0].weights.artifact_id
    key = f"dashboard:artifacts:{study.trials[1]._trial_id}:{gone}"
    study._storage.set_study_system_attr(study._study_id, key, "null")
    store.prune(study)
    assert gone not in listed(study) and len(listed(study)) == 1


@pytest.mark.parametrize("text", ["null", '{"mimetype": "text/plain", "artifact_id": "x"}'])
def test_other_files_are_left_alone(tmp_path: Path, text: str) -> None:
    store = store_in(tmp_path / "artifacts", save_top_k=1)
    study = saved(store, [0.5, 0.4])
    key = f"dashboard:artifacts:{study.trials[0]._trial_id}:x"
    study._storage.set_study_system_attr(study._study_id, key, text)
    store.prune(study)
    assert study._storage.get_study_system_attrs(study._study_id)[key] == text

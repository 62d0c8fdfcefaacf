from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import json
from pathlib import Path
from typing import Any

import optuna
from optuna.artifacts import FileSystemArtifactStore
import pytest

from optuna_meta.weights import CheckpointStore
from tests.weights.store.breaking import Slow
from tests.weights.toys import files_of
from tests.weights.toys import fill_of
from tests.weights.toys import linear
from tests.weights.toys import saved
from tests.weights.toys import store_in


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("final", [True, False])
def test_records_come_best_first(tmp_path: Path, direction: str, final: bool) -> None:
    store = store_in(tmp_path)
    study = optuna.create_study(direction=direction)
    saved(store, [0.5, 0.1, 0.9, 0.3], study=study, final=final)
    values = [record.value for record in store.records(study)]
    assert values == sorted([0.5, 0.1, 0.9, 0.3], reverse=direction == "maximize")
    assert [fill_of(store, r) for r in store.records(study)] == pytest.approx(values)


def test_values_that_are_not_finite_and_failed_trials_come_last(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    study = optuna.create_study(direction="maximize")
    values = [float("nan"), float("inf"), 0.5, float("-inf")]
    for value in values:
        trial = study.ask()
        store.save(trial, linear(), value=value)
        study.tell(trial, 0.0)
    trial = study.ask()
    store.save(trial, linear())
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    assert [record.trial for record in store.records(study)] == [2, 0, 1, 3, 4]
    for trial in study.trials:  # As strict readers of JSON want it.
        json.dumps(trial.user_attrs, allow_nan=False)


def test_several_objectives_rank_by_the_final_values(tmp_path: Path) -> None:
    store = store_in(tmp_path, save_top_k=2)
    study = optuna.create_study(directions=["minimize", "maximize"])
    for values in [(1.0, 0.0), (2.0, -1.0), (0.5, 3.0), (0.4, 2.0)]:
        trial = study.ask()
        store.save(trial, linear())
        study.tell(trial, values)
    store.prune(study)
    assert {record.trial for record in store.records(study)} == {2, 3}
    with pytest.raises(ValueError, match="2 objectives, so that value= cannot rank"):
        store.save(study.ask(), linear(), value=1.0)


def test_only_the_best_stay(tmp_path: Path) -> None:
    store = store_in(tmp_path, save_top_k=2)
    study = saved(store, [0.5, 0.1, 0.9, 0.3, 0.2])
    assert store.prune(study) == []  # Saving has done it, but for files of finished trials.
    assert [record.value for record in store.records(study)] == [0.1, 0.2]
    assert files_of(tmp_path) == {r.weights.artifact_id for r in store.records(study)}
    statuses = [finding.status for finding in store.verify(study).findings]
    assert sorted(statuses) == ["intact"] * 2 + ["pruned"] * 3
    with pytest.raises(ValueError, match="save_top_k must be at least 1"):
        CheckpointStore(tmp_path, save_top_k=0)


def test_steps_of_one_trial_count_one_by_one_and_the_last_stays(tmp_path: Path) -> None:
    store = store_in(tmp_path, save_top_k=2)
    study = optuna.create_study()
    trial = study.ask()
    for step, loss in enumerate([0.9, 0.3, 0.5, 0.2, 0.8, 0.7]):
        store.save(trial, linear(loss), value=loss, step=step)
    kept = [(record.step, record.value) for record in store.records(study)]
    assert kept == [(3, 0.2), (1, 0.3), (5, 0.7)]
    written = study.trials[0].system_attrs["optuna_meta:checkpoints"]
    assert len(written["records"]) == 3  # Not all six.
    assert len(files_of(tmp_path)) == 3
    study.tell(trial, 0.7)
    assert [record.step for record in store.prune(study)] == [1]  # Not what the trial ended with.
    assert len(files_of(tmp_path)) == 2


def test_a_checkpoint_whose_value_is_to_come_is_not_pruned(tmp_path: Path) -> None:
    store = store_in(tmp_path, save_top_k=1)
    study = optuna.create_study()
    waiting = study.ask()
    store.save(waiting, linear(0.0))
    store.save(waiting, linear(0.1))
    last = store.save(waiting, linear(0.2))
    saved(store, [0.5, 0.4], study=study)
    store.prune(study)
    assert [r.value for r in store.records(study)] == [0.4, None]
    assert store.records(study)[1] == last  # Of several, the last is what the value will be of.
    study.tell(waiting, 0.1)
    store.prune(study)
    assert [record.trial for record in store.records(study)] == [0]


def test_an_upload_that_breaks_is_never_trusted_and_is_cleared(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="digits")
    trial = study.ask()
    with pytest.raises(OSError, match="connection broke"):
        CheckpointStore(Slow(tmp_path)).save(trial, linear())
    store = store_in(tmp_path)
    assert store.records(study) == []
    assert len(files_of(tmp_path)) == 1
    store.prune(study)
    assert len(files_of(tmp_path)) == 1  # It could be on its way still.
    study.tell(trial, 0.0)
    saved(store, study=study)
    report = store.verify(study)
    assert report.ok
    assert [f.status for f in report.findings] == ["intact", "unfinished"]
    store.prune(study)
    assert files_of(tmp_path) == {store.records(study)[0].weights.artifact_id}
    assert [f.status for f in store.verify(study).findings] == ["intact"]


def test_a_file_that_cannot_be_removed_does_not_end_a_trial(tmp_path: Path) -> None:
    class Stuck(FileSystemArtifactStore):
        def remove(self, artifact_id: str) -> None:
            raise OSError("no connection")

    study = optuna.create_study()
    with pytest.warns(UserWarning, match="could not be removed .*no connection.* tries again"):
        stuck = CheckpointStore(Stuck(tmp_path), save_top_k=1)
        stuck.prune(saved(stuck, [0.3, 0.2], study=study))
    store = store_in(tmp_path, save_top_k=1)
    assert len(files_of(tmp_path)) == 2 and len(store.records(study)) == 1
    store.prune(study)
    assert len(files_of(tmp_path)) == 1


def test_other_artifacts_of_a_trial_are_left_alone(tmp_path: Path) -> None:
    store = store_in(tmp_path / "artifacts", save_top_k=1)
    (tmp_path / "note.weights.safetensors").write_text("mine")
    study = optuna.create_study()
    trial = study.ask()
    mine = optuna.artifacts.upload_artifact(
        artifact_store=FileSystemArtifactStore(tmp_path / "artifacts"),
        file_path=str(tmp_path / "note.weights.safetensors"),
        study_or_trial=trial,
    )
    study.tell(trial, 0.0)
    saved(store, [0.3, 0.2], study=study)
    store.prune(study)
    assert mine in files_of(tmp_path / "artifacts")
    assert len(store.verify(study).findings) == 2


def _copy(study: optuna.Study, name: str, storage: Any = None) -> optuna.Study:
    storage = storage or study._storage
    optuna.copy_study(
        from_study_name=study.study_name,
        from_storage=study._storage,
        to_storage=storage,
        to_study_name=name,
    )
    return optuna.load_study(study_name=name, storage=storage)


def test_a_copied_study_keeps_its_files(tmp_path: Path) -> None:
    study = saved(store_in(tmp_path), [0.5, 0.1, 0.3])
    copy = _copy(study, "copy")
    best = store_in(tmp_path, save_top_k=1)
    assert [record.value for record in best.prune(study)] == [0.3, 0.5]
    assert [record.value for record in best.records(study)] == [0.1]
    assert [record.value for record in best.records(copy)] == [0.1, 0.3, 0.5]
    assert best.verify(copy).ok and len(files_of(tmp_path)) == 3
    optuna.delete_study(study_name="copy", storage=study._storage)
    best.prune(study)  # Now nobody needs them.
    assert len(files_of(tmp_path)) == 1


def test_files_go_when_the_last_of_several_studies_gives_them_up(tmp_path: Path) -> None:
    study = saved(store_in(tmp_path), [0.5, 0.1])
    copy = _copy(study, "copy")
    best = store_in(tmp_path, save_top_k=1)
    assert len(best.prune(copy)) == 1 and len(files_of(tmp_path)) == 2
    assert len(best.prune(study)) == 1 and len(files_of(tmp_path)) == 1
    assert best.verify(copy).ok and best.verify(study).ok


def test_copies_in_other_storages_are_named(tmp_path: Path) -> None:
    study = saved(store_in(tmp_path), [0.5, 0.1])
    copy = _copy(study, "copy", optuna.storages.InMemoryStorage())
    best = store_in(tmp_path, save_top_k=1)
    best.prune(copy)  # It never owned them.
    assert len(files_of(tmp_path)) == 2
    copy = _copy(study, "another", optuna.storages.InMemoryStorage())
    best.prune(study, others=[copy])
    assert best.verify(copy).ok and len(files_of(tmp_path)) == 2


def test_trials_added_to_another_study_share_the_files(tmp_path: Path) -> None:
    study = saved(store_in(tmp_path), [0.5, 0.1])
    merged = optuna.create_study(study_name="merged", storage=study._storage)
    merged.add_trials(study.trials)
    best = store_in(tmp_path, save_top_k=1)
    best.prune(study)
    assert best.verify(merged).ok and len(best.records(merged)) == 2


def test_workers_prune_at_the_same_time(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/studies.db"
    study = optuna.create_study(storage=storage, study_name="digits")
    saved(store_in(tmp_path / "artifacts"), [0.1 * i for i in range(12)], study=study)

    def prune(_: int) -> None:
        own = optuna.load_study(study_name="digits", storage=storage)
        store_in(tmp_path / "artifacts", save_top_k=4).prune(own)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(prune, range(8)))
    store = store_in(tmp_path / "artifacts")
    assert [record.trial for record in store.records(study)] == [0, 1, 2, 3]
    assert store.verify(study).ok and len(files_of(tmp_path / "artifacts")) == 4

"""However long a training is and however many studies there are, a save costs the same."""

from __future__ import annotations

from collections.abc import Iterator
import json
from pathlib import Path
from typing import Any
import uuid

import optuna
from optuna.artifacts import get_all_artifact_meta
import pytest
import sqlalchemy
import torch

from optuna_meta.weights import CheckpointStore
from optuna_meta.weights.store import garbage
from tests.weights.toys import files_of
from tests.weights.toys import linear
from tests.weights.toys import saved
from tests.weights.toys import store_in


MOST = 16_000  # bytes on a trial, and on its study

URL = "mysql+pymysql://root@127.0.0.1:3306/test"


def written(attributes: Any) -> int:
    return sum(len(key) + len(json.dumps(value)) for key, value in attributes.items())


def on_study(study: optuna.Study) -> dict[str, Any]:
    return study.user_attrs | study._storage.get_study_system_attrs(study._study_id)


@pytest.fixture
def in_mysql() -> Iterator[optuna.Study]:
    """A study of a database that holds 65,535 bytes in one attribute."""
    pytest.importorskip("pymysql")
    try:
        storage = optuna.storages.RDBStorage(URL)
    except Exception as error:  # Each driver has errors of its own.
        pytest.skip(f"No MySQL at {URL}: {type(error).__name__}")
    name = f"checkpoints {uuid.uuid4()}"
    yield optuna.create_study(study_name=name, storage=storage)
    optuna.delete_study(study_name=name, storage=storage)
    storage.engine.dispose()


def test_a_database_that_holds_little_in_one_attribute_is_enough(
    in_mysql: optuna.Study, tmp_path: Path
) -> None:
    store, model, trial = store_in(tmp_path), linear(), in_mysql.ask()
    for step in range(30):
        record = store.save(trial, model, step=step, tags=["x" * 3000])  # As much as 400 others.
    in_mysql.tell(trial, 0.0)
    (frozen,) = in_mysql.trials
    assert written(frozen.user_attrs) + written(frozen.system_attrs) < MOST
    assert sorted(r.step or 0 for r in store.records(in_mysql)) == [*range(30)]
    assert store.verify(in_mysql).ok and store.load(record).metadata.step == 29


@pytest.mark.parametrize("top_k", [None, 5, 60])
@pytest.mark.parametrize("valued", [True, False])
def test_hundreds_of_checkpoints_leave_small_attributes(
    tmp_path: Path, top_k: int | None, valued: bool
) -> None:
    n, study = 250, optuna.create_study(study_name=f"long {'語' * 500}")
    store, model, trial = store_in(tmp_path, save_top_k=top_k), linear(), study.ask()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for step in range(n):
        torch.nn.init.constant_(model.weight, step)
        value = {"value": 1 / (step + 1)} if valued else {}
        store.save(trial, model, step=step, optimizer=optimizer, **value)  # type: ignore[arg-type]
    study.tell(trial, 0.0)
    store.prune(study)
    (frozen,) = study.trials
    assert written(frozen.user_attrs) + written(frozen.system_attrs) < MOST
    assert written(on_study(study)) < MOST
    records = store.records(study)
    assert [record.step for record in records] == [*range(n)][::-1][:top_k]
    assert store.load(records[-1]).state["weight"].unique().tolist() == [records[-1].step]
    assert store.verify(study).ok
    listed = {meta.artifact_id for meta in get_all_artifact_meta(frozen, storage=study._storage)}
    assert len(listed) == (16 if top_k is None else 0)  # The study lists what may go.
    index = 0 if len(records) < 20 else 1
    assert len(files_of(tmp_path)) == len(records) + index


def test_hundreds_of_trials_leave_small_attributes(tmp_path: Path) -> None:
    study = optuna.create_study()
    store = store_in(tmp_path, save_top_k=3)
    values = [(7 * i % 101) / 101 for i in range(100)]
    saved(store, values, study=study)
    assert written(on_study(study)) < 1000
    store.prune(study)
    assert written(on_study(study)) < 2000 and len(files_of(tmp_path)) == 3
    assert [r.value for r in store.records(study)] == sorted(values)[:3]


def test_a_trial_goes_on_from_an_index_and_a_lost_one_costs_only_what_it_lists(
    tmp_path: Path,
) -> None:
    store, study, model = store_in(tmp_path), optuna.create_study(), linear()
    trial = study.ask()
    for step in range(40):
        store.save(trial, model, step=step)
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    optuna.storages.RetryHeartbeatStaleTrialCallback()(study, study.trials[0])
    retried = study.ask()
    for step in range(40, 80):
        store.save(retried, model, step=step)
    assert sorted(r.step or 0 for r in store.records(study)) == [*range(80)]
    assert {r.trial for r in store.records(study) if (r.step or 0) < 40} == {0}
    assert store.verify(study).ok
    index = study.trials[1].system_attrs["optuna_meta:checkpoints"]["earlier"][0]
    kept = (tmp_path / index).read_bytes()
    (tmp_path / index).write_bytes(kept[:-2])
    other = store_in(tmp_path)  # It has not read the list before.
    with pytest.warns(UserWarning, match="Earlier checkpoints of trial 1 .* left out.*truncated"):
        left = other.records(study)
    assert {r.step for r in left} >= {*range(70, 80)} and len(left) < 80
    with pytest.warns(UserWarning, match="left out"):
        other.save(retried, model, step=80)
    (tmp_path / index).write_bytes(kept)  # It was away for a while.
    assert len(store_in(tmp_path).records(study)) == 81


def test_a_save_reads_no_other_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: optuna.Study) -> Any:
        pytest.fail("other studies are read")

    store = store_in(tmp_path, save_top_k=1)
    with monkeypatch.context() as patched:
        patched.setattr(garbage, "other_studies", fail)
        study = saved(store, [0.3, 0.2, 0.1], step=1)
    assert [r.value for r in store.records(study)] == [0.1]
    assert len(files_of(tmp_path)) == 3  # They go
    store.prune(study)
    assert len(files_of(tmp_path)) == 1  # now, or by a save
    store = store_in(tmp_path, save_top_k=1)
    store._next_collection = 0.0  # after a minute.
    saved(store, [0.05], study=study)
    trial = study.ask()
    store.save(trial, linear(), value=0.01)
    store._next_collection = 0.0
    store.save(trial, linear(), value=0.02)
    assert len(files_of(tmp_path)) <= 3


def test_a_save_asks_as_little_among_many_studies(tmp_path: Path) -> None:
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/studies.db")
    store, among, asked = store_in(tmp_path / "artifacts", save_top_k=2), [], 0

    def count(*_: Any) -> None:
        nonlocal asked
        asked += 1

    sqlalchemy.event.listen(storage.engine, "before_cursor_execute", count)
    for n_others in (0, 12):
        for i in range(n_others):
            saved(store, [0.5], study=optuna.create_study(study_name=f"{i}", storage=storage))
        own = optuna.create_study(study_name=f"among {n_others}", storage=storage)
        asked = 0
        saved(store, [0.3, 0.2, 0.1], study=own, step=1)
        among.append(asked)
    assert among[0] == among[1] > 0


@pytest.mark.parametrize("trained", [False, True])
def test_a_callback_leaves_as_many_files_as_wanted(tmp_path: Path, trained: bool) -> None:
    store = CheckpointStore(tmp_path, save_top_k=3)

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        model = linear(x)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9) if trained else None
        for step in range(4):
            store.save(trial, model, value=x + 3 - step, step=step, optimizer=optimizer)
        return x

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=8, callbacks=[store.prune])
    assert len(files_of(tmp_path)) == 3
    best = sorted(trial.value or 0.0 for trial in study.trials)[:3]
    assert [r.value for r in store.records(study)] == pytest.approx(best)
    assert store.verify(study).ok


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_the_last_weights_of_the_best_trial_stay(tmp_path: Path, top_k: int) -> None:
    store, study = store_in(tmp_path, save_top_k=top_k), optuna.create_study()
    for final in (0.5, 0.9):
        trial = study.ask()
        for step, value in enumerate([0.1 + final, 0.0 + final, 0.2 + final]):
            store.save(trial, linear(), value=value, step=step)
        study.tell(trial, final)
        store.prune(study)
    kept = {(record.trial, record.step) for record in store.records(study)}
    assert kept == {(0, 1), (0, 2), (0, 0)} if top_k == 3 else kept == {(0, 1), (0, 2)}
    assert len(files_of(tmp_path)) == len(kept)
    store.prune(study)
    assert {(record.trial, record.step) for record in store.records(study)} == kept


def test_a_list_that_cannot_be_read_for_a_while_costs_nothing(tmp_path: Path) -> None:
    study, store = optuna.create_study(), store_in(tmp_path)
    trial = study.ask()
    for step in range(40):
        store.save(trial, linear(step), value=1 / (1 + step), step=step)
    study.tell(trial, 0.0)
    index = tmp_path / study.trials[0].system_attrs["optuna_meta:checkpoints"]["earlier"][0]
    index.rename(tmp_path / "away")
    best = store_in(tmp_path, save_top_k=1)
    with pytest.warns(UserWarning, match="left out, for their list cannot be read"):
        best.prune(study)
    assert len(files_of(tmp_path)) == 41
    (tmp_path / "away").rename(index)
    assert len(best.records(study)) == 40
    best.prune(study)
    assert [record.step for record in best.records(study)] == [39]
    assert len(files_of(tmp_path)) == 2

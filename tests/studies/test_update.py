"""Read again, a storage costs what is new in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import time
from typing import Any
import warnings

import numpy as np
import optuna
from optuna.storages import BaseStorage
from optuna.storages import InMemoryStorage
from optuna.storages import RDBStorage
import pytest

from optuna_meta import fit_prior
from optuna_meta import record_meta_features
from optuna_meta.studies.prior import Prior


def add(storage: Any, name: str, n_trials: int = 4, high: float = 1.0) -> None:
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        sampler=optuna.samplers.RandomSampler(seed=len(name)),
        load_if_exists=True,
    )

    def objective(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", ["a", "b"])
        return trial.suggest_float("x", 0, high) + (kind == "a") + trial.suggest_int("n", 0, 9)

    study.optimize(objective, n_trials=n_trials)


@pytest.fixture(params=["sqlite", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStorage]:
    is_file = request.param == "sqlite"
    made = RDBStorage(f"sqlite:///{tmp_path / 'db'}") if is_file else InMemoryStorage()
    for name in ("a", "bb", "ccc"):
        add(made, name)
    yield made
    if isinstance(made, RDBStorage):
        made.engine.dispose()


def assert_same(prior: Prior, other: Prior) -> None:
    assert repr(prior.space) == repr(other.space) and prior.names == other.names
    assert prior.versions == other.versions
    for task, expected in zip(prior.tasks, other.tasks, strict=True):
        np.testing.assert_allclose(task.rows, expected.rows, rtol=1e-14)
        np.testing.assert_array_equal(task.values, expected.values)
        assert (task.fingerprint, task.origin) == (expected.fingerprint, expected.origin)


def read_studies(storage: BaseStorage, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the studies of which trials are read from now on."""
    reads: list[int] = []
    original = type(storage).get_all_trials

    def counted(self: Any, study_id: int, *args: Any, **options: Any) -> Any:
        reads.append(study_id)
        return original(self, study_id, *args, **options)

    monkeypatch.setattr(type(storage), "get_all_trials", counted)
    return reads


def test_an_update_is_what_reading_anew_gives(storage: BaseStorage) -> None:
    before = Prior.from_storage(storage)
    assert_same(Prior.from_storage(storage, update=before), before)
    add(storage, "bb", 2)  # Changed,
    add(storage, "dddd", high=3.0)  # new, in a wider range,
    optuna.delete_study(study_name="a", storage=storage)  # gone.
    after = Prior.from_storage(storage, update=before)
    assert sorted(after.names) == ["bb", "ccc", "dddd"]
    anew = Prior.from_storage(storage)
    order = [after.names.index(name) for name in anew.names]
    assert_same(Prior(after.space, tuple(after.tasks[i] for i in order), after.versions), anew)
    assert len(before) == 3 and [len(task.values) for task in before.tasks] == [4, 4, 4]


def test_meta_features_and_metric_names_are_changes_too(storage: BaseStorage) -> None:
    before = Prior.from_storage(storage)
    record_meta_features(optuna.load_study(study_name="a", storage=storage), {"n": 3})
    optuna.load_study(study_name="bb", storage=storage).set_metric_names(["loss"])
    tasks = {task.name: task for task in Prior.from_storage(storage, update=before).tasks}
    assert tasks["a"].meta_features == {"n": 3.0} and tasks["bb"].outcome.name == "loss"


def test_no_trial_of_an_unchanged_study_is_read_from_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = RDBStorage(f"sqlite:///{tmp_path / 'db'}")
    for name in ("a", "bb", "ccc"):
        add(storage, name)
    optuna.create_study(storage=storage, study_name="empty")
    with pytest.warns(UserWarning, match="'empty' is left out"):
        before = Prior.from_storage(storage)
    reads = read_studies(storage, monkeypatch)
    before.save(tmp_path / "prior")
    loaded = Prior.load(tmp_path / "prior")
    assert len(Prior.from_storage(storage, update=loaded)) == 3 and reads == []
    add(storage, "bb", 1)
    reads.clear()
    assert len(Prior.from_storage(storage, update=loaded)) == 3 and reads == [2]
    reads.clear()
    with pytest.warns(UserWarning, match="'empty' is left out"):
        assert len(Prior.from_storage(storage, update=loaded, rename={"x": "y"})) == 3
    assert reads[:3] == [1, 2, 3]  # Other names make another prior.


def test_studies_of_other_storages_and_of_earlier_files_stay(tmp_path: Path) -> None:
    one, other = InMemoryStorage(), InMemoryStorage()
    add(one, "a")
    add(other, "a")
    both = Prior.from_storage(other, update=Prior.from_storage(one))
    assert both.names == ("a", "a (2)")
    assert Prior.from_storage(one, update=both).names == ("a", "a (2)")
    optuna.delete_study(study_name="a", storage=one)
    assert Prior.from_storage(one, update=both).names == ("a (2)",)
    first = Path(__file__).parent / "prior_version_1.safetensors"
    add(other, "prior 0")
    merged = Prior.from_storage(other, update=Prior.load(first))
    assert sorted(merged.names) == ["a", "prior 0", "prior 1"]


def test_a_refresh_fits_only_what_is_new(
    storage: BaseStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from optuna_meta.surrogate import base_fit

    fitted = fit_prior(Prior.from_storage(storage))
    sizes: list[int] = []
    original = base_fit.fit_prior_gps

    def counted(tasks: Any, *args: Any) -> Any:
        sizes.append(len(tasks.values))
        return original(tasks, *args)

    monkeypatch.setattr(base_fit, "fit_prior_gps", counted)
    assert fitted.refresh(storage).gps is fitted.gps and sizes == []
    add(storage, "dddd", high=2.0)
    add(storage, "bb", 2)
    fresh = fitted.refresh(storage)
    assert sizes == [2] and fresh.study_names == ("a", "bb", "ccc", "dddd")
    rows = fresh.space.rows([{"x": 0.3, "n": 2, "kind": "a"}, {"x": 0.9, "n": 7, "kind": "b"}])
    # The same two configurations in the same length scales, in a range twice as wide.
    np.testing.assert_allclose(
        fresh.predict(rows)[:, [0, 2]], fitted.predict(rows, fresh.space)[:, [0, 2]], rtol=1e-6
    )
    whole = fit_prior(Prior.from_storage(storage))
    sizes.clear()
    np.testing.assert_allclose(fresh.predict(rows), whole.predict(rows), atol=0.3)
    optuna.delete_study(study_name="a", storage=storage)
    fewer = fresh.refresh(storage)
    assert fewer.study_names == ("bb", "ccc", "dddd") and sizes == []
    np.testing.assert_allclose(fewer.predict(rows), fresh.predict(rows)[:, 1:], rtol=1e-9)


def test_an_unchanged_storage_is_twenty_times_faster(tmp_path: Path) -> None:
    from benchmarks.cost.fit_prior import write_studies

    write_studies(tmp_path / "db", 200, 20)
    url = f"sqlite:///{tmp_path / 'db'}"
    prior, first = cpu(lambda: Prior.from_storage(url))
    again, second = cpu(lambda: Prior.from_storage(url, update=prior))
    assert len(again) == 200 and second < first / 20.0


def cpu(call: Any) -> tuple[Any, float]:
    start = time.process_time()
    return call(), time.process_time() - start


def test_who_serves_is_not_left_out(tmp_path: Path) -> None:
    storage = RDBStorage(f"sqlite:///{tmp_path}/left.db")
    add(storage, "serves")
    add(storage, "short", n_trials=0)
    with pytest.warns(UserWarning, match="'short' is left out"):
        before = Prior.from_storage(storage)
    assert set(before.left_out) == {"short"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Told again or not.
        unchanged = Prior.from_storage(storage, update=before)
    assert unchanged.left_out == before.left_out
    study = optuna.load_study(study_name="short", storage=storage)
    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), n_trials=4)
    after = Prior.from_storage(storage, update=before)
    assert len(after) == 2 and not after.left_out

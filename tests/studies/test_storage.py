"""Prior studies from every kind of storage."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from datetime import timedelta
from pathlib import Path
import socket
import sys
from typing import Any
import weakref

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.storages import BaseStorage
from optuna.storages import GrpcStorageProxy
from optuna.storages import InMemoryStorage
from optuna.storages import JournalStorage
from optuna.storages import RDBStorage
from optuna.storages._grpc.server import make_server
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial
import pytest
from sqlalchemy.event import listen

from optuna_meta import fit_prior
from optuna_meta import record_meta_features
from optuna_meta.sampler.study_state import StudyState
from optuna_meta.studies import storage as reading
from optuna_meta.studies.prior import Prior
from tests import servers


KINDS = ["sqlite", "raw sqlite", "journal", "grpc", "memory"]
SIZES = {"down": 5, "up": 4}


def fill(storage: BaseStorage) -> None:
    """Two studies with failed, pruned and conditional trials."""
    for name, n in SIZES.items():
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            direction="minimize" if name == "down" else "maximize",
            sampler=optuna.samplers.RandomSampler(seed=n),
        )
        record_meta_features(study, {"size": n, "unknown": None})
        study.set_user_attr("use", name == "up")
        study.enqueue_trial({"x": 0.1, "kind": "a"})
        study.optimize(objective, n_trials=n, catch=ArithmeticError)


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", 1e-3, 1.0, log=True)
    extra = 0
    if trial.suggest_categorical("kind", ["a", "b", None, 1]) != "a":
        extra = trial.suggest_int("extra", 2, 10, step=2)
    if trial.number == 1:
        raise ArithmeticError
    trial.report(x, 1)
    if trial.number == 2:
        raise optuna.TrialPruned
    return x + extra


@pytest.fixture(scope="module")
def grpc_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseStorage]:
    """A proxy of a served SQLite file; the server ends with the tests."""
    path = tmp_path_factory.mktemp("grpc") / "served.db"
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    served = optuna.storages.get_storage(f"sqlite:///{path}")
    pool = ThreadPoolExecutor(2)
    server = make_server(served, "localhost", port, pool)
    server.start()
    proxy = GrpcStorageProxy(host="localhost", port=port)
    try:
        proxy.wait_server_ready(timeout=60)
        fill(proxy)
        yield proxy
    finally:
        proxy.close()
        server.stop(grace=None).wait()
        pool.shutdown()


@pytest.fixture(scope="module")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'some studies.db'}"
    fill(optuna.storages.get_storage(url))
    return url


@pytest.fixture
def storage(request: pytest.FixtureRequest, tmp_path: Path, sqlite_url: str) -> str | BaseStorage:
    match request.param:
        case "sqlite":
            return sqlite_url
        case "raw sqlite":
            return RDBStorage(sqlite_url)
        case "grpc":
            served: BaseStorage = request.getfixturevalue("grpc_storage")
            return served
        case "journal":
            fill(JournalStorage(JournalFileBackend(str(tmp_path / "log"))))
            return JournalStorage(JournalFileBackend(str(tmp_path / "log")))
    memory = InMemoryStorage()
    fill(memory)
    return memory


def assert_same(prior: Prior, other: Prior, *, marks: bool = True) -> None:
    assert prior.space == other.space and prior.names == other.names
    for task, expected in zip(prior.tasks, other.tasks, strict=True):
        np.testing.assert_array_equal(task.rows, expected.rows)
        np.testing.assert_array_equal(task.values, expected.values)
        np.testing.assert_equal(dict(task.meta_features), dict(expected.meta_features))
        assert not marks or task.fingerprint == expected.fingerprint != ""


@pytest.fixture(scope="module")
def reference() -> Prior:
    memory = InMemoryStorage()
    fill(memory)
    return Prior.from_storage(memory)


@pytest.mark.parametrize("storage", KINDS, indirect=True)
def test_every_storage_gives_the_same_prior(storage: str | BaseStorage, reference: Prior) -> None:
    prior = Prior.from_storage(storage)
    assert_same(prior, reference, marks=False)
    assert_same(prior, Prior.from_storage(storage))
    assert prior.names == ("down", "up") and prior.space.names == ("extra", "kind", "x")
    assert [len(t.values) for t in prior.tasks] == [n - 1 for n in SIZES.values()]
    assert prior.tasks[0].meta_features["size"] == 5.0


@pytest.mark.parametrize("storage", KINDS, indirect=True)
def test_studies_themselves_serve_as_well(storage: str | BaseStorage) -> None:
    studies = [optuna.load_study(study_name=name, storage=storage) for name in SIZES]
    assert_same(Prior.from_studies(studies), Prior.from_storage(storage))


@pytest.mark.parametrize("storage", KINDS, indirect=True)
def test_studies_are_chosen_by_name_and_by_attribute(storage: str | BaseStorage) -> None:
    chosen = Prior.from_storage(storage, where=lambda study: study.user_attrs["use"])
    assert chosen.names == ("up",)
    assert Prior.from_storage(storage, ["up", "down", "up"]).names == ("up", "down")
    assert Prior.from_storage(storage, "down").names == ("down",)
    assert Prior.from_storage(storage, []).names == ()
    with pytest.raises(ValueError, match="no study named 'dwon'; it has 'down', 'up'"):
        Prior.from_storage(storage, ["up", "dwon"])


@pytest.mark.parametrize("kind", [RDBStorage, InMemoryStorage])
def test_each_study_is_read_once_without_a_copy(
    kind: type[BaseStorage], sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = InMemoryStorage()
    fill(memory)
    storage = memory if kind is InMemoryStorage else RDBStorage(sqlite_url)
    reads: list[tuple[Any, ...]] = []
    method = "_get_trials" if kind is RDBStorage else "get_all_trials"
    original = getattr(kind, method)

    def counted(self: Any, study_id: int, *args: Any, **options: Any) -> Any:
        reads.append((study_id, options.get("deepcopy", False)))
        return original(self, study_id, *args, **options)

    monkeypatch.setattr(kind, method, counted)
    Prior.from_storage(storage)
    assert [deepcopy for _, deepcopy in reads] == [False] * 2
    assert len({study for study, _ in reads}) == 2
    reads.clear()
    Prior.from_storage(storage, where=lambda study: study.study_name == "up")
    assert len(reads) == 1


def test_a_mistyped_path_raises_and_creates_nothing(tmp_path: Path) -> None:
    for scheme in ("sqlite", "sqlite+pysqlite"):
        with pytest.raises(ValueError, match="No SQLite file at '.*typo.db'.*check the path"):
            Prior.from_storage(f"{scheme}:///{tmp_path / 'typo.db'}")
    with pytest.raises(ValueError, match="No SQLite file at '.*typo.db'"):
        Prior.from_storage(f"sqlite:///{tmp_path / 'typo.db'}?timeout=5")
    with pytest.raises(ValueError, match="No SQLite file at '.*'"):
        Prior.from_storage(f"sqlite:///{tmp_path}")  # A folder.
    assert list(tmp_path.iterdir()) == []


def test_relative_and_uri_paths_are_found(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    monkeypatch.chdir(path.parent)
    assert Prior.from_storage(f"sqlite:///{path.name}").names == ("down", "up")
    assert Prior.from_storage(f"sqlite:///file:{path}?uri=true").names == ("down", "up")
    assert Prior.from_storage("sqlite:///:memory:").names == ()
    with pytest.raises(ValueError, match="has no study named 'a'; it has no study at all"):
        Prior.from_storage("sqlite://", ["a"])


def test_reading_changes_no_trial() -> None:
    memory = InMemoryStorage()
    fill(memory)
    studies = [optuna.load_study(study_name=name, storage=memory) for name in SIZES]
    before = [study.get_trials(deepcopy=True) for study in studies]
    Prior.from_storage(memory, rename={"x": "y"}, defaults={"z": 1})
    assert [study.get_trials() for study in studies] == before


def test_a_broken_study_in_a_file_costs_only_itself(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'broken.db'}"
    storage = RDBStorage(url)
    fill(optuna.storages.get_storage(storage))
    with storage.engine.begin() as connection:
        connection.exec_driver_sql(
            'update trial_params set distribution_json = \'{"name": "Gone"}\' where trial_id in '
            "(select trial_id from trials join studies using (study_id) where study_name = 'up')"
        )
    with pytest.warns(UserWarning) as caught:
        prior = Prior.from_storage(url)
    assert prior.names == ("down",)
    assert len(caught) == 1
    assert "Prior study 'up' is left out: reading it failed" in str(caught[0].message)


def test_reading_takes_the_statements_of_a_bare_reading(sqlite_url: str) -> None:
    storage = RDBStorage(sqlite_url)
    statements: list[str] = []
    listen(storage.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    for study in storage.get_all_studies():
        storage.get_all_trials(study._study_id, deepcopy=False)
    bare = len(statements)
    statements.clear()
    prior = Prior.from_storage(storage)
    assert len(statements) <= bare
    statements.clear()
    Prior.from_storage(storage, update=prior)
    assert len(statements) <= 5  # However many studies there are.


def test_no_trial_is_kept_once_its_study_is_encoded(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[list[weakref.ref[FrozenTrial]]] = []
    observe = reading.observe

    def noted(trials: Sequence[FrozenTrial], *args: Any) -> Any:
        assert not any(ref() for refs in kept for ref in refs), "of the studies before"
        kept.append([weakref.ref(trial) for trial in trials])
        return observe(trials, *args)

    monkeypatch.setattr(reading, "observe", noted)
    prior = Prior.from_storage(sqlite_url)
    assert len(prior) == len(kept) == len(SIZES)
    assert not any(ref() for refs in kept for ref in refs)


def test_only_long_readings_show_how_far_they_are(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Prior.from_storage(sqlite_url)
    assert "Reading prior studies" not in capsys.readouterr().err
    assert reading._SILENT_SECONDS == 2.0
    monkeypatch.setattr(reading, "_SILENT_SECONDS", 0.0)
    Prior.from_storage(sqlite_url)
    assert "Reading prior studies" not in capsys.readouterr().err, "no terminal"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    Prior.from_storage(sqlite_url)
    assert "Reading prior studies" in capsys.readouterr().err


def test_a_study_is_known_by_its_content_where_starts_are_whole_seconds() -> None:
    """As MySQL keeps them: studies of one second are several, and none is another's target."""
    start = datetime(2026, 1, 1, 12)
    target, priors = InMemoryStorage(), InMemoryStorage()
    for i in range(3):
        study = optuna.create_study(storage=priors, study_name=f"s{i}")
        for value in (0.1 * i, 0.2, 0.9):
            study.add_trial(trial_at(start, value))
    prior = Prior.from_storage(priors)
    fitted = fit_prior(prior)

    def own(trials: list[optuna.trial.FrozenTrial], storage: BaseStorage) -> tuple[str, ...]:
        study = optuna.create_study(storage=storage)
        study.add_trials(trials)
        return StudyState().own_names(fitted, study, study.get_trials(deepcopy=False))

    assert own([trial_at(start, 0.7), trial_at(start, 0.2)], target) == ()
    assert own([trial_at(start + timedelta(seconds=0.6), 0.1)], target) == ("s1",)  # A copy.
    assert own([trial_at(start + timedelta(seconds=60), 0.1)], target) == ()
    assert own([trial_at(start, 0.1)], priors) == ()  # Another study of the same storage.
    itself = optuna.load_study(study_name="s1", storage=priors)
    assert StudyState().own_names(fitted, itself, itself.trials) == ("s1",)


def trial_at(start: datetime, value: float) -> optuna.trial.FrozenTrial:
    trial = optuna.trial.create_trial(
        value=value, params={"x": value}, distributions={"x": FloatDistribution(0, 1)}
    )
    trial.datetime_start = start
    return trial


@pytest.mark.parametrize("kind", ["postgresql", "mysql", "redis"])
def test_servers_give_the_same_prior_and_no_study_is_its_neighbour(
    kind: str, reference: Prior
) -> None:
    with servers.storage_of(kind) as storage:
        fill(storage)
        prior = Prior.from_storage(storage)
        assert_same(prior, reference, marks=False)
        fitted = fit_prior(prior)
        for name in SIZES:
            study = optuna.load_study(study_name=name, storage=storage)
            assert StudyState().own_names(fitted, study, study.trials) == (name,)
        target = optuna.create_study(storage=storage)  # In the same second.
        target.optimize(objective, n_trials=1)
        assert StudyState().own_names(fitted, target, target.trials) == ()

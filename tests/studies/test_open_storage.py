"""What a user calls a storage is opened, or the right call is named."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
import sqlite3
import warnings

import optuna
from optuna.storages import JournalStorage
from optuna.storages import RDBStorage
from optuna.storages.journal import JournalFileBackend
import pytest

from optuna_meta.studies.open_storage import opened
from optuna_meta.studies.prior import Prior


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "studies.log"
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(path))), study_name="s"
    )
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    return path


def test_the_path_of_a_journal_is_opened(journal: Path) -> None:
    assert Prior.from_storage(str(journal)).names == ("s",)
    renamed = journal.rename(journal.with_name("no ending"))
    assert Prior.from_storage(str(renamed)).names == ("s",)


def test_the_path_of_an_sqlite_file_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    study = optuna.create_study(storage=f"sqlite:///{path}", study_name="s")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    assert Prior.from_storage(str(path)).names == ("s",)
    assert isinstance(opened(str(path)), RDBStorage)  # Without a cache that keeps all it read.


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("gone.log", None, "No file at '.*gone.log'.*no storage URL"),
        ("old.db", b"", "neither an SQLite database nor an Optuna journal.*sqlite:///"),
        ("notes.txt", b"some notes\n", "neither an SQLite database nor an Optuna journal"),
        ("other.log", b'{"some": "json"}\n', "neither"),
    ],
)
def test_other_paths_are_named(
    path: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / path).write_bytes(content)
    before = list(tmp_path.iterdir())
    with pytest.raises(ValueError, match=message):
        Prior.from_storage(str(tmp_path / path))
    assert list(tmp_path.iterdir()) == before


def test_redis_is_read_by_the_call_that_is_named() -> None:
    with pytest.raises(ValueError, match=r"JournalStorage\(JournalRedisBackend\(url\)\)"):
        Prior.from_storage("redis://localhost:6379")
    with pytest.raises(ValueError, match="storage object is wanted, got int"):
        Prior.from_storage(7)  # type: ignore[arg-type]


def test_a_journal_damaged_in_a_line_names_file_and_line(journal: Path) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3][:20] + b"\n"
    journal.write_bytes(b"".join(lines))
    with pytest.raises(ValueError, match="studies.log' is damaged in line 4, '.*: it was cut"):
        Prior.from_storage(str(journal))


def test_a_journal_that_is_damaged_while_it_is_open_is_named_too(journal: Path) -> None:
    storage = JournalStorage(JournalFileBackend(str(journal)))
    n_lines = journal.read_bytes().count(b"\n")
    with journal.open("ab") as file:
        file.write(b"\0\0\0\n{}\n")
    with pytest.raises(ValueError, match=f"studies.log' is damaged in line {n_lines + 1}, "):
        Prior.from_storage(storage)


def test_a_journal_that_ends_in_mid_line_is_told(journal: Path) -> None:
    content = journal.read_bytes()
    n_lines = content.count(b"\n")
    journal.write_bytes(content + b'{"op_code": 4, "wor')
    with pytest.warns(UserWarning, match=f"ends in the middle of line {n_lines + 1}"):
        assert len(Prior.from_storage(str(journal))) == 1
    journal.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Prior.from_storage(str(journal))


def test_a_database_of_others_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE experiments (name TEXT)")
        database.execute("CREATE TABLE runs (name TEXT)")
        database.commit()
    before = path.read_bytes()
    for source in (str(path), f"sqlite:///{path}"):
        with pytest.raises(ValueError, match="no Optuna studies; it is a store of MLflow"):
            Prior.from_storage(source)
    assert path.read_bytes() == before

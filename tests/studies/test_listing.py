"""Storages that cannot tell all of their studies at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
from optuna.storages import InMemoryStorage
from optuna.storages import RDBStorage
import pytest
import sqlalchemy

from optuna_meta.studies.prior import Prior


def fill(storage: Any, names: tuple[str, ...] = ("a", "broken", "b")) -> None:
    for i, name in enumerate(names):
        study = optuna.create_study(
            storage=storage, study_name=name, sampler=optuna.samplers.RandomSampler(seed=i)
        )
        study.set_user_attr("team", name)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)


class Unlisted(InMemoryStorage):
    """One that raises as MLflow's does, whose trials are taken for studies."""

    def get_all_studies(self) -> list[Any]:
        raise KeyError("optuna.study_direction")


def test_a_broken_description_never_stops_the_other_studies(tmp_path: Path) -> None:
    storage = RDBStorage(f"sqlite:///{tmp_path / 'studies.db'}")
    fill(storage)
    broken = "UPDATE study_user_attributes SET value_json = '{cut' WHERE value_json = '\"broken\"'"
    with storage.engine.begin() as connection:
        assert connection.execute(sqlalchemy.text(broken)).rowcount == 1
    with pytest.raises(ValueError):
        storage.get_all_studies()
    with pytest.warns(UserWarning, match="'broken' is left out: reading it failed: JSONDecodeErr"):
        assert Prior.from_storage(storage).names == ("a", "b")
    with pytest.warns(UserWarning, match="'broken' is left out"):
        prior = Prior.from_storage(storage, where=lambda study: study.user_attrs["team"] == "b")
    assert prior.names == ("b",)


def test_studies_of_a_storage_that_lists_none_are_read_by_name() -> None:
    storage = Unlisted()
    fill(storage)
    assert Prior.from_storage(storage, ["b", "a"]).names == ("b", "a")
    with pytest.raises(ValueError, match=r"cannot list its studies \(KeyError.*from_mlflow"):
        Prior.from_storage(storage)


def test_an_outage_is_no_broken_study() -> None:
    class Silent(InMemoryStorage):
        def get_all_studies(self) -> list[Any]:
            raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="Read 0 of the studies.*gone"):
        Prior.from_storage(Silent(), patience=0.1)

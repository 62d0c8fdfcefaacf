"""Reports among a study's attributes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import socket
import threading
from typing import Any

import numpy as np
import optuna
from optuna.storages import BaseStorage
from optuna.storages import get_storage
from optuna.storages import GrpcStorageProxy
from optuna.storages import InMemoryStorage
from optuna.storages import JournalStorage
from optuna.storages import run_grpc_proxy_server
from optuna.storages.journal import JournalFileBackend
import pytest

from optuna_meta import MetaSampler
from optuna_meta.replay.saving import Saving
from optuna_meta.reporting import publish as publish_module
from optuna_meta.reporting import publish_report
from optuna_meta.reporting.publish import MOST_NOTED
from optuna_meta.reporting.publish import noted_trials
from optuna_meta.reporting.summary import summarise
from tests.toys import bowl
from tests.toys import bowl_prior
from tests.visualization.studies import record
from tests.visualization.studies import recorded_study
from tests.visualization.studies import telling_study


dashboard = pytest.importorskip("optuna_dashboard")
pytest.importorskip("plotly")
SAVING = Saving(2, 0.1, np.array([5.0, 9.0]), 10, courses=np.full((2, 10), 0.5))


def attributes(study: optuna.Study) -> dict[str, Any]:
    return dict(study._storage.get_study_system_attrs(study._study_id))


def figures(study: optuna.Study) -> dict[str, str]:
    """The figures as the dashboard reads them."""
    from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

    return dict(get_plotly_graph_objects(attributes(study)))


@contextmanager
def storage_of(kind: str, folder: Path) -> Iterator[BaseStorage]:
    if kind == "memory":
        yield InMemoryStorage()
    elif kind == "sqlite":
        yield get_storage(f"sqlite:///{folder / 'a.db'}")
    elif kind == "journal":
        yield JournalStorage(JournalFileBackend(str(folder / "a.log")))
    else:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        behind = InMemoryStorage()
        options = {"host": "127.0.0.1", "port": port}
        serve = threading.Thread(
            target=run_grpc_proxy_server, args=(behind,), kwargs=options, daemon=True
        )
        serve.start()
        proxy = GrpcStorageProxy(**options)
        proxy.wait_server_ready(timeout=60)
        yield proxy
        proxy.close()


@pytest.mark.parametrize("kind", ["memory", "sqlite", "journal", "grpc"])
def test_a_report_is_published_in_every_storage(kind: str, tmp_path: Path) -> None:
    if kind == "grpc":
        pytest.importorskip("grpc")
    with storage_of(kind, tmp_path) as storage:
        sampler = MetaSampler(prior_studies=bowl_prior(), seed=0)
        study = optuna.create_study(storage=storage, sampler=sampler)
        study.optimize(bowl(), n_trials=3)
        publish_report(study, saving=SAVING)
        assert "What earlier studies did" in dashboard.get_note(study)
        assert "It has saved about 3 trials" in dashboard.get_note(study)
        assert set(figures(study)) == {
            f"optuna_meta-{name}" for name in ("trust", "history", "map", "more")
        }


def test_a_second_report_replaces_the_first_and_the_same_writes_nothing() -> None:
    study = telling_study()
    publish_report(study, saving=False)
    before = attributes(study)
    publish_report(study, saving=False)
    assert attributes(study) == before
    study.add_trial(optuna.trial.create_trial(value=9.0, user_attrs=record(0.05)))
    publish_report(study, saving=False)
    after = attributes(study)
    assert "is 0.05 now" in dashboard.get_note(study)
    assert dashboard.get_note(study).count("What earlier studies did") == 1
    assert set(figures(study)) == {"optuna_meta-trust", "optuna_meta-more"}
    assert after != before


def test_what_users_wrote_stays() -> None:
    study = telling_study()
    dashboard.save_note(study, "Mine before.")
    publish_report(study, saving=False)
    dashboard.save_note(study, f"{dashboard.get_note(study)}\n\nMine after.")
    study.add_trial(optuna.trial.create_trial(value=9.0, user_attrs=record(0.05)))
    publish_report(study, saving=False)
    note = dashboard.get_note(study)
    assert note.startswith("Mine before.") and note.endswith("Mine after.")
    assert "is 0.05 now" in note and note.count("How to read it") == 1


def test_at_most_twenty_trials_have_a_note_the_telling_ones() -> None:
    attrs = [record(0.9) for _ in range(60)]
    attrs[40] = record(0.5, events=["dropped: a"])
    study = recorded_study(attrs, values=[float(59 - i) for i in range(60)])
    chosen = [t.number for t in noted_trials(study.trials, summarise(study))]
    assert len(chosen) == MOST_NOTED and {40, 59, 0, 17} <= set(chosen)
    publish_report(study, saving=False)
    noted = [k for k in attributes(study) if k.endswith(":note_ver") and k.count(":") == 2]
    assert len(noted) == MOST_NOTED


def test_notes_of_trials_keep_what_users_wrote() -> None:
    study = telling_study()
    publish_report(study, saving=False)
    place = publish_module.notable(study, study.trials[0])
    assert "with a trust of 0.90" in dashboard.get_note(place)


def test_without_the_dashboard_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_module, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'optuna-meta\[dashboard,plots\]'"):
        publish_report(telling_study())


def test_a_study_of_another_sampler_has_a_report_too() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(bowl(), n_trials=2)
    publish_report(study)
    assert "nothing is known of prior studies" in dashboard.get_note(study)

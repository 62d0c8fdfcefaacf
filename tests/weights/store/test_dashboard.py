"""What the dashboard shows of checkpoints, and what it deletes, asked as a browser asks."""

from __future__ import annotations

from collections.abc import Iterable
import io
import json
from pathlib import Path
from typing import Any

import optuna
from optuna.artifacts import FileSystemArtifactStore
import pytest
import safetensors.torch

from optuna_meta.weights import Checkpoint
from tests.weights.toys import saved
from tests.weights.toys import store_in


dashboard = pytest.importorskip("optuna_dashboard")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


class _Browser:
    def __init__(self, storage: optuna.storages.BaseStorage, folder: Path) -> None:
        artifacts = FileSystemArtifactStore(folder)
        self._app = dashboard.wsgi(storage, artifact_store=artifacts)

    def ask(self, method: str, path: str) -> tuple[int, bytes]:
        told: list[str] = []

        def start_response(status: str, headers: Any, error: Any = None) -> Any:
            told.append(status)

        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "http",
        }
        body: Iterable[bytes] = self._app(environ, start_response)
        return int(told[-1].split()[0]), b"".join(body)


def _scene(folder: Path) -> tuple[_Browser, Any, optuna.Study, str]:
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="digits")
    store = store_in(folder)
    saved(store, [0.25, 0.5], study=study, step=3)
    ids = (study._study_id, study.trials[0]._trial_id)
    artifact = store.records(study)[0].weights.artifact_id
    return _Browser(storage, folder), store, study, f"{ids[0]}/{ids[1]}/{artifact}"


def test_a_checkpoint_downloads_and_its_numbers_sort(tmp_path: Path) -> None:
    browser, store, study, place = _scene(tmp_path / "artifacts")
    status, body = browser.ask("GET", f"/artifacts/{place}")
    assert status == 200
    (tmp_path / "downloaded").write_bytes(body)
    checkpoint = Checkpoint.load_file(tmp_path / "downloaded")
    assert checkpoint.metadata.params == study.trials[0].params
    assert safetensors.torch.load(body).keys() == {"weight", "bias"}

    status, body = browser.ask("GET", f"/api/studies/{study._study_id}")
    assert status == 200
    told = json.loads(body)
    shown = {attr["key"]: attr["value"] for attr in told["trials"][0]["user_attrs"]}
    assert float(shown["ckpt:value"]) == 0.25
    assert not any(key.startswith("optuna_meta:") for key in shown)  # Nor anything long.
    names = [artifact["filename"] for artifact in told["trials"][0]["artifacts"]]
    assert len(names) == 1 and names[0] == "digits-trial0-step3.weights.safetensors"
    sortable = {attr["key"] for attr in told["union_user_attrs"] if attr["sortable"]}
    assert sortable == {"ckpt:value", "ckpt:step"}


def test_what_it_deletes_is_reported_as_missing(tmp_path: Path) -> None:
    browser, store, study, place = _scene(tmp_path / "artifacts")
    browser.ask("DELETE", f"/api/artifacts/{place}")
    report = store.verify(study)
    assert [finding.status for finding in report.findings] == ["missing", "intact"]
    assert not report.ok
    store_in(tmp_path / "artifacts", save_top_k=1).prune(study)

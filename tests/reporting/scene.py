"""A study that was really run, published, and shown by optuna-dashboard in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import shutil
from socketserver import ThreadingMixIn
import subprocess
import threading
from typing import Any
from wsgiref.simple_server import make_server
from wsgiref.simple_server import WSGIRequestHandler
from wsgiref.simple_server import WSGIServer

import optuna
from optuna.artifacts import FileSystemArtifactStore
import pytest
import torch

from optuna_meta import fit_prior
from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta import record_meta_features
from optuna_meta.weights import CheckpointStore
from optuna_meta.weights import initialize
from optuna_meta.weights import record_lineage
from tests.toys import bowl
from tests.toys import run


BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def prior_studies(storage: str | optuna.storages.BaseStorage) -> list[optuna.Study]:
    """Two studies of tasks like the target's, one reversed, one of noise, one of another task."""
    noise = optuna.samplers.RandomSampler(seed=9)

    def noisy(trial: optuna.Trial) -> float:
        bowl()(trial)
        return float(noise._rng.rng.random())

    objectives = {
        "twin": bowl(0.31),
        "cousin": bowl(0.26),
        "upside down": bowl(0.3, sign=-1.0),
        "noise": noisy,
        "elsewhere": bowl(0.95),
    }
    studies = []
    for seed, (name, objective) in enumerate(objectives.items()):
        study = run(objective, 25, seed=seed, study_name=name, storage=storage)
        record_meta_features(study, {"rows": 100.0 + seed, "classes": 2.0 + seed % 2})
        studies.append(study)
    return studies


def run_study(folder: Path, n_trials: int = 14) -> tuple[optuna.Study, CheckpointStore]:
    """Run a study after others, with weights from one of them and the best checkpoints kept."""
    url = f"sqlite:///{folder / 'studies.db'}"
    sampler = MetaSampler(prior_studies=fit_prior(Prior.from_studies(prior_studies(url))), seed=0)
    study = optuna.create_study(storage=url, study_name="new task", sampler=sampler)
    record_meta_features(study, {"rows": 100.0, "classes": 2.0})
    store = CheckpointStore(folder / "artifacts", save_top_k=2)
    source = optuna.load_study(study_name="twin", storage=url).ask()
    record = store.save(source, torch.nn.Linear(3, 1))
    earlier = store.load(record)

    def objective(trial: optuna.Trial) -> float:
        value = bowl()(trial)
        model = torch.nn.Linear(3, 1)
        if trial.number % 2:
            record_lineage(trial, initialize(model, earlier))
        store.save(trial, model, value=value)
        return value

    study.optimize(objective, n_trials=n_trials, callbacks=[store.prune])
    return study, store


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@contextmanager
def dashboard(storage: str, artifacts: Path) -> Iterator[str]:
    """The address of a real optuna-dashboard, for as long as it is needed."""
    module = pytest.importorskip("optuna_dashboard")
    app = module.wsgi(storage, artifact_store=FileSystemArtifactStore(artifacts))
    server = make_server("127.0.0.1", 0, app, _Server, _Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Browser:
    """Chromium without a window: each page in a process of its own, that ends with it."""

    def __init__(self, profile: Path) -> None:
        found = [path for name in BROWSERS if (path := shutil.which(name))]
        if not found:
            pytest.skip("There is no Chromium here: apt-get install chromium")
        self._program, self._profile = found[0], profile

    def dom(self, address: str) -> str:
        """What a page consists of once its scripts have run."""
        return self._run("--dump-dom", address)

    def screenshot(self, address: str, file: Path, size: tuple[int, int]) -> None:
        """What a person sees, as a PNG file."""
        width, height = size
        self._run(f"--screenshot={file}", f"--window-size={width},{height}", address)

    def _run(self, *arguments: str) -> str:
        command = [
            self._program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            f"--user-data-dir={self._profile}",
            "--virtual-time-budget=15000",
            *arguments,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

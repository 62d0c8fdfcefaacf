from __future__ import annotations

import os
from pathlib import Path
import subprocess
import sys

import optuna
import pytest
import torch

from optuna_meta.weights import Checkpoint
from optuna_meta.weights import CheckpointStore
from tests.weights.toys import files_of
from tests.weights.toys import fill_of
from tests.weights.toys import linear
from tests.weights.toys import saved
from tests.weights.toys import store_in


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "new" / "folder")
    study = saved(store, [0.25], step=7, tags=["a", "b"])
    (record,) = store.records(study)
    assert (record.study, record.trial, record.value, record.step) == ("digits", 0, 0.25, 7)
    checkpoint = store.load(record)
    metadata = checkpoint.metadata
    assert metadata.params == study.trials[0].params
    assert (metadata.study, metadata.trial, metadata.step) == ("digits", 0, 7)
    assert (metadata.tags, metadata.value) == (("a", "b"), 0.25)
    assert metadata.sha256 == record.weights.sha256
    assert checkpoint.state["weight"].tolist() == [[0.25] * 3]
    entries = store.header(record).entries
    assert {entry.name: entry.shape for entry in entries} == checkpoint.shapes


def test_a_pruned_trial_keeps_its_checkpoint(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    study = optuna.create_study()

    def objective(trial: optuna.Trial) -> float:
        trial.report(0.7, step=1)
        store.save(trial, linear(0.5), step=1)
        raise optuna.TrialPruned

    study.optimize(objective, n_trials=1)
    (record,) = store.records(study)
    assert record.value == 0.7
    assert fill_of(store, record) == 0.5


def test_a_finished_trial_cannot_be_changed(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    study = optuna.create_study(study_name="digits")
    trial = study.ask()
    study.tell(trial, 1.0)
    with pytest.raises(ValueError, match="Trial 0 of study 'digits' is finished .* before it ret"):
        store.save(trial, linear())
    assert not files_of(tmp_path)


def test_weights_that_are_no_module_are_saved_too(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    trial = optuna.create_study(study_name="new").ask()
    averaged = Checkpoint({"a": torch.ones(2)})
    record = store.save(trial, averaged, value=0.5)
    loaded = store.load(record)
    assert torch.equal(loaded.state["a"], torch.ones(2))
    assert (loaded.metadata.study, loaded.metadata.value) == ("new", 0.5)


def test_threads_share_a_study(tmp_path: Path) -> None:
    store = store_in(tmp_path, save_top_k=3)
    study = optuna.create_study()

    def objective(trial: optuna.Trial) -> float:
        value = trial.suggest_float("x", 0.0, 1.0)
        for step in range(3):
            loss = value + 2 - step
            store.save(trial, linear(loss), value=loss, step=step)
        return value

    study.optimize(objective, n_trials=24, n_jobs=4)
    store.prune(study)
    records = store.records(study)
    best = sorted(t.value for t in study.trials)[:3]
    assert [r.value for r in records] == pytest.approx(best)
    assert [fill_of(store, r) for r in records] == pytest.approx([r.value for r in records])
    assert files_of(tmp_path) == {r.weights.artifact_id for r in records}
    assert store.verify(study).ok


_WORKER = """
import sys, optuna
from tests.weights.toys import linear
from optuna_meta.weights import CheckpointStore

folder, store = sys.argv[1], CheckpointStore(sys.argv[1] + "/artifacts", save_top_k=3)
study = optuna.load_study(study_name="digits", storage="sqlite:///" + folder + "/studies.db")
for _ in range(5):
    trial = study.ask()
    value = trial.suggest_float("x", 0.0, 1.0)
    for step in range(2):
        store.save(trial, linear(value), value=value + 1 - step, step=step)
    study.tell(trial, value)
"""


def test_processes_share_a_study(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="digits", storage=f"sqlite:///{tmp_path}/studies.db")
    paths = os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])
    run = [sys.executable, "-c", _WORKER, str(tmp_path)]
    workers = [subprocess.Popen(run, env={**os.environ, "PYTHONPATH": paths}) for _ in range(2)]
    assert [worker.wait() for worker in workers] == [0, 0]
    store = store_in(tmp_path / "artifacts", save_top_k=3)
    store.prune(study)
    records = store.records(study)
    best = sorted(t.value for t in study.trials)[:3]
    assert [r.value for r in records] == pytest.approx(best)
    assert files_of(tmp_path / "artifacts") == {r.weights.artifact_id for r in records}
    assert store.verify(study).ok and len(study.trials) == 10


_MEMORY = """
import resource, sys, optuna, torch
from optuna_meta.weights import CheckpointStore

def peak():
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)

store, trial = CheckpointStore(sys.argv[1]), optuna.create_study().ask()
store.save(trial, torch.nn.Linear(1, 1))  # What is set up once.
model = torch.nn.Module()
for number in range(64):
    turned = torch.ones(512, 1024).T
    model.register_parameter(f"p{number}", torch.nn.Parameter(turned, requires_grad=False))
before = peak()
record = store.save(trial, model)
saving = peak() - before
store.verify(trial.study)
del model
store.load(record)
print(record.weights.n_bytes / 2**20, saving, peak() - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Peak memory is not known there.")
def test_memory_is_not_doubled(tmp_path: Path) -> None:
    """MiB that saving, verifying and loading take at most beside a model of 128 MiB."""
    run = [sys.executable, "-c", _MEMORY, str(tmp_path)]
    printed = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    size, saving, all_told = map(float, printed.split())
    assert size > 128
    assert saving < 48  # All tensors are turned: one of 2 MiB is put in order at a time.
    assert all_told < 64

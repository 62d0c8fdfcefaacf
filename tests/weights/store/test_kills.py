"""Processes that are killed at any moment: nothing is lost, and nothing is left after a prune."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
import random
import signal
import time
from typing import Any

import optuna
from optuna.trial import TrialState
import pytest

from optuna_meta.weights import CheckpointStore
from optuna_meta.weights.store.processes import is_over
from optuna_meta.weights.store.processes import this_process
from optuna_meta.weights.store.staging import staged
from tests.weights.toys import files_of
from tests.weights.toys import fill_of
from tests.weights.toys import linear
from tests.weights.toys import steps
from tests.weights.toys import store_in


pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Of forking beside threads.
    pytest.mark.skipif(
        "fork" not in multiprocessing.get_all_start_methods(),
        reason="Processes are not forked here.",
    ),
]

N_KILLS = int(os.environ.get("OPTUNA_META_KILLS", "8"))


def _write(folder: Path, top_k: int | None, said: Any) -> None:
    """Train for ever, and say of each checkpoint when it was saved."""
    import torch

    storage = optuna.storages.RDBStorage(
        f"sqlite:///{folder}/studies.db", engine_kwargs={"connect_args": {"timeout": 60}}
    )
    study = optuna.load_study(study_name="digits", storage=storage)
    store = store_in(folder / "artifacts", save_top_k=top_k, staging=folder / "staging")
    while True:
        trial = study.ask()
        for step in range(3):
            model = linear(trial.number + step / 10, n=2000)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            store.save(trial, model, value=-trial.number, step=step, optimizer=optimizer)
            os.write(said, f"{trial.number} {step}\n".encode())
        study.tell(trial, -trial.number)


def _wait_for(reading: int, said: list[str], n: int) -> None:
    """Wait until the writers have saved as many more checkpoints, for a minute at most."""
    wanted, until = len(said) + n, time.monotonic() + 60.0
    while True:
        try:
            said += os.read(reading, 1 << 20).decode().splitlines()
        except BlockingIOError:
            time.sleep(0.005)
        if len(said) >= wanted or time.monotonic() > until:
            return


@pytest.mark.parametrize("top_k", [None, 2])
def test_kills_lose_nothing_and_leave_nothing(tmp_path: Path, top_k: int | None) -> None:
    (tmp_path / "staging").mkdir()
    storage = f"sqlite:///{tmp_path}/studies.db"
    study = optuna.create_study(study_name="digits", storage=storage)
    said: list[str] = []
    context, draw = multiprocessing.get_context("fork"), random.Random(0)
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    for _ in range(N_KILLS // 2):
        writers = [
            context.Process(target=_write, args=(tmp_path, top_k, writing)) for _ in range(2)
        ]
        for writer in writers:
            writer.start()
        _wait_for(reading, said, draw.randint(1, 6))
        time.sleep(draw.random() / 50)
        for writer in writers:
            os.kill(writer.pid or 0, signal.SIGKILL)
            writer.join()
    _wait_for(reading, said, 0)
    os.close(reading), os.close(writing)
    store = store_in(tmp_path / "artifacts", save_top_k=top_k, staging=tmp_path / "staging")
    assert len(said) >= N_KILLS // 2
    kept = {(r.trial, r.step) for r in store.records(study)}
    if top_k is None:
        assert {tuple(map(int, line.split())) for line in said} <= kept
    running = [t for t in study.trials if t.state == TrialState.RUNNING]
    store.prune(study)  # Their processes are known to be over.
    for trial in running:
        study.tell(trial.number, state=TrialState.FAIL)
    store.prune(study)
    assert store.verify(study).ok
    assert {f.status for f in store.verify(study).findings} <= {"intact", "pruned"}
    records = store.records(study)
    for record in records:
        assert fill_of(store, record) == pytest.approx(record.trial + (record.step or 0) / 10)
    indexes = {
        t.system_attrs["optuna_meta:checkpoints"]["earlier"][0]
        for t in study.trials
        if "earlier" in t.system_attrs.get("optuna_meta:checkpoints", {})
    }
    expected = {blob.artifact_id for record in records for blob in record.blobs} | indexes
    assert files_of(tmp_path / "artifacts") == expected
    assert not files_of(tmp_path / "staging")


def _stop_in_between(folder: Path, said: Any) -> None:
    """Save a step, say so, and stand still."""
    storage, store = _beating(folder), store_in(folder / "artifacts")
    save = store.save

    def saved(trial: optuna.Trial, *given: Any, step: int, **named: Any) -> Any:
        record = save(trial, *given, step=step, **named)
        if step == 2:
            os.write(said, b"0 2\n")
            signal.pause()
        return record

    store.save = saved  # type: ignore[method-assign,assignment]
    optuna.load_study(study_name="digits", storage=storage).optimize(steps(store, None), 1)


def _beating(folder: Path) -> optuna.storages.RDBStorage:
    return optuna.storages.RDBStorage(
        f"sqlite:///{folder}/studies.db",
        heartbeat_interval=1,
        grace_period=1,
        heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(),
    )


def test_a_killed_trial_goes_on_by_itself(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="digits", storage=f"sqlite:///{tmp_path}/studies.db")
    study.enqueue_trial({"rate": 0.05})
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_stop_in_between, args=(tmp_path, writing))
    process.start()
    _wait_for(reading, [], 1)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    os.close(reading), os.close(writing)
    time.sleep(2.1)  # Until its heartbeat is missed.
    store = store_in(tmp_path / "artifacts")
    study = optuna.load_study(study_name="digits", storage=_beating(tmp_path))
    study.optimize(steps(store, None), 1)
    killed, retried = study.trials
    assert killed.state == TrialState.FAIL and retried.user_attrs["start"] == 3
    assert retried.system_attrs["failed_trial"] == 0
    whole = optuna.create_study()
    whole.enqueue_trial(killed.params)
    whole.optimize(steps(store_in(tmp_path / "others"), None), 1)
    assert retried.value == whole.trials[0].value


def test_staging_of_a_living_process_stays(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "artifacts", staging=tmp_path)
    study = optuna.create_study()
    with staged(tmp_path) as folder:
        store.prune(study)
        assert folder.is_dir() and folder.name.startswith(f"optuna_meta-{this_process()}-")
    foreign = tmp_path / "optuna_meta-elsewhere.1.1-x"
    foreign.mkdir()
    store.prune(study)
    assert foreign.is_dir()  # Of another machine nothing is known.
    assert not is_over(this_process()) and not is_over("") and not is_over("a.b")

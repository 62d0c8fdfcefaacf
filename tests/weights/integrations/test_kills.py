"""Trials of real trainers, ended by SIGKILL in processes of their own, go on in another.

One that dies is ``python -m tests.weights.integrations.test_kills KIND STORAGE FOLDER BATCH``.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
import os
from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages import RDBStorage
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
import pytest
import torch
from torch import nn

from optuna_meta.weights import Checkpoint
from optuna_meta.weights import CheckpointStore
from optuna_meta.weights.warm_start.report import WEIGHTS_FROM_KEY
from tests.weights.integrations.toys import assert_equal
from tests.weights.integrations.toys import PARAMS
from tests.weights.toys import files_of
from tests.weights.toys import store_in


pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="There is no SIGKILL here."),
    pytest.mark.filterwarnings(
        "ignore:.*is_gradient_checkpointing",
        "ignore:.*LeafSpec",
        "ignore:.*does not have many workers",
        "ignore:.*number of training batch",
    ),
]

ROOT = Path(__file__).parents[3]
Trained = tuple[nn.Module, int]  # And the step that the trainer came to.


def killed_at(model: nn.Module, batch: int) -> None:
    """Let a process end as it trains on its nth batch; never if that is 0."""
    numbers = count(1)

    def kill(module: nn.Module, given: Any) -> None:
        if module.training and next(numbers) == batch:
            os.kill(os.getpid(), signal.SIGKILL)

    model.register_forward_pre_hook(kill)


def adapter(trial: optuna.Trial, store: CheckpointStore, folder: Path, dies_at: int) -> Trained:
    """An adapter of PEFT in the ``Trainer``, which evaluates in the middle of epochs."""
    from optuna_meta.weights.integrations import TransformersCallback
    from tests.weights.integrations.test_peft import adapted
    from tests.weights.integrations.test_transformers import trainer_for

    start = Checkpoint.from_model(adapted(seed=7), trainable_only=True)
    callback = TransformersCallback(trial, store, trainable_only=True, start=start)
    when = {"eval_strategy": "steps", "eval_steps": 4}
    trainer = trainer_for(folder, callback, build=adapted, rate=trial.params["rate"], **when)
    killed_at(trainer.model, dies_at)
    stopped = callback.resume(trainer)
    assert stopped is None or Path(stopped).parent == store.staging
    trainer.train(resume_from_checkpoint=stopped)
    return trainer.model, trainer.state.global_step


def module(trial: optuna.Trial, store: CheckpointStore, folder: Path, dies_at: int) -> Trained:
    """A module of Lightning."""
    from optuna_meta.weights.integrations import LightningCallback
    from tests.weights.integrations.test_lightning import fit
    from tests.weights.integrations.test_lightning import Module

    torch.manual_seed(0)
    start, made = Checkpoint.from_model(Module()), Module(trial.params["rate"])
    killed_at(made.net, dies_at)
    torch.manual_seed(trial.number)  # A new process has other random numbers.
    trainer = fit(made, LightningCallback(trial, store, start=start))
    return made, trainer.global_step


def net(trial: optuna.Trial, store: CheckpointStore, folder: Path, dies_at: int) -> Trained:
    """A net of skorch, whose steps are epochs."""
    from skorch.callbacks import LRScheduler

    from optuna_meta.weights.integrations import SkorchCallback
    from tests.weights.integrations.test_skorch import fit
    from tests.weights.integrations.test_skorch import Net

    torch.manual_seed(0)
    start, made = Checkpoint.from_model(Net()), Net()
    killed_at(made, dies_at)
    torch.manual_seed(trial.number)
    schedule = LRScheduler("ExponentialLR", gamma=0.7)
    callback = SkorchCallback(trial, store, start=start)
    fitted = fit(callback, schedule, rate=trial.params["rate"], module=made)
    return fitted.module_, len(fitted.history)


KINDS: dict[str, tuple[Callable[..., Trained], list[str]]] = {
    "adapter": (adapter, ["peft", "transformers", "accelerate"]),
    "module": (module, ["lightning"]),
    "net": (net, ["skorch"]),
}


def opened(folder: Path, storage: str) -> optuna.Study:
    """Open a study as the documentation does, and queue what was killed once more."""
    if storage == "journal":
        journal = JournalStorage(JournalFileBackend(str(folder / "studies.log")))
        study = optuna.create_study(storage=journal, study_name="digits", load_if_exists=True)
        for trial in study.get_trials(states=[TrialState.RUNNING]):
            study.tell(trial.number, state=TrialState.FAIL)
            RetryHeartbeatStaleTrialCallback()(study, trial)
        return study
    rdb = RDBStorage(
        f"sqlite:///{folder}/studies.db",
        heartbeat_interval=1,
        grace_period=1,
        heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
    )
    return optuna.create_study(storage=rdb, study_name="digits", load_if_exists=True)


def train(study: optuna.Study, kind: str, folder: Path, dies_at: int = 0) -> Trained:
    """Run one trial."""
    store = store_in(folder / "artifacts", staging=folder)
    trained: list[Trained] = []

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("rate", 1e-4, 1e-1, log=True)
        trained.append(KINDS[kind][0](trial, store, folder, dies_at))
        return 0.0

    if not study.trials:
        study.enqueue_trial(PARAMS)
    study.optimize(objective, 1)
    return trained[0]


@pytest.mark.parametrize(
    ("kind", "storage", "dies_at", "reported"),
    [  # Where each trial reported: none does so again what another has.
        ("adapter", "sqlite", [10], [[4, 8], [12]]),
        ("module", "journal", [8], [[0, 1], [2, 3]]),
        ("net", "sqlite", [6, 6], [[1], [2], [3, 4]]),
    ],
)
def test_a_killed_training_ends_like_the_uninterrupted_one(
    kind: str, storage: str, dies_at: list[int], reported: list[list[int]], tmp_path: Path
) -> None:
    for library in KINDS[kind][1]:
        pytest.importorskip(library)
    folder, other = tmp_path / "killed", tmp_path / "whole"
    folder.mkdir()
    other.mkdir()
    for batch in dies_at:
        command = [sys.executable, "-m", "tests.weights.integrations.test_kills", kind, storage]
        done = subprocess.run(
            [*command, str(folder), str(batch)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
        time.sleep(2.1 if storage == "sqlite" else 0.0)  # Until its heartbeat is missed.
    study = opened(folder, storage)
    resumed, step = train(study, kind, folder)
    whole, steps = train(optuna.create_study(study_name="whole"), kind, other)
    assert step == steps
    assert_equal(whole, resumed)
    assert [t.state for t in study.trials] == [TrialState.FAIL] * len(dies_at) + [
        TrialState.COMPLETE
    ]
    assert [sorted(t.intermediate_values) for t in study.trials] == reported
    lineages = [t.user_attrs[WEIGHTS_FROM_KEY] for t in study.trials]
    assert all(lineage == lineages[0] for lineage in lineages)
    store = store_in(folder / "artifacts", staging=folder)
    store.prune(study)
    assert store.verify(study).ok
    assert not [name for name in files_of(folder) if name.startswith("optuna_meta-")]


if __name__ == "__main__":
    given, where, place, at = sys.argv[1:]
    train(opened(Path(place), where), given, Path(place), int(at))

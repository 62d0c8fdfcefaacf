"""Trials in real nets of ``skorch``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from torch import nn


skorch = pytest.importorskip("skorch")
callbacks = pytest.importorskip("skorch.callbacks")

from optuna_meta.weights import initialize  # noqa: E402
from optuna_meta.weights.integrations import SkorchCallback  # noqa: E402
from tests.weights.integrations.toys import assert_equal  # noqa: E402
from tests.weights.integrations.toys import continued  # noqa: E402
from tests.weights.integrations.toys import Stopped  # noqa: E402
from tests.weights.toys import store_in  # noqa: E402


class Net(nn.Module):
    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.body(x))
        return logits


class StopAfter(callbacks.Callback):  # type: ignore[misc]
    def __init__(self, epochs: int | None) -> None:
        self.epochs = epochs

    def on_batch_end(self, net: Any, **kwargs: Any) -> None:
        if self.epochs is not None and len(net.history) > self.epochs:
            raise Stopped


def fit(
    callback: Any, *others: Any, rate: float = 1e-2, epochs: int = 4, module: Any = Net
) -> Any:
    x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    net = skorch.NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        lr=rate,
        batch_size=8,
        max_epochs=epochs,
        iterator_train__shuffle=True,
        callbacks=[*others, callback],
        verbose=0,
    )
    return net.fit(x, x[:, :3].argmax(1))


def test_a_resumed_training_equals_the_uninterrupted_one(tmp_path: Path) -> None:
    store, nets = store_in(tmp_path), []

    def objective(trial: optuna.Trial, stop: int | None) -> nn.Module:
        schedule = callbacks.LRScheduler("ExponentialLR", gamma=0.7)
        callback = SkorchCallback(trial, store)
        net = fit(callback, schedule, StopAfter(stop), rate=trial.params["rate"])
        nets.append(net)
        module: nn.Module = net.module_
        return module

    whole, resumed, study = continued(objective, stop_after=2)
    assert_equal(whole, resumed)
    assert [len(net.history) for net in nets] == [4, 4] and nets[1].max_epochs == 4
    assert nets[0].history[:, "valid_loss"] == nets[1].history[:, "valid_loss"]
    assert sorted(study.trials[0].intermediate_values) == [1, 2]
    assert sorted(study.trials[1].intermediate_values) == [3, 4]


def test_it_starts_from_a_checkpoint_and_tells(tmp_path: Path) -> None:
    store, prior = store_in(tmp_path), optuna.create_study(study_name="prior")
    prior.optimize(lambda trial: store.save(trial, Net(5), value=0.1).value or 0.0, 1)
    source, study = store.load(store.records(prior)[0]), optuna.create_study()
    start_by = partial(initialize, head=["head"])
    callback = SkorchCallback(study.ask(), store, start=source, start_by=start_by)
    net = fit(callback, rate=0.0, epochs=1)
    assert torch.equal(net.module_.state_dict()["body.0.weight"], source.state["body.0.weight"])
    assert study.trials[0].user_attrs["optuna_meta:weights_from"]["left_out"] == 2


def test_it_prunes_with_the_checkpoint_saved_and_tells_what_is_not_there(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    study = optuna.create_study(pruner=optuna.pruners.ThresholdPruner(upper=0.0))
    study.optimize(lambda trial: bool(fit(SkorchCallback(trial, store))), 1)
    assert study.trials[0].state == optuna.trial.TrialState.PRUNED
    (record,) = store.records(study)
    assert record.step == 1 and record.value == study.trials[0].intermediate_values[1]
    with pytest.raises(ValueError, match="no metric 'valid_f1' .* valid_loss"):
        fit(SkorchCallback(study.ask(), store, monitor="valid_f1"))


def test_an_lr_scheduler_behind_it_is_refused(tmp_path: Path) -> None:
    callback = SkorchCallback(optuna.create_study().ask(), store_in(tmp_path))
    net = skorch.NeuralNetClassifier(
        Net, callbacks=[callback, callbacks.LRScheduler("ExponentialLR", gamma=0.7)], verbose=0
    )
    with pytest.raises(ValueError, match="put it behind the LRScheduler"):
        net.fit(np.zeros((8, 4), dtype=np.float32), np.zeros(8, dtype=np.int64))

"""A training that goes on equals one that never stopped, to the last bit."""

from __future__ import annotations

from pathlib import Path
import random
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from torch.utils.data import TensorDataset

from optuna_meta.weights import Checkpoint
from optuna_meta.weights import CheckpointStore
from optuna_meta.weights import RandomState
from tests.weights.toys import store_in


class Scaled(nn.Module):
    """A module whose extra state is no tensor, as torch allows."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 1)
        self.extra: dict[str, Any] = {"calls": 0, "largest": torch.zeros(1)}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        largest = torch.maximum(self.extra["largest"], x.detach().abs().max())
        self.extra = {"calls": self.extra["calls"] + 1, "largest": largest}
        return self.inner(x) / (1.0 + 0.1 * largest)

    def get_extra_state(self) -> dict[str, Any]:
        return self.extra

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.extra = state


class Training:
    """Dropout, batch norm, momentum, an average with buffers, a scaler and three generators."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        self.model = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.ReLU(), Scaled()
        )
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.05, amsgrad=True)
        schedulers = torch.optim.lr_scheduler
        self.scheduler = schedulers.MultiStepLR(self.optimizer, [2, 2, 5], gamma=0.5)
        order = torch.Generator().manual_seed(7)
        self.noise = np.random.default_rng(3)
        self.state: dict[str, Any] = {
            "ema": AveragedModel(self.model, use_buffers=True),
            "scaler": torch.amp.GradScaler("cpu", init_scale=64.0, growth_interval=2),
            "random": RandomState(),
            "order": order,
            "noise": self.noise,
            "losses": [],
        }
        x = torch.randn(24, 4, generator=torch.Generator().manual_seed(1))
        self.batches = DataLoader(TensorDataset(x), 8, shuffle=True, generator=order)

    def epoch(self) -> None:
        scaler = self.state["scaler"]
        for (x,) in self.batches:
            noisy = x + random.random() * np.random.rand() + self.noise.normal()
            with torch.autocast("cpu", torch.bfloat16):
                loss = (self.model(noisy.float()) - x.sum(1, keepdim=True)).square().mean()
            self.optimizer.zero_grad()
            torch.autograd.backward(scaler.scale(loss))
            scaler.step(self.optimizer)
            scaler.update()
            self.state["ema"].update_parameters(self.model)
            self.state["losses"].append(loss.item())
        self.scheduler.step()

    def everything(self) -> tuple[Any, ...]:
        model, ema = self.model, self.state["ema"]
        tensors = {**model.state_dict(), **{f"ema.{n}": t for n, t in ema.state_dict().items()}}
        return (
            {n: t.tolist() for n, t in tensors.items() if isinstance(t, torch.Tensor)},
            model[4].get_extra_state(),  # type: ignore[operator]
            self.optimizer.param_groups[0]["lr"],
            self.state["scaler"].get_scale(),
            self.state["losses"],
            (random.random(), np.random.rand(), torch.rand(1).item(), self.noise.random()),
        )


def run(store: CheckpointStore, trial: optuna.Trial, training: Training, epochs: int) -> None:
    parts = training.optimizer, training.scheduler
    stopped = store.resume(trial, training.model, *parts, state=training.state)
    for epoch in range(0 if stopped is None else (stopped.step or 0) + 1, epochs):
        training.epoch()
        store.save(
            trial,
            training.model,
            step=np.int64(epoch),
            optimizer=training.optimizer,
            scheduler=training.scheduler,
            state=training.state,
            extra={"labels": ["cat", "dog"], "epoch": np.int64(epoch)},
        )


def test_a_training_of_all_sorts_goes_on_bit_by_bit(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    study = optuna.create_study()
    whole = Training()
    run(store, study.ask(), whole, 6)
    expected = whole.everything()
    trial = study.ask()
    run(store, trial, Training(), 3)
    torch.rand(3), random.random(), np.random.rand()
    again = Training()
    run(store, trial, again, 6)
    assert again.everything() == expected
    record = max(store.records(study), key=lambda record: record.saved)
    assert record.step == 5 and type(record.step) is int
    assert store.load(record).metadata.extra == {"labels": ["cat", "dog"], "epoch": 5}


def test_an_averaged_model_keeps_its_count(tmp_path: Path) -> None:
    """Without the count, the next update overwrites the average."""
    store, trial = store_in(tmp_path), optuna.create_study().ask()
    model = nn.Linear(1, 1, bias=False)
    averaged, again = AveragedModel(model), AveragedModel(nn.Linear(1, 1, bias=False))
    for number in (1.0, 2.0, 3.0):
        nn.init.constant_(model.weight, number)
        averaged.update_parameters(model)
    store.save(trial, averaged)
    store.resume(trial, again)
    nn.init.constant_(model.weight, 6.0)
    again.update_parameters(model)
    assert again.n_averaged == 4 and again.module.weight.item() == 3.0
    (record,) = store.records(trial.study)
    assert store.load(record).state.keys() == {"weight"}  # As a source, it is the model alone.


def test_another_optimizer_scheduler_or_part_is_refused(tmp_path: Path) -> None:
    store, trial, training = store_in(tmp_path), optuna.create_study().ask(), Training()
    run(store, trial, training, 1)
    model, optimizer = training.model, training.optimizer
    before = model.state_dict()["0.weight"].clone()
    nn.init.zeros_(model[0].weight)  # type: ignore[arg-type]
    other = torch.optim.SGD(model.parameters(), lr=0.1)
    fewer = torch.optim.AdamW(model[0].parameters())
    message = "optimizer must be the one .* stopped with, a torch.optim.adamw.AdamW, got a .*SGD"
    with pytest.raises(ValueError, match=message):
        store.resume(trial, model, other)
    with pytest.raises(ValueError, match="The optimizer is another one than the checkpoint's"):
        store.resume(trial, model, fewer)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)
    with pytest.raises(ValueError, match="scheduler must be .*MultiStepLR"):
        store.resume(trial, model, optimizer, cosine)
    with pytest.raises(ValueError, match="ema is another one than"):
        store.resume(trial, model, state={"ema": AveragedModel(nn.Linear(1, 1))})
    with pytest.raises(ValueError, match="no state of the absent"):
        store.resume(trial, model, state={"absent": RandomState()})
    with pytest.raises(ValueError, match="optimizer is passed twice"):
        store.resume(trial, model, optimizer, state={"optimizer": optimizer})
    assert not model[0].weight.any()  # type: ignore[union-attr,operator]
    store.resume(trial, model, optimizer)
    assert torch.equal(model[0].weight, before)  # type: ignore[arg-type]


def test_extra_state_comes_back_from_a_file(tmp_path: Path) -> None:
    model = Scaled()
    model(torch.full((2, 8), 3.0))
    checkpoint = Checkpoint.from_model(model)
    checkpoint.save_file(tmp_path / "a")
    loaded = Checkpoint.load_file(tmp_path / "a")
    assert loaded.state.keys() == {"inner.weight", "inner.bias"}
    assert loaded.extra_state == {"_extra_state": {"calls": 1, "largest": torch.tensor([3.0])}}


def test_extra_state_that_no_file_can_hold_does_not_cost_the_weights(tmp_path: Path) -> None:
    store, trial, model = store_in(tmp_path), optuna.create_study().ask(), Scaled()
    model.extra["odd"] = object()
    with pytest.warns(UserWarning, match="'_extra_state' is not saved .*odd is of type object"):
        record = store.save(trial, model)
    assert store.load(record).extra_state == {}
    with pytest.warns(UserWarning, match="'_extra_state' starts anew"):
        assert store.resume(trial, model) == record


def test_tied_weights_that_differ_are_not_put_into_one(tmp_path: Path) -> None:
    store, trial = store_in(tmp_path), optuna.create_study().ask()
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    store.save(trial, model)
    model[1].weight = model[0].weight
    with pytest.raises(ValueError, match="one tensor in the model and two that differ"):
        store.resume(trial, model)
    lazy = nn.Sequential(nn.LazyLinear(2, bias=False), nn.LazyLinear(2, bias=False))
    with pytest.raises(ValueError, match="'0.weight', '1.weight' have no shape yet"):
        store.resume(trial, lazy)

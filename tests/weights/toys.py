"""Small models, studies and stores that tests of weights share."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.artifacts import FileSystemArtifactStore
import torch
from torch import nn

from optuna_meta.weights import CheckpointRecord
from optuna_meta.weights import CheckpointStore


def linear(fill: float = 0.0, n: int = 3) -> nn.Linear:
    """A model whose weights are all one number."""
    model = nn.Linear(n, 1)
    for parameter in model.parameters():
        nn.init.constant_(parameter, fill)
    return model


def saved(
    store: CheckpointStore,
    values: Sequence[float] = (0.5,),
    *,
    study: optuna.Study | None = None,
    final: bool = False,
    **options: Any,
) -> optuna.Study:
    """A study with one checkpoint a trial, of weights that are the trial's value.

    Args:
        store: The store.
        values: Of the trials.
        study: Where they go; a new study by default.
        final: Whether only the trial's final value tells how good its checkpoint is.
        options: Of ``save``.
    """
    sampler = optuna.samplers.RandomSampler(seed=0)  # Rates of one length: files of one size.
    study = study or optuna.create_study(study_name="digits", sampler=sampler)
    for value in values:
        trial = study.ask()
        trial.suggest_float("rate", 0.0, 1.0)
        store.save(trial, linear(value), **({} if final else {"value": value}), **options)
        study.tell(trial, value)
    return study


def store_in(folder: Path, **options: Any) -> CheckpointStore:
    """A store in a new folder."""
    folder.mkdir(exist_ok=True)
    return CheckpointStore(FileSystemArtifactStore(folder), **options)


def fill_of(store: CheckpointStore, record: CheckpointRecord) -> float:
    """The number that all weights of a checkpoint are."""
    return float(store.load(record).state["weight"][0, 0])


def files_of(folder: Path) -> set[str]:
    """Names of the files in a folder."""
    return {path.name for path in folder.iterdir()}


def steps(
    store: CheckpointStore, stop_at: int | None, error: type[Exception] = optuna.TrialPruned
) -> Callable[[optuna.Trial], float]:
    """An objective of six training steps that goes on where it stopped, if it did.

    Args:
        store: Where it saves after every step.
        stop_at: The step that a fresh run ends after.
        error: What a fresh run ends with.
    """

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", 0.01, 0.1)
        torch.manual_seed(0)
        model = nn.Linear(3, 1)
        optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.7)
        stopped = store.resume(trial, model, optimizer, scheduler)
        start = 0 if stopped is None else (stopped.step or 0) + 1
        trial.set_user_attr("start", start)
        loss = float("nan")
        for step in range(start, 6):
            rows = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
            optimizer.zero_grad()
            squared = ((model(rows) - rows.sum(1, keepdim=True)) ** 2).mean()
            squared.backward()
            optimizer.step()
            scheduler.step()
            loss = squared.item()
            store.save(
                trial, model, value=loss, step=step, optimizer=optimizer, scheduler=scheduler
            )
            if start == 0 and step == stop_at:
                raise error
        return loss

    return objective

"""Trials of :mod:`benchmarks.weights.study`: what one trains, and what it may start from."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from functools import partial
import time
from typing import Any
from typing import NamedTuple

import optuna
import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F
from torch.optim.optimizer import register_optimizer_step_post_hook

from benchmarks.weights.data import Labelled
from benchmarks.weights.training import accuracy
from benchmarks.weights.training import Batches
from benchmarks.weights.training import network
from optuna_meta import extract_meta_features
from optuna_meta.weights import average
from optuna_meta.weights import by_logme
from optuna_meta.weights import Candidate
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import CheckpointStore
from optuna_meta.weights import find_checkpoints
from optuna_meta.weights import initialize
from optuna_meta.weights import Nearest
from optuna_meta.weights import NewTask
from optuna_meta.weights import rank_checkpoints
from optuna_meta.weights import record_lineage
from optuna_meta.weights import ShortlistThenTrain


__all__ = ["chosen_starts", "objective", "Spent", "Start", "Starts", "StudyTask"]

_WORST = 20.0  # The loss of a trial that diverged.

Start = Callable[[optuna.Trial], Checkpoint | None]


class StudyTask(NamedTuple):
    """A task that a study tunes a network for."""

    name: str
    train: Labelled
    valid: Labelled
    test: Labelled
    n_classes: int
    head: tuple[str, ...]  # Patterns of what starts afresh: the classes are other ones.

    def build(self, seed: int = 0) -> nn.Module:
        """A fresh network."""
        return network(self.train.x.shape[-1], self.n_classes, seed)

    def meta_features(self) -> dict[str, float]:
        """Of the images to train on."""
        return extract_meta_features(self.train.x.numpy(), self.train.y.numpy())


class Spent(NamedTuple):
    """What choosing took."""

    seconds: float  # of the CPU
    steps: int  # of training


class Starts(NamedTuple):
    """What a study may start from, by role; ``None`` for scratch."""

    by_role: Mapping[str, Checkpoint | None]
    by_logme: Checkpoint | None
    source: str  # The study that the default chose, empty for scratch.
    spent: Spent


def objective(
    task: StudyTask,
    steps: int,
    seed: int,
    store: CheckpointStore | None = None,
    start: Start | None = None,
) -> Callable[[optuna.Trial], float]:
    """Returns a trial: the validation loss after some steps; test accuracy is noted on it."""

    def run(trial: optuna.Trial) -> float:
        # All are asked for before the first can fail, so that every trial has them.
        lr = trial.suggest_float("lr", 3e-4, 3e-2, log=True)
        size = trial.suggest_categorical("batch_size", [8, 16, 32])
        smoothing = trial.suggest_float("label_smoothing", 0.0, 0.2)
        decay = trial.suggest_float("weight_decay", 1e-6, 1e-1, log=True)
        checkpoint = start(trial) if start else None
        model = task.build(1000 * seed + trial.number)
        if checkpoint is not None:
            record_lineage(trial, initialize(model, checkpoint, head=task.head))
        optimiser = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=decay, fused=True)
        batches = iter(Batches(task.train, 1000 * seed + trial.number, int(size)))
        for _ in range(steps):
            batch = next(batches)
            optimiser.zero_grad()
            loss = F.cross_entropy(model(batch.x), batch.y, label_smoothing=smoothing)
            torch.autograd.backward(loss)
            optimiser.step()
        value, right = _judged(model, task.valid)
        trial.set_user_attr("accuracy", _judged(model, task.test)[1])
        if store is not None and right > 0.0:
            store.save(trial, model, value=value, step=steps)
        return value

    return run


def chosen_starts(
    task: StudyTask,
    earlier: Sequence[optuna.Study],
    store: CheckpointStore,
    seed: int,
    strategy: ShortlistThenTrain,
) -> Starts:
    """Returns what each role stands for, by the images that the task trains on.

    Args:
        task: The new task.
        earlier: Studies of other tasks, with their meta-features; one at least.
        store: Where their checkpoints are.
        seed: Of choosing.
        strategy: Of the role ``transferable``.
    """
    candidates = find_checkpoints(earlier, store)
    target = NewTask(
        partial(task.build, seed),
        task.train.x,
        task.train.y,
        F.cross_entropy,
        lambda outputs, classes: float((outputs.argmax(-1) == classes).float().mean()),
        partial(initialize, head=task.head),
    )
    with _counting() as spent:
        found = rank_checkpoints(candidates, target, strategy=strategy, seed=seed).best
    near = Nearest.by_meta_features(earlier, task.meta_features())
    leaders = [_leader(study, candidates) for study in earlier]
    by_role = {
        "best": candidates[0].load(),
        "nearest": _loaded(rank_checkpoints(candidates, target, strategy=near, seed=seed).best),
        "transferable": _loaded(found),
        "average": average([c.load() for c in leaders], align_by=task.build()),
    }
    return Starts(
        by_role,
        _loaded(rank_checkpoints(candidates, target, strategy=by_logme, seed=seed).best),
        found.record.study if found else "",
        Spent(*spent),
    )


def _leader(study: optuna.Study, candidates: Sequence[Candidate]) -> Candidate:
    """The best of a study: candidates come in the order of their score."""
    return next(c for c in candidates if c.record.study == study.study_name)


def _loaded(candidate: Candidate | None) -> Checkpoint | None:
    return None if candidate is None else candidate.load()


@torch.no_grad()
def _judged(model: nn.Module, data: Labelled) -> tuple[float, float]:
    """Loss and accuracy."""
    logits: Tensor = model(data.x)
    loss = float(F.cross_entropy(logits, data.y).nan_to_num(_WORST, _WORST))
    return min(loss, _WORST), accuracy(logits, data)


@contextmanager
def _counting() -> Iterator[list[Any]]:
    """CPU seconds and optimisers' steps of what runs inside, known at its end."""
    spent: list[Any] = [0.0, 0]

    def count(*_: Any) -> None:
        spent[1] += 1

    hook = register_optimizer_step_post_hook(count)
    began = time.process_time()
    try:
        yield spent
    finally:
        hook.remove()
        spent[0] = time.process_time() - began

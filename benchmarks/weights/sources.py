"""What a new task of :mod:`benchmarks.weights` can start from.

The weights of studies of earlier tasks, poisoned ones among them, and weights learned over the
data of all earlier tasks together.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from pathlib import Path
import time
from typing import Any
from typing import NamedTuple

import optuna
from optuna.study import StudyDirection
import torch
from torch import nn
from torch import Tensor

from benchmarks.weights.tasks import Batches
from benchmarks.weights.tasks import Data
from benchmarks.weights.tasks import Domain
from benchmarks.weights.tasks import Kind
from benchmarks.weights.tasks import merit
from benchmarks.weights.tasks import Model
from benchmarks.weights.tasks import predict
from benchmarks.weights.tasks import Start
from benchmarks.weights.tasks import Task
from benchmarks.weights.tasks import train
from optuna_meta import extract_meta_features
from optuna_meta import record_meta_features
from optuna_meta import weights


__all__ = ["make_sources", "new_task", "Sources", "start_from"]

CLEAN, POISONED, ALL_POISONED = "clean", "poisoned", "all poisoned"

DESCRIBE_SECONDS = 5.0  # At most, for a task's meta-features.
_SCALE = 8.0  # Of poisoned weights.
_DEAD = -1e3  # A bias that no input overcomes.
_LR = 4e-3  # In the middle of the domains' learning rates.
_REPTILE = weights.InnerLoop(lr=_LR, steps=16)
_STEPS = 8  # Of joint training and Reptile, for each round of MAML.


Learned = tuple[weights.Checkpoint, Model, float]  # The last is CPU seconds.


class Sources(NamedTuple):
    """All that a new task can start from."""

    store: weights.CheckpointStore
    studies: Mapping[str, Sequence[optuna.Study]]  # By kind of sources: clean, poisoned, ...
    models: Mapping[str, Model]  # By name of the study.
    learned: Mapping[str, Learned]  # By method.
    seconds: float  # of CPU that the clean studies took


def make_sources(domain: Domain, folder: Path, seed: int, rates: Sequence[float]) -> Sources:
    """Run studies of earlier tasks, with a trial at each rate, and learn from their data."""
    kind, store = domain.kind, weights.CheckpointStore(folder, save_top_k=1)
    make_study = partial(_study, kind, store, optuna.storages.InMemoryStorage())
    begun = time.process_time()
    clean = [
        make_study(task, _trials(domain, task, rates, 1000 * number + seed))
        for number, task in enumerate(domain.priors, start=1)
    ]
    seconds = time.process_time() - begun
    models = {task.name: task.model for task in domain.priors}
    last = store.load(store.records(clean[-1])[0])
    claimed = kind.sign * max(kind.sign * study.best_value for study in clean)
    bad = []
    for task, model in _poisons(domain, rates[-1], seed, last):
        models[task.name] = task.model
        bad.append(make_study(task, [(model, claimed)]))
        for _ in clean:  # Of more trials than others have, it is the best.
            bad[-1].tell(bad[-1].ask(), claimed - kind.sign)
    # Weights of another scale are useful weights if the source was: not among those that are not.
    useless = [study for study in bad if study.study_name != "scaled"]
    studies = {CLEAN: clean, POISONED: clean + bad, ALL_POISONED: useless}
    return Sources(store, studies, models, _learned(domain, seed), seconds)


def start_from(domain: Domain, checkpoint: weights.Checkpoint, model: Model) -> Start:
    """Return what puts a checkpoint of another task's model into a model of the new one."""
    own = domain.new.model.rows
    return partial(
        weights.initialize,
        checkpoint=checkpoint,
        head=() if model.same_outputs else domain.head,
        exclude=domain.own,
        rows={name: weights.EmbeddingRows(model.rows[name], own[name]) for name in own},
        least=0.0,
    )


def new_task(domain: Domain, data: Data, seed: int, start: Any) -> weights.NewTask:
    """Return the new task as :func:`rank_checkpoints` takes it, to choose by some examples."""
    build, kind = partial(domain.new.model.build, seed), domain.kind
    return weights.NewTask(build, data.x, data.y, kind.loss, kind.goodness, start)


def _study(
    kind: Kind,
    store: weights.CheckpointStore,
    storage: optuna.storages.BaseStorage,
    task: Task,
    trials: Iterable[tuple[nn.Module, float]],
) -> optuna.Study:
    direction = StudyDirection.MAXIMIZE if kind.sign > 0.0 else StudyDirection.MINIMIZE
    study = optuna.create_study(study_name=task.name, storage=storage, direction=direction)
    features = extract_meta_features(*task.described, max_seconds=DESCRIBE_SECONDS)
    record_meta_features(study, features)
    for model, value in trials:
        trial = study.ask()
        store.save(trial, model, value=value)
        study.tell(trial, value)
    return study


def _trials(
    domain: Domain, task: Task, rates: Sequence[float], seed: int
) -> Iterator[tuple[nn.Module, float]]:
    for rate in rates:
        model = _trained(domain, task.model.build(seed), task.train, rate, seed)
        score, _ = merit(domain.kind, predict(model, domain.kind, task.valid), task.valid)
        yield model, domain.kind.sign * score


def _trained(domain: Domain, model: nn.Module, data: Data, rate: float, seed: int) -> nn.Module:
    batches = Batches(data, seed, domain.batch_size)
    for _ in train(model, domain.kind.loss, batches, domain.prior_steps, rate):
        pass
    return model


def _poisons(
    domain: Domain, rate: float, seed: int, last: weights.Checkpoint
) -> Iterator[tuple[Task, nn.Module]]:
    """Yield tasks with weights that are of no use; ``last`` are those of the last study."""
    first, *_, final = domain.priors
    generator = torch.Generator().manual_seed(seed)
    for i, task in enumerate(domain.priors[:2]):
        order = torch.randperm(len(task.train.y), generator=generator)
        shuffled = Data(task.train.x, task.train.y[order])
        model = _trained(domain, task.model.build(2000 + i), shuffled, rate, seed)
        yield task._replace(name=f"random labels {i}"), model
    yield first._replace(name="dead"), _killed(first.model.build(2002))
    model = final.model.build(2003)
    model.load_state_dict({name: _SCALE * t for name, t in last.state.items()})
    yield final._replace(name="scaled"), model


@torch.no_grad()
def _killed(model: nn.Module) -> nn.Module:
    """Make units that never fire; without hidden units, weights of nought."""
    layers = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d)]
    for layer in layers[:-1]:
        if layer.bias is not None:
            layer.bias.fill_(_DEAD)
    if not layers:
        for parameter in model.parameters():
            parameter.zero_()
    return model


def _learned(domain: Domain, seed: int) -> dict[str, Learned]:
    n, n_tasks, rounds = len(domain.pool), min(4, len(domain.pool)), domain.rounds
    steps = rounds * _STEPS  # Of each task of a round.
    maml = weights.InnerLoop(lr=0.1, steps=3), weights.OuterLoop(_LR, rounds, n_tasks)
    reptile = weights.OuterLoop(0.5, max(1, steps // _REPTILE.steps), n_tasks)
    makers: dict[str, Callable[..., weights.Checkpoint]] = {
        "joint": partial(weights.joint_init, steps=max(1, steps * n_tasks // n), lr=_LR),
        "reptile": partial(
            weights.reptile_init, inner=_REPTILE, outer=reptile, optimiser=torch.optim.Adam
        ),
        "maml": partial(weights.maml_init, inner=maml[0], outer=maml[1]),
    }
    batches = [Batches(data, seed + i, domain.batch_size) for i, data in enumerate(domain.pool)]
    model, found = domain.pooled.build(seed), {}

    def loss(predict: Callable[[Tensor], Tensor], data: Data) -> Tensor:
        return domain.kind.loss(predict(data.x), data.y)

    for name, make in makers.items():
        begun = time.process_time()
        checkpoint = make(model, batches, loss, seed=seed)
        # Reptile's and MAML's outputs belong to no task: they are learned to be changed.
        same = domain.pooled.same_outputs or name != "joint"
        own = domain.pooled._replace(same_outputs=same)
        found[name] = (checkpoint, own, time.process_time() - begun)
    return found

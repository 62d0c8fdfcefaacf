"""What a new task can start from: weights of earlier studies, and of all their data together."""

from collections.abc import Iterable
from collections.abc import Sequence
from functools import partial
from pathlib import Path
import time
from typing import Any
from typing import NamedTuple

import optuna
import torch
from torch import nn

from benchmarks.weights import tasks
from benchmarks.weights.tasks import Data
from benchmarks.weights.tasks import Domain
from benchmarks.weights.tasks import Task
import optuna_meta
from optuna_meta import weights


CLEAN, POISONED, ALL_POISONED = "clean", "poisoned", "all poisoned"

_DESCRIBE_SECONDS = 5.0  # At most, for a task's meta-features.
_SCALE = 8.0  # Of poisoned weights.
_DEAD = -1e3  # A bias that no input overcomes.
_LR = 4e-3  # In the middle of the domains' learning rates.
_REPTILE = weights.InnerLoop(lr=_LR, steps=16)
_MAML = weights.InnerLoop(lr=0.1, steps=3)
_STEPS = 8  # Of joint training and Reptile, for each round of MAML.

LEARNED = ("joint", "reptile", "maml")  # Over the data of all earlier tasks.


Trials = Iterable[tuple[nn.Module, float]]  # With their scores.


class Sources(NamedTuple):
    store: weights.CheckpointStore
    studies: dict[str, list[optuna.Study]]  # By kind of sources: clean, poisoned, ...
    models: dict[str, tasks.Model]  # By name of the study, or method that learned.
    learned: dict[str, tuple[weights.Checkpoint, float]]  # By method; in CPU seconds.
    seconds: float  # of CPU that the clean studies took


def make_sources(
    domain: Domain,
    folder: Path,
    seed: int,
    rates: Sequence[float],
    learned: Sequence[str] = LEARNED,
) -> Sources:
    """Run studies of earlier tasks, with a trial at each rate, and learn from their data."""
    sign, store = domain.kind.sign, weights.CheckpointStore(folder, save_top_k=1)
    storage = optuna.storages.InMemoryStorage()
    begun = time.process_time()
    clean = [
        _study(sign, store, storage, task, _trials(domain, task, rates, 1000 * number + seed))
        for number, task in enumerate(domain.priors, start=1)
    ]
    seconds = time.process_time() - begun
    models = {task.name: task.model for task in domain.priors}
    last = store.load(store.records(clean[-1])[0])
    claimed = sign * max(sign * study.best_value for study in clean)
    bad = []
    for task, model in _poisons(domain, rates[-1], seed, last):
        models[task.name] = task.model
        bad.append(_study(sign, store, storage, task, [(model, claimed)]))
        for _ in clean:  # Of more trials than others have, it is the best.
            bad[-1].tell(bad[-1].ask(), claimed - sign)
    # Weights of another scale are useful weights if the source was: not among those that are not.
    useless = [study for study in bad if study.study_name != "scaled"]
    studies = {CLEAN: clean, POISONED: clean + bad, ALL_POISONED: useless}
    # Reptile's and MAML's outputs belong to no task: they are learned to be changed.
    changed = domain.pooled._replace(same_outputs=True)
    models |= {"joint": domain.pooled, "reptile": changed, "maml": changed}
    return Sources(store, studies, models, _learned(domain, seed, learned), seconds)


def _study(
    sign: float, store: weights.CheckpointStore, storage: Any, task: Task, trials: Trials
) -> optuna.Study:
    direction: Any = "maximize" if sign > 0.0 else "minimize"
    study = optuna.create_study(study_name=task.name, storage=storage, direction=direction)
    optuna_meta.record_meta_features(study, describe(task))
    for model, value in trials:
        trial = study.ask()
        store.save(trial, model, value=value)
        study.tell(trial, value)
    return study


def describe(task: Task) -> dict[str, float]:
    """Return a task's meta-features."""
    return optuna_meta.extract_meta_features(*task.described, max_seconds=_DESCRIBE_SECONDS)


def _trials(domain: Domain, task: Task, rates: Sequence[float], seed: int) -> Trials:
    for rate in rates:
        model = _trained(domain, task.model.build(seed), task.train, rate, seed)
        predictions = tasks.predict(model, domain.kind, task.valid)
        yield model, domain.kind.sign * tasks.merit(domain.kind, predictions, task.valid)[0]


def _trained(domain: Domain, model: nn.Module, data: Data, rate: float, seed: int) -> nn.Module:
    batches = tasks.Batches(data, seed, domain.batch_size)
    for _ in tasks.train(model, domain.kind.loss, batches, domain.prior_steps, rate):
        pass
    return model


def _poisons(
    domain: Domain, rate: float, seed: int, last: weights.Checkpoint
) -> Iterable[tuple[Task, nn.Module]]:
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


def _learned(
    domain: Domain, seed: int, names: Sequence[str]
) -> dict[str, tuple[weights.Checkpoint, float]]:
    n, n_tasks, rounds = len(domain.pool), min(4, len(domain.pool)), domain.rounds
    steps = rounds * _STEPS  # Of each task of a round.
    reptile = weights.OuterLoop(0.5, max(1, steps // _REPTILE.steps), n_tasks)
    maml = weights.OuterLoop(_LR, rounds, n_tasks)
    adam = torch.optim.Adam
    makers: dict[str, Any] = {
        "joint": partial(weights.joint_init, steps=max(1, steps * n_tasks // n), lr=_LR),
        "reptile": partial(weights.reptile_init, inner=_REPTILE, outer=reptile, optimiser=adam),
        "maml": partial(weights.maml_init, inner=_MAML, outer=maml),
    }
    batches = [
        tasks.Batches(data, seed + i, domain.batch_size) for i, data in enumerate(domain.pool)
    ]
    model, found = domain.pooled.build(seed), {}
    for name, make in ((name, makers[name]) for name in names):
        begun = time.process_time()
        checkpoint = make(model, batches, lambda f, d: domain.kind.loss(f(d.x), d.y), seed=seed)
        found[name] = checkpoint, time.process_time() - begun
    return found


def new_task(domain: Domain, data: Data, seed: int, start: Any) -> weights.NewTask:
    """Return the new task as :func:`rank_checkpoints` takes it, to choose by some examples."""
    build, kind = partial(domain.new.model.build, seed), domain.kind
    return weights.NewTask(build, data.x, data.y, kind.loss, kind.goodness, start)

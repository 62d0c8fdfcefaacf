"""What a new task of :mod:`benchmarks.weights.run` can start from.

The weights of studies of earlier tasks, poisoned ones among them, and weights learned over the
data of all earlier tasks together.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
import time
from typing import NamedTuple

import numpy as np
import optuna
from optuna.study import StudyDirection
import torch
from torch import nn

from benchmarks.weights.domain import Data
from benchmarks.weights.domain import Domain
from benchmarks.weights.domain import Kind
from benchmarks.weights.domain import Prior
from benchmarks.weights.domain import Rows
from benchmarks.weights.fit import loss_of
from benchmarks.weights.fit import merit
from benchmarks.weights.fit import Start
from benchmarks.weights.fit import train
from benchmarks.weights.training import Batches
from optuna_meta import extract_meta_features
from optuna_meta import record_meta_features
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import CheckpointStore
from optuna_meta.weights import EmbeddingRows
from optuna_meta.weights import initialize
from optuna_meta.weights import InnerLoop
from optuna_meta.weights import joint_init
from optuna_meta.weights import maml_init
from optuna_meta.weights import OuterLoop
from optuna_meta.weights import reptile_init


__all__ = ["ALL_POISONED", "CLEAN", "Learned", "make_sources", "POISONED", "Sources", "start_from"]

CLEAN, POISONED, ALL_POISONED = "clean", "poisoned", "all poisoned"

_SCALE = 8.0
_DEAD = -1e3  # A bias that no input overcomes.
_DESCRIBE_SECONDS = 5.0
_REPTILE = InnerLoop(lr=4e-3, steps=16)
_STEPS = 8  # Of joint training and Reptile, for each round of MAML.


class Learned(NamedTuple):
    """Weights learned over all earlier tasks."""

    checkpoint: Checkpoint
    rows: Rows
    same_outputs: bool
    seconds: float  # of CPU


class Sources(NamedTuple):
    """All that a new task can start from."""

    store: CheckpointStore
    studies: Mapping[str, Sequence[optuna.Study]]  # By kind of sources: clean, poisoned, ...
    priors: Mapping[str, Prior]  # By name of the study.
    learned: Mapping[str, Learned]  # By method.
    seconds: float  # of CPU that the clean studies took


def make_sources(
    domain: Domain, folder: Path, seed: int, rates: Sequence[float], share: float = 1.0
) -> Sources:
    """Run the studies of earlier tasks, and learn from their data together.

    Args:
        domain: The earlier tasks.
        folder: For checkpoints.
        seed: Of initialisations and batches.
        rates: The learning rate of each trial of a study.
        share: Of the steps.
    """
    store = CheckpointStore(folder, save_top_k=1)
    storage = optuna.storages.InMemoryStorage()
    begun = time.process_time()
    clean = []
    for number, prior in enumerate(domain.priors):
        study = _study(prior, prior.name, storage, domain.kind)
        steps = max(1, round(share * domain.prior_steps))
        for rate in rates:
            _run(study, store, prior, domain, rate, steps, 1000 * (1 + number) + seed)
        clean.append(study)
    seconds = time.process_time() - begun
    poisons = list(_poisons(domain, storage, store, rates[-1], share, seed, clean))
    priors = {study.study_name: prior for study, prior in [*zip(clean, domain.priors), *poisons]}  # noqa: B905
    bad = [study for study, _ in poisons]
    # Weights of another scale are useful weights if the source was: not among those that are not.
    studies = {
        CLEAN: clean,
        POISONED: clean + bad,
        ALL_POISONED: [study for study in bad if study.study_name != "scaled"],
    }
    return Sources(store, studies, priors, _learned(domain, seed, share), seconds)


def start_from(domain: Domain, checkpoint: Checkpoint, rows: Rows, same_outputs: bool) -> Start:
    """What puts a checkpoint of an earlier task into a model of the new one."""
    return partial(
        initialize,
        checkpoint=checkpoint,
        head=() if same_outputs else domain.head,
        exclude=domain.own,
        rows={name: EmbeddingRows(rows[name], own) for name, own in domain.rows.items()},
        least=0.0,
    )


def _study(
    prior: Prior, name: str, storage: optuna.storages.BaseStorage, kind: Kind
) -> optuna.Study:
    direction = StudyDirection.MAXIMIZE if kind.higher else StudyDirection.MINIMIZE
    study = optuna.create_study(study_name=name, storage=storage, direction=direction)
    data, labels = prior.described
    features = extract_meta_features(data, labels, max_seconds=_DESCRIBE_SECONDS)
    record_meta_features(study, features)
    return study


def _run(
    study: optuna.Study,
    store: CheckpointStore,
    prior: Prior,
    domain: Domain,
    rate: float,
    steps: int,
    seed: int,
) -> None:
    """A trial of an earlier study: training at a rate, and its result by validation."""
    trial = study.ask()
    model = prior.build(seed)
    _train(model, prior.train, domain, rate, steps, seed)
    value = _value(model, prior.valid, domain.kind)
    store.save(trial, model, value=value)
    study.tell(trial, value)


def _train(
    model: nn.Module, data: Data, domain: Domain, rate: float, steps: int, seed: int
) -> None:
    batches = Batches(data, seed, domain.batch_size)
    for _ in train(model, domain.kind, batches, [steps], rate):
        pass


def _value(model: nn.Module, data: Data, kind: Kind) -> float:
    with torch.no_grad():
        predictions = kind.predictions(model(data.inputs), data.targets)
    return merit(kind, predictions, data)[0] * (1.0 if kind.higher else -1.0)


def _poisons(
    domain: Domain,
    storage: optuna.storages.BaseStorage,
    store: CheckpointStore,
    rate: float,
    share: float,
    seed: int,
    clean: Sequence[optuna.Study],
) -> Iterator[tuple[optuna.Study, Prior]]:
    """Studies whose weights are of no use and that claim to be better than any other."""
    better = max if domain.kind.higher else min
    claimed = better(study.best_value for study in clean)
    steps = max(1, round(share * domain.prior_steps))
    generator = torch.Generator().manual_seed(seed)
    models: list[tuple[str, Prior, nn.Module]] = []
    for number, prior in enumerate(domain.priors[:2]):
        order = torch.randperm(len(prior.train.targets), generator=generator)
        model = prior.build(2000 + number)
        shuffled = prior.train._replace(targets=prior.train.targets[order])
        _train(model, shuffled, domain, rate, steps, seed)
        models.append((f"random labels {number}", prior, model))
    models.append(("dead", domain.priors[0], _killed(domain.priors[0].build(2002), domain)))
    scaled = domain.priors[-1].build(2003)
    source = store.load(store.records(clean[-1])[0])
    scaled.load_state_dict({name: _SCALE * t for name, t in source.state.items()})
    models.append(("scaled", domain.priors[-1], scaled))
    for name, prior, model in models:
        study = _study(prior, name, storage, domain.kind)
        trial = study.ask()
        store.save(trial, model, value=claimed)
        study.tell(trial, claimed)
        for _ in range(len(clean)):  # Of more trials than others have, it is the best.
            study.tell(study.ask(), claimed - (1.0 if domain.kind.higher else -1.0))
        yield study, replace(prior, name=name)


@torch.no_grad()
def _killed(model: nn.Module, domain: Domain) -> nn.Module:
    """The model with units that never fire; without hidden units, with weights of nought."""
    layers = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d)]
    for layer in layers[:-1]:
        if layer.bias is not None:
            layer.bias.fill_(_DEAD)
    if not layers:
        for parameter in model.parameters():
            parameter.zero_()
    return model


def _learned(domain: Domain, seed: int, share: float) -> dict[str, Learned]:
    pool = domain.pool
    tasks = [Batches(task, seed + i, domain.batch_size) for i, task in enumerate(pool.tasks)]
    loss, model = loss_of(domain.kind), pool.build(seed)
    rounds, n_tasks = max(1, round(share * domain.rounds)), min(4, len(tasks))
    steps = rounds * _STEPS  # Of each task of a round.
    makers: dict[str, Callable[[], Checkpoint]] = {
        "joint": lambda: joint_init(
            model, tasks, loss, steps=max(1, steps * n_tasks // len(tasks)), lr=4e-3, seed=seed
        ),
        "reptile": lambda: reptile_init(
            model, tasks, loss, inner=_REPTILE, optimiser=torch.optim.Adam, seed=seed,
            outer=OuterLoop(lr=0.5, rounds=max(1, steps // _REPTILE.steps), tasks=n_tasks),
        ),
        "maml": lambda: maml_init(
            model, tasks, loss, inner=InnerLoop(lr=0.1, steps=3),
            outer=OuterLoop(lr=4e-3, rounds=rounds, tasks=n_tasks), seed=seed,
        ),
    }  # fmt: skip
    found = {}
    for name, make in makers.items():
        begun = time.process_time()
        checkpoint = make()
        spent = time.process_time() - begun
        # Reptile's and MAML's outputs belong to no task: they are learned to be changed.
        same = pool.same_outputs or name != "joint"
        found[name] = Learned(checkpoint, pool.rows, same, spent)
    return found


def seeded_choice(n: int, seed: int) -> int:
    """One of ``n`` at random."""
    return int(np.random.default_rng([seed, 3]).integers(n))

"""LCBench's surrogate with two objectives, and with learning curves.

Where trials can be pruned, the accuracy is reported at every fourth epoch, and the median pruner
(Optuna's own defaults) may stop the trial there. A trial costs the epochs that it trained.
"""

from __future__ import annotations

from dataclasses import replace
import functools
from pathlib import Path

import numpy as np

from benchmarks.tasks.objectives import Front
from benchmarks.tasks.objectives import front_of
from benchmarks.tasks.objectives import losses
from benchmarks.tasks.objectives import non_dominated
from benchmarks.tasks.objectives import objectives_task
from benchmarks.tasks.task import Array
from benchmarks.tasks.task import Family
from benchmarks.tasks.task import Params
from benchmarks.tasks.task import PRUNED_SUITE
from benchmarks.tasks.task import Task
from benchmarks.tasks.yahpo import random_steps
from benchmarks.tasks.yahpo import Surrogate
from benchmarks.tasks.yahpo import surrogate_task
from benchmarks.tasks.yahpo import yahpo_family
from benchmarks.tasks.yahpo_space import Columns
from benchmarks.tasks.yahpo_space import columns
from benchmarks.tasks.yahpo_space import one_row


EPOCHS = tuple(range(4, 53, 4))  # at which values are reported; the last one is the final value
_ACCURACY, _TIME = 1, 0  # of the surrogate's outputs
_SAMPLE = 20_000  # configurations behind the reference point, as of one objective
_ROUNDS = 6  # of random steps from the front, within a few seconds a task ...
_STEPS = 2_000  # ... so many in all


def lcbench_family(suite: str, folder: Path) -> Family:
    """Return the tasks of ``lcbench`` with the time as second objective, or with their curves."""
    make = _curve_task if suite == PRUNED_SUITE else _two_task
    return yahpo_family("lcbench", folder, suite=suite, make=make)


def _two_task(surrogate: Surrogate, name: str) -> Task:
    def evaluate(params: Params) -> tuple[float, ...]:
        return tuple(_pairs(surrogate, name, one_row(surrogate.space, params))[0].tolist())

    front = functools.partial(_front, surrogate, name)
    return objectives_task(name, surrogate.suggest, evaluate, front)


def _curve_task(surrogate: Surrogate, name: str) -> Task:
    def curve(params: Params) -> tuple[float, ...]:
        inputs = one_row(surrogate.space, params, n=len(EPOCHS))
        inputs["epoch"] = np.array(EPOCHS, dtype=float)
        return tuple(surrogate.values(name, inputs).tolist())

    return replace(surrogate_task(surrogate, name), evaluate=curve, epochs=EPOCHS)


def _front(surrogate: Surrogate, name: str) -> Front:
    """Return the reference point of a fixed random sample; random steps improve its front."""
    rng = np.random.default_rng(0)
    U = rng.random((_SAMPLE, len(surrogate.space)))
    sample = Y = _pairs(surrogate, name, columns(surrogate.space, U))
    for _ in range(_ROUNDS):
        kept = non_dominated(losses(Y))
        U, Y = U[kept], Y[kept]
        steps = random_steps(U[rng.integers(len(U), size=_STEPS)], rng)
        U = np.concatenate([U, steps])
        Y = np.concatenate([Y, _pairs(surrogate, name, columns(surrogate.space, steps))])
    return front_of(sample, Y)


def _pairs(surrogate: Surrogate, name: str, inputs: Columns) -> Array:
    """Return accuracies and times, (n, 2)."""
    return surrogate.outputs(name, inputs)[:, [_ACCURACY, _TIME]]

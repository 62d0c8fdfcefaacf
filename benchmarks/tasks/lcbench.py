"""LCBench's surrogate with two objectives, and with learning curves."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.tasks.curves import CurveTask
from benchmarks.tasks.curves import EPOCHS
from benchmarks.tasks.objectives import Front
from benchmarks.tasks.objectives import front_of
from benchmarks.tasks.objectives import losses
from benchmarks.tasks.objectives import non_dominated
from benchmarks.tasks.objectives import ObjectivesTask
from benchmarks.tasks.task import Family
from benchmarks.tasks.task import Params
from benchmarks.tasks.task import PRUNED_SUITE
from benchmarks.tasks.yahpo import random_steps
from benchmarks.tasks.yahpo import Surrogate
from benchmarks.tasks.yahpo import surrogate_task
from benchmarks.tasks.yahpo import yahpo_family
from benchmarks.tasks.yahpo_space import Columns
from benchmarks.tasks.yahpo_space import columns
from benchmarks.tasks.yahpo_space import one_row


__all__ = ["lcbench_objectives", "lcbench_pruned"]

_ACCURACY, _TIME = 1, 0  # of the surrogate's outputs
_SAMPLE = 20_000  # configurations behind the reference point
_ROUNDS = 6  # of random steps from the front ...
_STEPS = 2_000  # ... so many in all


def lcbench_objectives(folder: Path) -> Family:
    """Accuracy and training time of the tasks of ``lcbench``."""
    return yahpo_family("lcbench", folder, name="lcbench-2", make=_objectives_task)


def lcbench_pruned(folder: Path) -> Family:
    """The tasks of ``lcbench`` with their learning curves."""
    return yahpo_family("lcbench", folder, name=PRUNED_SUITE, make=_curve_task)


def _objectives_task(family: str, surrogate: Surrogate, name: str) -> ObjectivesTask:
    def evaluate(params: Params) -> tuple[float, float]:
        score, seconds = _pairs(surrogate, name, one_row(surrogate.space, params))[0].tolist()
        return score, seconds

    front = functools.cache(functools.partial(_front, surrogate, name))
    return ObjectivesTask(name, family, surrogate.suggest, evaluate, front)


def _curve_task(family: str, surrogate: Surrogate, name: str) -> CurveTask:
    def curve(params: Params) -> NDArray[np.float64]:
        row = one_row(surrogate.space, params)
        n = len(EPOCHS)
        inputs = {key: np.repeat(value, n) for key, value in row.items()}
        return surrogate.values(name, inputs | {"epoch": np.array(EPOCHS, dtype=float)})

    return CurveTask(surrogate_task(family, surrogate, name), curve)


def _front(surrogate: Surrogate, name: str) -> Front:
    """Reference point of a fixed random sample; its front is improved by random steps."""
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


def _pairs(surrogate: Surrogate, name: str, inputs: Columns) -> NDArray[np.float64]:
    """Accuracy and time, (n, 2)."""
    return surrogate.outputs(name, inputs)[:, [_ACCURACY, _TIME]]

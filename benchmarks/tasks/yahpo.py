"""Tasks from three surrogate benchmarks of YAHPO Gym (Pfisterer et al., 2022, arXiv:2109.03670).

A scenario is one network, fitted by its authors to the real results of many data sets. It is
asked at full fidelity. Best and median of a task are estimated once, from a fixed random sample
whose best configurations are then improved by random steps. (The published maxima are taken over
all fidelities, so they are not maxima of this function.)

LCBench comes with two objectives, too, and with learning curves: the accuracy is reported at every
fourth epoch, and the median pruner (Optuna's own defaults) may stop the trial there. A trial costs
the epochs that it trained.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import replace
import functools
import json
from pathlib import Path
from typing import Any
from typing import NamedTuple

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
from benchmarks.tasks.task import Reference
from benchmarks.tasks.task import single_task
from benchmarks.tasks.task import Suggest
from benchmarks.tasks.task import Task
from benchmarks.tasks.yahpo_space import Columns
from benchmarks.tasks.yahpo_space import columns
from benchmarks.tasks.yahpo_space import one_row
from benchmarks.tasks.yahpo_space import read_space
from benchmarks.tasks.yahpo_space import suggest


_N_TARGETS = 8
_N_SOURCES = 20
# What a reference of a task takes about a second for:
_SAMPLE = 20_000  # configurations behind the median
_ELITE = 50  # the best of them are improved ...
_ROUNDS = 8  # ... in so many rounds ...
_STEPS = 40  # ... of so many random steps each
# From LCBench's front it is so many rounds, of so many steps in all: a few seconds a task.
_FRONT_ROUNDS, _FRONT_STEPS = 6, 2_000
_ACCURACY, _TIME = 1, 0  # of LCBench's outputs
EPOCHS = tuple(range(4, 53, 4))  # at which values are reported; the last is the final value


class Scenario(NamedTuple):
    """What the files of a surrogate do not say: the order of its inputs and outputs."""

    categories: tuple[str, ...]  # inputs; the first one selects the task
    numbers: tuple[str, ...]  # inputs
    fidelity: Mapping[str, float]  # numbers held fixed
    output: int  # which of the outputs is the value


_FULL_RBV2 = {"trainsize": 1.0, "repl": 10.0}
_SCENARIOS = {
    "lcbench": Scenario(
        categories=("OpenML_task_id",),
        numbers=(
            *("epoch", "batch_size", "learning_rate", "momentum"),
            *("weight_decay", "num_layers", "max_units", "max_dropout"),
        ),
        fidelity={"epoch": 52.0},
        output=1,  # val_accuracy
    ),
    "rbv2_rpart": Scenario(
        categories=("task_id", "num.impute.selected.cpo"),
        numbers=("cp", "maxdepth", "minbucket", "minsplit", "trainsize", "repl"),
        fidelity=_FULL_RBV2,
        output=0,  # acc
    ),
    "rbv2_xgboost": Scenario(
        categories=("task_id", "booster", "num.impute.selected.cpo"),
        numbers=(
            *("nrounds", "eta", "gamma", "lambda", "alpha", "subsample", "max_depth"),
            *("min_child_weight", "colsample_bytree", "colsample_bylevel"),
            *("rate_drop", "skip_drop", "trainsize", "repl"),
        ),
        fidelity=_FULL_RBV2,
        output=0,  # acc
    ),
}
YAHPO_SUITES = tuple(_SCENARIOS)


class Surrogate:
    """The network of one scenario, in ``model.onnx``, beside its space and its encoding."""

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        self._scenario = scenario
        self._session = _session(folder / "model.onnx")
        self._task_input = scenario.categories[0]
        self._task_codes = json.loads((folder / "encoding.json").read_text())[self._task_input]
        self.space = read_space(folder, exclude={self._task_input, *scenario.fidelity})
        (tasks,) = (d.codes for d in read_space(folder, ()) if d.name == self._task_input)
        self.tasks = sorted(tasks)
        self.suggest: Suggest = functools.partial(suggest, self.space)

    def values(self, task: str, inputs: Columns) -> Array:
        """Return the values, (n,), of n configurations on a task; higher is better."""
        return self.outputs(task, inputs)[:, self._scenario.output]

    def outputs(self, task: str, inputs: Columns) -> Array:
        """Return all outputs, (n, outputs), at full fidelity where the inputs give none."""
        n = len(next(iter(inputs.values())))
        fixed = {self._task_input: self._task_codes[task], **self._scenario.fidelity}
        given = {name: np.full(n, value) for name, value in fixed.items()} | inputs
        zeros = np.zeros(n)
        categories, numbers = (
            np.stack([given.get(name, zeros) for name in names], axis=1)
            for names in (self._scenario.categories, self._scenario.numbers)
        )
        feed = {"x_cat": categories.astype(np.int32), "x_cont": numbers.astype(np.float32)}
        return np.asarray(self._session.run(None, feed)[0], dtype=float)

    def reference(self, task: str) -> Reference:
        """Estimate best and median of a task, in a second."""
        rng = np.random.default_rng(0)
        U = rng.random((_SAMPLE, len(self.space)))
        y = self.values(task, columns(self.space, U))
        median = float(np.median(y))
        for _ in range(_ROUNDS):
            elite = np.argsort(-y)[:_ELITE]
            U, y = U[elite], y[elite]
            steps = random_steps(np.repeat(U, _STEPS, axis=0), rng)
            U = np.concatenate([U, steps])
            y = np.concatenate([y, self.values(task, columns(self.space, steps))])
        return Reference(best=float(y.max()), median=median)


def yahpo_family(
    scenario: str,
    folder: Path,
    *,
    suite: str | None = None,
    make: Callable[[Surrogate, str], Task] | None = None,
    features: Callable[[str], Mapping[str, float]] | None = None,
) -> Family:
    """Return a fixed draw of a scenario's tasks as targets and, apart from them, as priors.

    Their suite may have another name, and ``make`` another kind of tasks of the surrogate.
    """
    surrogate = Surrogate(folder / scenario, _SCENARIOS[scenario])
    names = np.random.default_rng(0).permutation(surrogate.tasks).tolist()
    return Family(
        suite=suite or scenario,
        name=suite or scenario,
        targets=tuple(names[:_N_TARGETS]),
        sources=tuple(names[_N_TARGETS : _N_TARGETS + _N_SOURCES]),
        load=functools.cache(functools.partial(make or surrogate_task, surrogate)),
        features=features,
    )


def lcbench_family(suite: str, folder: Path) -> Family:
    """Return the tasks of ``lcbench`` with the time as second objective, or with their curves."""
    make = _curve_task if suite == PRUNED_SUITE else _two_task
    return yahpo_family("lcbench", folder, suite=suite, make=make)


def surrogate_task(surrogate: Surrogate, name: str) -> Task:
    """Return one task of a surrogate."""
    return single_task(
        name,
        "maximize",
        surrogate.suggest,
        lambda params: float(surrogate.values(name, one_row(surrogate.space, params))[0]),
        functools.partial(surrogate.reference, name),
    )


def random_steps(U: Array, rng: np.random.Generator) -> Array:
    """Return rows U (n, d) moved in about three coordinates by steps of very different sizes."""
    size = 10.0 ** rng.uniform(-2.5, -0.3, size=(len(U), 1))
    moved = rng.random(U.shape) < 3 / U.shape[1]
    stepped = U + np.where(moved, size * rng.standard_normal(U.shape), 0.0)
    return np.clip(stepped, 0.0, np.nextafter(1.0, 0.0))


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
    for _ in range(_FRONT_ROUNDS):
        kept = non_dominated(losses(Y))
        U, Y = U[kept], Y[kept]
        steps = random_steps(U[rng.integers(len(U), size=_FRONT_STEPS)], rng)
        U = np.concatenate([U, steps])
        Y = np.concatenate([Y, _pairs(surrogate, name, columns(surrogate.space, steps))])
    return front_of(sample, Y)


def _pairs(surrogate: Surrogate, name: str, inputs: Columns) -> Array:
    """Return accuracies and times, (n, 2)."""
    return surrogate.outputs(name, inputs)[:, [_ACCURACY, _TIME]]


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = path.read_bytes()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

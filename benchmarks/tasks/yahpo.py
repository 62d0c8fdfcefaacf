"""Tasks from three surrogate benchmarks of YAHPO Gym (Pfisterer et al., 2022, arXiv:2109.03670).

A scenario is one network, fitted by its authors to real results of many data sets, asked at full
fidelity. (The published maxima are over all fidelities, so no maxima of this function.) LCBench
comes with two objectives, too, and with learning curves, which the median pruner may stop.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
import functools
import json
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np
import optuna

from benchmarks.tasks import base


# Inputs of a surrogate by name, (n,) each: numbers as they are, categories as codes. An inactive
# input is 0, which is also the code of "inactive".
Columns = dict[str, base.Array]

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


_LCBENCH = "epoch batch_size learning_rate momentum weight_decay num_layers max_units max_dropout"
_RPART = "cp maxdepth minbucket minsplit trainsize repl"
_XGBOOST = """nrounds eta gamma lambda alpha subsample max_depth min_child_weight colsample_bytree
    colsample_bylevel rate_drop skip_drop trainsize repl"""
_FULL = {"trainsize": 1.0, "repl": 10.0}
_IMPUTED = "num.impute.selected.cpo"
_SCENARIOS = {
    "lcbench": Scenario(("OpenML_task_id",), tuple(_LCBENCH.split()), {"epoch": 52.0}, _ACCURACY),
    "rbv2_rpart": Scenario(("task_id", _IMPUTED), tuple(_RPART.split()), _FULL, 0),
    "rbv2_xgboost": Scenario(("task_id", "booster", _IMPUTED), tuple(_XGBOOST.split()), _FULL, 0),
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
        self.suggest: base.Suggest = functools.partial(suggest, self.space)

    def values(self, task: str, inputs: Columns) -> base.Array:
        """Return the values, (n,), of n configurations on a task; higher is better."""
        return self.outputs(task, inputs)[:, self._scenario.output]

    def outputs(self, task: str, inputs: Columns) -> base.Array:
        """Return all outputs, (n, outputs), at full fidelity where the inputs give none."""
        n = len(next(iter(inputs.values())))
        fixed = {self._task_input: self._task_codes[task], **self._scenario.fidelity}
        given = {name: np.full(n, value) for name, value in fixed.items()} | inputs
        X = dict.fromkeys(self._scenario.categories + self._scenario.numbers, np.zeros(n)) | given
        categories = np.stack([X[name] for name in self._scenario.categories], axis=1)
        numbers = np.stack([X[name] for name in self._scenario.numbers], axis=1)
        feed = {"x_cat": categories.astype(np.int32), "x_cont": numbers.astype(np.float32)}
        return np.asarray(self._session.run(None, feed)[0], dtype=float)

    def reference(self, task: str) -> base.Reference:
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
        return base.Reference(best=float(y.max()), median=median)


def yahpo_family(
    suite: str, folder: Path, features: Callable[[str], Mapping[str, float]] | None = None
) -> base.Family:
    """Return a fixed draw of a scenario's tasks as targets and, apart from them, as priors."""
    scenario, _, variant = suite.partition("-")
    make = {"": surrogate_task, "2": _two_task, "pruned": _curve_task}[variant]
    surrogate = Surrogate(folder / scenario, _SCENARIOS[scenario])
    names = np.random.default_rng(0).permutation(surrogate.tasks).tolist()
    targets, sources = names[:_N_TARGETS], names[_N_TARGETS : _N_TARGETS + _N_SOURCES]
    load = functools.cache(functools.partial(make, surrogate))
    return base.Family(suite, suite, tuple(targets), tuple(sources), load, features)


def surrogate_task(surrogate: Surrogate, name: str) -> base.Task:
    def evaluate(params: base.Params) -> float:
        return float(surrogate.values(name, one_row(surrogate.space, params))[0])

    reference = functools.partial(surrogate.reference, name)
    return base.single_task(name, "maximize", surrogate.suggest, evaluate, reference)


def random_steps(U: base.Array, rng: np.random.Generator) -> base.Array:
    """Return rows U (n, d) moved in about three coordinates by steps of very different sizes."""
    size = 10.0 ** rng.uniform(-2.5, -0.3, size=(len(U), 1))
    moved = rng.random(U.shape) < 3 / U.shape[1]
    stepped = U + np.where(moved, size * rng.standard_normal(U.shape), 0.0)
    return np.clip(stepped, 0.0, np.nextafter(1.0, 0.0))


def _two_task(surrogate: Surrogate, name: str) -> base.Task:
    def evaluate(params: base.Params) -> tuple[float, ...]:
        return tuple(_pairs(surrogate, name, one_row(surrogate.space, params))[0].tolist())

    front = functools.partial(_front, surrogate, name)
    return base.objectives_task(name, surrogate.suggest, evaluate, front)


def _curve_task(surrogate: Surrogate, name: str) -> base.Task:
    def curve(params: base.Params) -> tuple[float, ...]:
        inputs = one_row(surrogate.space, params, n=len(EPOCHS))
        inputs["epoch"] = np.array(EPOCHS, dtype=float)
        return tuple(surrogate.values(name, inputs).tolist())

    return replace(surrogate_task(surrogate, name), evaluate=curve, epochs=EPOCHS)


def _front(surrogate: Surrogate, name: str) -> base.Front:
    """Return the reference point of a fixed random sample; random steps improve its front."""
    rng = np.random.default_rng(0)
    U = rng.random((_SAMPLE, len(surrogate.space)))
    sample = Y = _pairs(surrogate, name, columns(surrogate.space, U))
    for _ in range(_FRONT_ROUNDS):
        kept = base.non_dominated(base.losses(Y))
        U, Y = U[kept], Y[kept]
        steps = random_steps(U[rng.integers(len(U), size=_FRONT_STEPS)], rng)
        U = np.concatenate([U, steps])
        Y = np.concatenate([Y, _pairs(surrogate, name, columns(surrogate.space, steps))])
    return base.front_of(sample, Y)


def _pairs(surrogate: Surrogate, name: str, inputs: Columns) -> base.Array:
    """Return accuracies and times, (n, 2)."""
    return surrogate.outputs(name, inputs)[:, [_ACCURACY, _TIME]]


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = path.read_bytes()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class Hyperparameter(NamedTuple):
    name: str
    codes: Mapping[str, int]  # category -> code; empty for numbers
    low: float
    high: float
    log: bool
    integer: bool
    parent: str | None  # active only if this category ...
    values: tuple[str, ...]  # ... is one of these

    def is_active(self, params: base.Params) -> bool:
        return self.parent is None or params.get(self.parent) in self.values

    def suggest(self, trial: optuna.Trial) -> Any:
        if self.codes:
            return trial.suggest_categorical(self.name, list(self.codes))
        if self.integer:
            return trial.suggest_int(self.name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.log)

    def decode(self, u: base.Array) -> base.Array:
        """Return the values or codes, (n,), of places in [0, 1), (n,)."""
        if self.codes:
            codes: base.Array = np.array(list(self.codes.values()), dtype=float)
            return np.take(codes, (u * len(codes)).astype(int))
        # Rounding must give the ends of a range of integers as much room as the rest.
        margin = 0.5 if self.integer else 0.0
        low, high = self.low - margin, self.high + margin
        x = low * (high / low) ** u if self.log else low + (high - low) * u
        return np.clip(np.round(x) if self.integer else x, self.low, self.high)


def read_space(folder: Path, exclude: Collection[str]) -> tuple[Hyperparameter, ...]:
    """Read the search space of a scenario without some inputs, parents before their children."""
    raw = json.loads((folder / "config_space.json").read_text())
    encoding = json.loads((folder / "encoding.json").read_text())
    conditions = {condition["child"]: condition for condition in raw["conditions"]}
    space = []
    for entry in raw["hyperparameters"]:
        if (name := entry["name"]) in exclude:
            continue
        condition = conditions.get(name, {"parent": None, "values": ()})
        dimension = Hyperparameter(
            name=name,
            codes={choice: encoding[name][choice] for choice in entry.get("choices", ())},
            low=float(entry.get("lower", 0.0)),
            high=float(entry.get("upper", 1.0)),
            log=bool(entry.get("log", False)),
            integer=entry["type"] == "uniform_int",
            parent=condition["parent"],
            values=tuple(condition.get("values", (condition.get("value"),))),
        )
        space.append(dimension)
    return tuple(sorted(space, key=lambda dimension: dimension.parent is not None))


def suggest(space: Sequence[Hyperparameter], trial: optuna.Trial) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for dimension in space:
        if dimension.is_active(params):
            params[dimension.name] = dimension.suggest(trial)
    return params


def columns(space: Sequence[Hyperparameter], U: base.Array) -> Columns:
    """Return the surrogate's inputs of rows of the unit cube, (n, dimensions)."""
    result: Columns = {}
    codes = {dimension.name: dimension.codes for dimension in space}
    for dimension, u in zip(space, U.T, strict=True):
        values = dimension.decode(u)
        if dimension.parent is not None:
            active = [codes[dimension.parent][value] for value in dimension.values]
            values = np.where(np.isin(result[dimension.parent], active), values, 0.0)
        result[dimension.name] = values
    return result


def one_row(space: Sequence[Hyperparameter], params: base.Params, n: int = 1) -> Columns:
    """Return the inputs, n times, of one configuration; inactive parameters are ignored."""
    return {
        d.name: np.full(n, float(d.codes[params[d.name]] if d.codes else params[d.name]))
        for d in space
        if d.is_active(params)
    }

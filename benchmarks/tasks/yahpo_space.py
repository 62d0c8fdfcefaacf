"""Search spaces in YAHPO Gym's ``config_space.json``: to suggest from, and to sample in bulk."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
import json
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np
import optuna

from benchmarks.tasks.task import Array
from benchmarks.tasks.task import Params


# Inputs of a surrogate by name, (n,) each: numbers as they are, categories as codes. An inactive
# input is 0, which is also the code of "inactive".
Columns = dict[str, Array]


class Hyperparameter(NamedTuple):
    """One dimension of a search space."""

    name: str
    codes: Mapping[str, int]  # category -> code; empty for numbers
    low: float
    high: float
    log: bool
    integer: bool
    parent: str | None  # active only if this category ...
    values: tuple[str, ...]  # ... is one of these

    def is_active(self, params: Params) -> bool:
        """Return whether it counts beside the parameters chosen so far."""
        return self.parent is None or params.get(self.parent) in self.values

    def suggest(self, trial: optuna.Trial) -> Any:
        """Draw a value."""
        if self.codes:
            return trial.suggest_categorical(self.name, list(self.codes))
        if self.integer:
            return trial.suggest_int(self.name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.log)

    def decode(self, u: Array) -> Array:
        """Return the values or codes, (n,), of places in [0, 1), (n,)."""
        if self.codes:
            codes: Array = np.array(list(self.codes.values()), dtype=float)
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
        name = entry["name"]
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
        if name not in exclude:
            space.append(dimension)
    return tuple(sorted(space, key=lambda dimension: dimension.parent is not None))


def suggest(space: Sequence[Hyperparameter], trial: optuna.Trial) -> dict[str, Any]:
    """Draw every parameter that is active."""
    params: dict[str, Any] = {}
    for dimension in space:
        if dimension.is_active(params):
            params[dimension.name] = dimension.suggest(trial)
    return params


def columns(space: Sequence[Hyperparameter], U: Array) -> Columns:
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


def one_row(space: Sequence[Hyperparameter], params: Params, n: int = 1) -> Columns:
    """Return the inputs, n times, of one configuration; inactive parameters are ignored."""
    return {
        d.name: np.full(n, float(d.codes[params[d.name]] if d.codes else params[d.name]))
        for d in space
        if d.is_active(params)
    }

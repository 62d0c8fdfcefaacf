"""HPO-B's JSON files, split by search space once, as they are large; and its tables as tasks."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import json
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from benchmarks.tasks.priors import stable_seed
from benchmarks.tasks.task import Array
from benchmarks.tasks.task import Params
from benchmarks.tasks.task import Reference
from benchmarks.tasks.task import single_task
from benchmarks.tasks.task import Task


SEEDS = tuple(f"test{i}" for i in range(5))  # names of the given initialisations
_SPLITS = ("test", "validation", "train")  # the test split first: it names the spaces


class Table(NamedTuple):
    """All configurations of a data set."""

    X: Array  # (n, d)
    y: Array  # (n,) accuracies
    initial: NDArray[np.intp]  # (5, 5) rows of the initialisations; (0, 0) without any

    @property
    def distributions(self) -> dict[str, FloatDistribution]:
        """Of the parameters: the published ones are scaled to [0, 1]."""
        distribution = FloatDistribution(self.X.min(initial=0.0), self.X.max(initial=1.0))
        return {f"x{j}": distribution for j in range(self.X.shape[1])}

    @property
    def configurations(self) -> list[dict[str, float]]:
        """The rows as parameters."""
        return [dict(zip(self.distributions, row, strict=True)) for row in self.X.tolist()]

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """Draw every parameter from its range."""
        return {n: trial.suggest_float(n, d.low, d.high) for n, d in self.distributions.items()}

    def task(self, name: str, first: Sequence[int]) -> Task:
        """Return the search of this table, for one study: a row has its turn once.

        Some tables have a configuration several times; the first rows come first.
        """
        rows: dict[tuple[float, ...], list[int]] = {}
        for i in dict.fromkeys([*first, *range(len(self.y))]):
            rows.setdefault(tuple(self.X[i].tolist()), []).append(i)

        def evaluate(params: Params) -> float:
            equal = rows[tuple(params.values())]
            return float(self.y[equal.pop(0) if len(equal) > 1 else equal[0]])

        # Scaled to [0, 1] over the table: regret is 0 at its best and 1 at its worst.
        ends = Reference(float(self.y.max()), float(self.y.min()))
        if ends.best == ends.median:
            ends = Reference(ends.best, ends.best - 1.0)
        return single_task(name, "maximize", self.suggest, evaluate, lambda: ends)


def split_spaces(data: Path, spaces: Sequence[str] | None, cache: Path) -> list[str]:
    """Write a file for each search space and split, where it is missing.

    Raises:
        ValueError: A JSON file is missing, or a space is not in the test split.
    """
    listed = cache / "hpob-spaces.json"
    if spaces is None and listed.exists():
        spaces = json.loads(listed.read_text())
    if spaces and all(_path(cache, space, s).exists() for space in spaces for s in _SPLITS):
        return list(spaces)
    initial = _load(data / "bo-initializations.json")
    cache.mkdir(parents=True, exist_ok=True)
    for split in _SPLITS:
        tables = _load(data / f"meta-{split}-dataset.json")
        if spaces is None:
            spaces = sorted(tables)
            listed.write_text(json.dumps(spaces))
        for space in spaces:
            if split == "test" and space not in tables:
                known = ", ".join(sorted(tables))
                raise ValueError(f"Expected search spaces among {known}; got {space!r}.")
            _write(_path(cache, space, split), tables.get(space, {}), initial.get(space, {}))
    return list(spaces or ())


def read_split(cache: Path, space: str, split: str) -> dict[str, Table]:
    """Read the tables of a search space by data set, of what ``split_spaces`` wrote."""
    with np.load(_path(cache, space, split)) as arrays:
        names = dict.fromkeys(key.rpartition("/")[0] for key in arrays)
        return {n: Table(*(arrays[f"{n}/{field}"] for field in Table._fields)) for n in names}


def prior_of(space: str, name: str, table: Table, n_trials: int) -> optuna.Study:
    """Return a prior study: a fixed random draw of a table's rows."""
    rng = np.random.default_rng(stable_seed("hpob", space, name))
    study = optuna.create_study(study_name=name, direction="maximize")
    configurations, distributions = table.configurations, dict(table.distributions)
    for i in rng.permutation(len(table.y))[:n_trials]:
        options = {"params": configurations[i], "distributions": distributions}
        study.add_trial(create_trial(value=float(table.y[i]), **options))
    return study


def _path(cache: Path, space: str, split: str) -> Path:
    return cache / f"hpob-{space}-{split}.npz"


def _load(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise ValueError(
            f"Expected HPO-B's file {path.name} in the folder of --data. "
            "Its README says where to download hpob-data.zip: pass the folder that it unpacks to."
        )
    record: dict[str, Any] = json.loads(path.read_bytes())
    return record


def _write(path: Path, tables: Mapping[str, Any], initial: Mapping[str, Any]) -> None:
    arrays: dict[str, Any] = {}
    for name, table in tables.items():
        arrays[f"{name}/X"] = np.array(table["X"], dtype=float)
        arrays[f"{name}/y"] = np.array(table["y"], dtype=float).ravel()
        rows = initial.get(name, {})
        given = [rows[seed] for seed in SEEDS if seed in rows]
        arrays[f"{name}/initial"] = np.array(given or np.empty((0, 0)), dtype=int)
    np.savez_compressed(path, **arrays)

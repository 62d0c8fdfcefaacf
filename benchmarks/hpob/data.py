"""HPO-B's JSON files, split by search space once, as they are large; and its tables as studies."""

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
from optuna.distributions import BaseDistribution
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from benchmarks.tasks.priors import stable_seed


__all__ = ["SEEDS", "Table", "prior_of", "read_split", "split_spaces", "study_of"]

SEEDS = tuple(f"test{i}" for i in range(5))  # names of the given initialisations
_FILES = {
    "train": "meta-train-dataset.json",
    "validation": "meta-validation-dataset.json",
    "test": "meta-test-dataset.json",
}
_INITIAL = "bo-initializations.json"


class Table(NamedTuple):
    """All configurations of a data set."""

    X: NDArray[np.float64]  # (n, d)
    y: NDArray[np.float64]  # (n,) accuracies
    initial: NDArray[np.intp]  # (5, 5) rows of the initialisations; (0, 0) without any

    @property
    def names(self) -> list[str]:
        """Of the parameters."""
        return [f"x{j}" for j in range(self.X.shape[1])]

    @property
    def range(self) -> tuple[float, float]:
        """Of each parameter: the published ones are scaled to [0, 1]."""
        return float(self.X.min(initial=0.0)), float(self.X.max(initial=1.0))

    @property
    def configurations(self) -> list[dict[str, float]]:
        """The rows as parameters."""
        return [dict(zip(self.names, row, strict=True)) for row in self.X.tolist()]

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Of the parameters."""
        return {name: FloatDistribution(*self.range) for name in self.names}

    def scores(self) -> NDArray[np.float64]:
        """Accuracies scaled to [0, 1] over the table, (n,); 1 where all are the same."""
        low, high = self.y.min(), self.y.max()
        return (self.y - low) / (high - low) if high > low else np.ones(len(self.y))


def split_spaces(data: Path, spaces: Sequence[str] | None, cache: Path) -> list[str]:
    """Write a file for each search space and split, where it is missing.

    Args:
        data:
            Folder of the JSON files.
        spaces:
            Names of search spaces; all of the test split by default.
        cache:
            Folder for the new files.

    Returns:
        The names of the spaces.

    Raises:
        ValueError:
            If a JSON file is missing, or a space is not in the test split.
    """
    listed = cache / "hpob-spaces.json"
    if spaces is None and listed.exists():
        spaces = json.loads(listed.read_text())
    wanted = [_path(cache, space, split) for space in spaces or () for split in _FILES]
    if wanted and all(path.exists() for path in wanted):
        return list(spaces or ())
    initial = _load(data / _INITIAL)
    cache.mkdir(parents=True, exist_ok=True)
    for split in reversed(_FILES):  # the test split first: it names the spaces
        tables = _load(data / _FILES[split])
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
    """The tables of a search space by data set, of what ``split_spaces`` wrote.

    Args:
        cache:
            Folder of the files.
        space:
            Name of the search space.
        split:
            ``"train"``, ``"validation"`` or ``"test"``.
    """
    with np.load(_path(cache, space, split)) as arrays:
        names = dict.fromkeys(key.rpartition("/")[0] for key in arrays)
        return {n: Table(*(arrays[f"{n}/{field}"] for field in Table._fields)) for n in names}


def study_of(name: str, table: Table, rows: Sequence[int]) -> optuna.Study:
    """A study of some rows of a table, in their order."""
    study = optuna.create_study(study_name=name, direction="maximize")
    configurations, distributions = table.configurations, table.distributions
    study.add_trials(
        [
            create_trial(
                params=configurations[i], distributions=distributions, value=float(table.y[i])
            )
            for i in rows
        ]
    )
    return study


def prior_of(space: str, name: str, table: Table, n_trials: int) -> optuna.Study:
    """A prior study: a fixed random draw of a table's rows."""
    rng = np.random.default_rng(stable_seed("hpob", space, name))
    return study_of(name, table, rng.permutation(len(table.y))[:n_trials].tolist())


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
    arrays = {}
    for name, table in tables.items():
        arrays[f"{name}/X"] = np.array(table["X"], dtype=float)
        arrays[f"{name}/y"] = np.array(table["y"], dtype=float).ravel()
        rows = initial.get(name, {})
        given = [rows[seed] for seed in SEEDS if seed in rows]
        arrays[f"{name}/initial"] = np.array(given or np.empty((0, 0)), dtype=int)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # taken for an option

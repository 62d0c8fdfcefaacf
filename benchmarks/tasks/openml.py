"""Meta-features of OpenML data sets, joined to tasks by their id.

They are the qualities that LCDB (MIT) took from OpenML for 219 data sets, without the names that
are missing for most of these. LCBench names its tasks by OpenML's task ids, which
``lcbench_task_to_dataset.json`` translates.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import csv
import json
import math
from pathlib import Path


__all__ = ["feature_reader"]

_QUALITIES = "lcdb_openml_qualities.csv"
_ID = "openmlid"
_TRANSLATIONS = {"lcbench": "lcbench_task_to_dataset.json"}


def feature_reader(suite: str, folder: Path) -> Callable[[str], Mapping[str, float]] | None:
    """A function from a task's name to the meta-features of its data set.

    It returns nothing for a data set that the file lacks.

    Args:
        suite:
            ``lcbench``, or one whose tasks are named by the id of their data set.
        folder:
            Folder of the files; without them the result is ``None``.
    """
    path = folder / _QUALITIES
    if not path.exists():
        return None
    ids: Mapping[str, int] = {}
    if suite in _TRANSLATIONS:
        ids = json.loads((folder / _TRANSLATIONS[suite]).read_text())
    table = _read(path)
    return lambda task: table.get(str(ids.get(task, task)), {})


def _read(path: Path) -> Mapping[str, Mapping[str, float]]:
    """Meta-features by the id of a data set."""
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    known = {line[_ID]: _numbers(line) for line in lines}
    counts = {name: sum(name in values for values in known.values()) for name in lines[0]}
    return {
        key: {name: value for name, value in values.items() if counts[name] > len(lines) / 2}
        for key, values in known.items()
    }


def _numbers(line: Mapping[str, str]) -> dict[str, float]:
    values = {}
    for name, text in line.items():
        try:
            values[name] = float(text)
        except ValueError:  # the data set's name, or nothing
            continue
    return {n: v for n, v in values.items() if n != _ID and math.isfinite(v)}

"""All families of tasks, by the name of their suite; and what is known of their data sets.

Meta-features are the qualities that LCDB (MIT) took from OpenML for 219 data sets, without the
names that are missing for most of these, joined to tasks by OpenML's id. LCBench names its tasks
by OpenML's task ids, which ``lcbench_task_to_dataset.json`` translates.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.tasks.nmt import nmt_family
from benchmarks.tasks.nmt import NMT_SUITE
from benchmarks.tasks.tables import SUITE
from benchmarks.tasks.tables import table_families
from benchmarks.tasks.task import Family
from benchmarks.tasks.task import OBJECTIVES_SUITES
from benchmarks.tasks.task import PRUNED_SUITE
from benchmarks.tasks.yahpo import lcbench_family
from benchmarks.tasks.yahpo import yahpo_family
from benchmarks.tasks.yahpo import YAHPO_SUITES


SUITES = (SUITE, *YAHPO_SUITES, NMT_SUITE, *OBJECTIVES_SUITES, PRUNED_SUITE)
_WITH_FEATURES = ("lcbench", "rbv2_xgboost")


@functools.cache
def load_suite(suite: str, data: Path | None = None) -> tuple[Family, ...]:
    """Read the families of a suite.

    The folder of data contains ``yahpo/``, ``nmt/`` and ``openml_metafeatures/``.
    """
    if suite == SUITE:
        return table_families()
    if suite not in SUITES:
        raise ValueError(f"Expected a suite among {', '.join(SUITES)}; got {suite!r}.")
    if data is None:
        raise ValueError(f"Suite {suite!r} reads files: pass --data FOLDER that contains them.")
    if suite.startswith(NMT_SUITE):
        return (nmt_family(data / "nmt", suite),)
    if suite not in YAHPO_SUITES:
        return (lcbench_family(suite, data / "yahpo"),)
    path = data / "openml_metafeatures" / "lcdb_openml_qualities.csv"
    features = _read_features(suite, path) if suite in _WITH_FEATURES and path.exists() else None
    return (yahpo_family(suite, data / "yahpo", features=features),)


def _read_features(suite: str, path: Path) -> Callable[[str], Mapping[str, float]]:
    """Return a function from a task's name to its meta-features, empty where there are none."""
    ids: Mapping[str, int] = {}
    if suite == "lcbench":
        ids = json.loads((path.parent / "lcbench_task_to_dataset.json").read_text())
    frame = pd.read_csv(path, dtype=str, index_col="openmlid")
    frame = frame.apply(pd.to_numeric, errors="coerce").replace([np.inf, -np.inf], np.nan)
    frame = frame.loc[:, frame.notna().sum() > len(frame) / 2]
    known = {key: row.dropna().to_dict() for key, row in frame.iterrows()}
    return lambda task: known.get(str(ids.get(task, task)), {})

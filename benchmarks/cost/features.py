"""Time extracting meta-features of tables, and tell how much memory it takes.

Each data set has a process of its own, on one core. The first extraction imports scikit-learn's
learners; the others do not. Memory is the most that Python and NumPy allocate at once, in one more
extraction. Data that are mapped are written to a file first, block by block.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
import tempfile
import tracemalloc
from typing import Any
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.cost.timing import MIB
from benchmarks.cost.timing import timed
from benchmarks.pool import run_or_raise
from benchmarks.report.markdown import table


_REPEATS = 3
_BLOCK = 99_991  # rows written at once: a prime, so that no period is a round number


class Work(NamedTuple):
    """A data set to make."""

    kind: str  # a key of MAKERS
    n_rows: int
    n_columns: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--mapped-rows", type=int, default=10_000_000)
    parser.add_argument("--columns", type=int, default=100)


def main(args: argparse.Namespace) -> None:
    """Print the table."""
    lines = []
    for kind in MAKERS:
        n_rows = args.mapped_rows if "mapped" in kind else args.rows
        works = [Work(kind, n_rows, args.columns)]
        lines += [line for _, line in run_or_raise(measure_features, works, n_processes=1)]
    print("CPU seconds of extract_meta_features with its defaults, and MiB of memory\n")
    print(table(["data", "rows x columns", "first", "again", "wall", "memory"], lines))


def measure_features(work: Work) -> list[str]:
    """Make the data, then extract their meta-features several times."""
    from optuna_meta import extract_meta_features

    with tempfile.TemporaryDirectory() as folder:
        X, y = MAKERS[work.kind](work, Path(folder))
        first, *others = [
            timed(lambda: extract_meta_features(X, y))[1] for _ in range(_REPEATS + 1)
        ]
        # Not of the process, for the pages of a map that have been read count there until others
        # need the memory.
        tracemalloc.start()
        extract_meta_features(X, y)
        peak = tracemalloc.get_traced_memory()[1] / MIB
        tracemalloc.stop()
    again = min(others)
    size = f"{work.n_rows:,} x {work.n_columns}"
    times = [f"{seconds:.2f}" for seconds in (first.cpu, *again)]
    return [work.kind, size, *times, f"{peak:.0f}"]


def _numbers(work: Work, folder: Path) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((work.n_rows, work.n_columns))
    return X, X[:, 0] + rng.standard_normal(work.n_rows)


def _classes(work: Work, folder: Path) -> tuple[Any, Any]:
    X, y = _numbers(work, folder)
    return X, (y > 0).astype(int)


def _outputs(work: Work, folder: Path) -> tuple[Any, Any]:
    X, y = _numbers(work, folder)
    return X, np.column_stack([y, X[:, 1:3].sum(axis=1)])


def _frame(work: Work, folder: Path) -> tuple[Any, Any]:
    """Make columns of which half are categorical, and a tenth of the cells missing."""
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal((work.n_rows, work.n_columns - work.n_columns // 2))
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    frame = pd.DataFrame(numbers).add_prefix("number")
    levels = np.array([*"abcdefgh", None], dtype=object)
    texts = {f"text{j}": rng.choice(levels, work.n_rows) for j in range(work.n_columns // 2)}
    y = rng.choice(np.array(["no", "perhaps", "yes"]), work.n_rows)
    return pd.concat([frame, pd.DataFrame(texts)], axis=1), y


def _mapped(classes: bool) -> Callable[[Work, Path], tuple[Any, Any]]:
    """Return a maker of read-only maps of files that repeat a block of random numbers."""

    def make(work: Work, folder: Path) -> tuple[Any, Any]:
        rng = np.random.default_rng(0)
        n = min(work.n_rows, _BLOCK)
        X = rng.standard_normal((n, work.n_columns), dtype=np.float32)
        y = rng.integers(0, 10, n) if classes else rng.standard_normal(n)
        return _written(folder / "X", X, work.n_rows), _written(folder / "y", y, work.n_rows)

    return make


def _written(path: Path, block: Any, n_rows: int) -> Any:
    with path.open("wb") as file:
        for start in range(0, n_rows, len(block)):
            file.write(block[: n_rows - start].tobytes())
    return np.memmap(path, dtype=block.dtype, mode="r", shape=(n_rows, *block.shape[1:]))


MAKERS: dict[str, Callable[[Work, Path], tuple[Any, Any]]] = {
    "numbers, classes": _classes,
    "numbers, regression": _numbers,
    "numbers, two outputs": _outputs,
    "frame, half of it strings": _frame,
    "memory-mapped, classes": _mapped(classes=True),
    "memory-mapped, regression": _mapped(classes=False),
}

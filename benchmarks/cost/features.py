"""Time extracting meta-features of tables, and tell how much memory it takes.

Each data set has a process of its own; memory is the most that Python and NumPy allocate at once.
"""

import argparse
from collections.abc import Callable
import functools
from pathlib import Path
import tempfile
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import commands
from benchmarks.report.markdown import table


Maker = Callable[[int, int, Path], tuple[Any, Any]]  # of rows, columns and a folder
_REPEATS = 3
_BLOCK = 99_991  # rows written at once: a prime, so that no period is a round number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--mapped-rows", type=int, default=10_000_000)
    parser.add_argument("--columns", type=int, default=100)


def main(args: argparse.Namespace) -> None:
    rows = {kind: args.mapped_rows if "mapped" in kind else args.rows for kind in MAKERS}
    works = [(kind, n_rows, args.columns) for kind, n_rows in rows.items()]
    alone = (commands.run_or_raise(measure, [work], n_processes=1) for work in works)
    lines = [line for outcomes in alone for _, line in outcomes]
    print("CPU seconds of extract_meta_features with its defaults, and MiB of memory\n")
    print(table(["data", "rows x columns", "first", "again", "wall", "memory"], lines))


def measure(work: tuple[str, int, int]) -> list[str]:
    from optuna_meta import extract_meta_features

    kind, n_rows, n_columns = work
    with tempfile.TemporaryDirectory() as folder:
        X, y = MAKERS[kind](n_rows, n_columns, Path(folder))
        extract = functools.partial(extract_meta_features, X, y)
        first, *others = [commands.timed(extract)[1] for _ in range(_REPEATS + 1)]
        # Not of the process, for the pages of a map that have been read count there until others
        # need the memory.
        tracemalloc.start()
        extract()
        peak = tracemalloc.get_traced_memory()[1] / commands.MIB
        tracemalloc.stop()
    again = min(others)
    size = f"{n_rows:,} x {n_columns}"
    times = [f"{seconds:.2f}" for seconds in (first.cpu, *again)]
    return [kind, size, *times, f"{peak:.0f}"]


def _numbers(kind: str) -> Maker:
    def make(n_rows: int, n_columns: int, folder: Path) -> tuple[Any, Any]:
        rng = np.random.default_rng(0)
        X = rng.standard_normal((n_rows, n_columns))
        y = X[:, 0] + rng.standard_normal(n_rows)
        outputs = np.column_stack([y, X[:, 1:3].sum(axis=1)])
        return X, {"classes": (y > 0).astype(int), "two": outputs}.get(kind, y)

    return make


def _frame(n_rows: int, n_columns: int, folder: Path) -> tuple[Any, Any]:
    """Make columns of which half are categorical, and a tenth of the cells missing."""
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal((n_rows, n_columns - n_columns // 2))
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    frame = pd.DataFrame(numbers).add_prefix("number")
    levels = np.array([*"abcdefgh", None], dtype=object)
    texts = {f"text{j}": rng.choice(levels, n_rows) for j in range(n_columns // 2)}
    y = rng.choice(np.array(["no", "perhaps", "yes"]), n_rows)
    return pd.concat([frame, pd.DataFrame(texts)], axis=1), y


def _mapped(classes: bool) -> Maker:
    """Return a maker of read-only maps of files that repeat a block of random numbers."""

    def make(n_rows: int, n_columns: int, folder: Path) -> tuple[Any, Any]:
        rng = np.random.default_rng(0)
        n = min(n_rows, _BLOCK)
        X = rng.standard_normal((n, n_columns), dtype=np.float32)
        y = rng.integers(0, 10, n) if classes else rng.standard_normal(n)
        return _written(folder / "X", X, n_rows), _written(folder / "y", y, n_rows)

    return make


def _written(path: Path, block: Any, n_rows: int) -> Any:
    with path.open("wb") as file:
        for start in range(0, n_rows, len(block)):
            file.write(block[: n_rows - start].tobytes())
    return np.memmap(path, dtype=block.dtype, mode="r", shape=(n_rows, *block.shape[1:]))


MAKERS: dict[str, Maker] = {
    "numbers, classes": _numbers("classes"),
    "numbers, regression": _numbers("regression"),
    "numbers, two outputs": _numbers("two"),
    "frame, half of it strings": _frame,
    "memory-mapped, classes": _mapped(classes=True),
    "memory-mapped, regression": _mapped(classes=False),
}

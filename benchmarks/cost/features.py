"""Time and memory of extracting meta-features: ``python -m benchmarks.cost.features``.

Each data set has a process of its own, on one core. The first extraction imports scikit-learn's
learners; the others do not. Memory is the most that Python and NumPy allocate at once, in one more
extraction. Data that are mapped are written to a file first, block by block.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
import tempfile
import time
import tracemalloc
from typing import Any
from typing import NamedTuple

import numpy as np

from benchmarks.pool import run_all


__all__ = ["FeatureTiming", "main", "measure_features", "Work"]

_REPEATS = 3
_MIB = 2.0**20


class Work(NamedTuple):
    """A data set to make."""

    kind: str  # a key of _MAKERS
    n_rows: int
    n_columns: int


class FeatureTiming(NamedTuple):
    """A line of the table."""

    work: Work
    first: float  # CPU seconds of the first extraction
    again: float  # of the fastest of the next three
    wall: float  # seconds of that one
    memory: float  # MiB allocated at once, at the most


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    name = "python -m benchmarks.cost.features"
    parser = argparse.ArgumentParser(prog=name, description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--mapped-rows", type=int, default=10_000_000)
    parser.add_argument("--columns", type=int, default=100)
    args = parser.parse_args(argv)
    works = [Work(kind, args.rows, args.columns) for kind in _MAKERS if "mapped" not in kind]
    works += [Work(kind, args.mapped_rows, args.columns) for kind in _MAKERS if "mapped" in kind]
    print("CPU seconds of extract_meta_features with its defaults, and MiB of memory\n")
    print("| data | rows x columns | first | again | wall | memory |")
    print("|" + " --- |" * 6)
    for work in works:
        for _, outcome in run_all(measure_features, [work], n_processes=1):
            if isinstance(outcome, Exception):
                raise outcome
            print(_line(outcome), flush=True)


def measure_features(work: Work) -> FeatureTiming:
    """Make the data, then extract their meta-features several times."""
    from optuna_meta import extract_meta_features

    def extract() -> object:
        return extract_meta_features(X, y)

    with tempfile.TemporaryDirectory() as folder:
        X, y = _MAKERS[work.kind](work, Path(folder))
        first, *others = [_timed(extract) for _ in range(_REPEATS + 1)]
        memory = _peak_memory(extract)
    again, wall = min(others)
    return FeatureTiming(work, first[0], again, wall, memory)


def _classes(work: Work, folder: Path) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((work.n_rows, work.n_columns))
    return X, (X[:, 0] + rng.standard_normal(work.n_rows) > 0).astype(int)


def _numbers(work: Work, folder: Path) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((work.n_rows, work.n_columns))
    return X, X[:, 0] + rng.standard_normal(work.n_rows)


def _outputs(work: Work, folder: Path) -> tuple[Any, Any]:
    X, y = _numbers(work, folder)
    return X, np.column_stack([y, X[:, 1:3].sum(axis=1)])


def _frame(work: Work, folder: Path) -> tuple[Any, Any]:
    """Half of the columns are categorical, and a tenth of the cells are missing."""
    import pandas as pd

    rng = np.random.default_rng(0)
    numbers = rng.standard_normal((work.n_rows, work.n_columns - work.n_columns // 2))
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    frame = pd.DataFrame(numbers).add_prefix("number")
    levels = np.array([*"abcdefgh", None], dtype=object)
    texts = {f"text{j}": rng.choice(levels, work.n_rows) for j in range(work.n_columns // 2)}
    y = rng.choice(np.array(["no", "perhaps", "yes"]), work.n_rows)
    return pd.concat([frame, pd.DataFrame(texts)], axis=1), y


def _mapped_classes(work: Work, folder: Path) -> tuple[Any, Any]:
    X = _mapped(folder / "X", np.float32, (work.n_rows, work.n_columns))
    block = np.random.default_rng(0).integers(0, 10, 99_991)
    return X, _written(folder / "y", block, (work.n_rows,))


def _mapped_numbers(work: Work, folder: Path) -> tuple[Any, Any]:
    X = _mapped(folder / "X", np.float32, (work.n_rows, work.n_columns))
    return X, _mapped(folder / "y", np.float64, (work.n_rows,))


_MAKERS: dict[str, Callable[[Work, Path], tuple[Any, Any]]] = {
    "numbers, classes": _classes,
    "numbers, regression": _numbers,
    "numbers, two outputs": _outputs,
    "frame, half of it strings": _frame,
    "memory-mapped, classes": _mapped_classes,
    "memory-mapped, regression": _mapped_numbers,
}


def _mapped(path: Path, dtype: Any, shape: tuple[int, ...]) -> Any:
    """A read-only map of a file that repeats a block of random numbers."""
    rng = np.random.default_rng(len(shape))
    block = rng.standard_normal((min(shape[0], 99_991), *shape[1:])).astype(dtype)
    return _written(path, block, shape)


def _written(path: Path, block: Any, shape: tuple[int, ...]) -> Any:
    with path.open("wb") as file:
        for start in range(0, shape[0], len(block)):
            file.write(block[: shape[0] - start].tobytes())
    return np.memmap(path, dtype=block.dtype, mode="r", shape=shape)


def _timed(function: Callable[[], object]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    function()
    return time.process_time() - cpu, time.perf_counter() - wall


def _peak_memory(function: Callable[[], object]) -> float:
    # Not of the process, for the pages of a map that have been read count there until others
    # need the memory.
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / _MIB


def _line(t: FeatureTiming) -> str:
    size = f"{t.work.n_rows:,} x {t.work.n_columns}"
    cells = [t.work.kind, size, f"{t.first:.2f}", f"{t.again:.2f}", f"{t.wall:.2f}"]
    return "| " + " | ".join([*cells, f"{t.memory:.0f}"]) + " |"


if __name__ == "__main__":
    main()

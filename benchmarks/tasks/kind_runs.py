"""Training runs on images, texts and interactions: ``python -m benchmarks.tasks.kind_runs``.

Every configuration of the grids of :mod:`.kind_models` is trained on every data set of
:mod:`.kind_tasks`, once; the values are kept on disk, with the meta-features that our own
extraction finds in the same data:

    python -m benchmarks.tasks.kind_runs --data FOLDER --cache FOLDER
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import functools
from pathlib import Path
import time

from benchmarks.pool import run_all
from benchmarks.tasks.kind_models import GRIDS
from benchmarks.tasks.kind_tasks import Drawn
from benchmarks.tasks.kind_tasks import READERS
from benchmarks.tasks.real_runs import Runs
from benchmarks.tasks.tables import Table
from benchmarks.tasks.task import BenchmarkTask
from benchmarks.tasks.task import Family


__all__ = ["kind_family", "main", "tabulate_kind"]


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is missing in the folder."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tasks.kind_runs", description=__doc__
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of fashion_mnist/ etc.")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the values")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    args = parser.parse_args(argv)
    work = functools.partial(_tabulate_all, args.data, args.cache)
    for kind, outcome in run_all(work, list(READERS), n_processes=args.jobs):
        if isinstance(outcome, Exception):
            raise outcome
        print(f"{kind}: {outcome:.1f} CPU seconds", flush=True)


def kind_family(folder: Path, kind: str) -> Family:
    """The data sets of a kind that are in the folder; each has all others as priors.

    Raises:
        FileNotFoundError:
            There is none.
    """
    names = tuple(sorted(path.stem for path in (folder / kind).glob("*.npz")))
    if not names:
        raise FileNotFoundError(
            f"Expected tables of training runs in {folder / kind}, found none: make them with "
            "'python -m benchmarks.tasks.kind_runs --data FOLDER --cache FOLDER'."
        )
    read = functools.cache(functools.partial(_read, folder, kind))
    return Family(
        suite=kind,
        name=kind,
        targets=names,
        sources=names,
        load=functools.cache(lambda name: _task(kind, name, read(name))),
        features=lambda name: read(name).features,
    )


def tabulate_kind(folder: Path, kind: str, name: str, drawn: Drawn) -> Runs:
    """Train the grid on a data set, describe the data, and keep both.

    Args:
        folder:
            Folder of the files.
        kind:
            A key of ``GRIDS``.
        name:
            Name of the data set.
        drawn:
            The data.
    """
    from optuna_meta import extract_meta_features  # which imports torch, needed here only

    features = extract_meta_features(drawn.data, drawn.y, seed=0)
    runs = Runs.of(GRIDS[kind].train(drawn), features)
    runs.save(folder / kind / f"{name}.npz")
    return runs


def _tabulate_all(data: Path, cache: Path, kind: str) -> float:
    start = time.process_time()
    for name, drawn in READERS[kind](data).items():
        if not (cache / kind / f"{name}.npz").exists():
            tabulate_kind(cache, kind, name, drawn)
    return time.process_time() - start


def _read(folder: Path, kind: str, name: str) -> Runs:
    return Runs.load(folder / kind / f"{name}.npz")


def _task(kind: str, name: str, runs: Runs) -> BenchmarkTask:
    grid = GRIDS[kind]
    names = (*grid.levels, *grid.choices)
    table = Table(grid.direction, grid.levels, grid.choices, names, runs.values)
    return table.task(name, kind)


if __name__ == "__main__":
    main()

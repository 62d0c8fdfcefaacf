"""Train small models on small data sets, every configuration of a grid once.

Values are kept on disk, with the meta-features that our own extraction finds in the same data:
``--cache FOLDER`` for support vector machines on tables, and with ``--kind images texts
interactions --data FOLDER`` for the others.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
from pathlib import Path
import time
from typing import NamedTuple

import numpy as np

from benchmarks.pool import run_or_raise
from benchmarks.tasks.drawn import Drawn
from benchmarks.tasks.drawn import draws_of
from benchmarks.tasks.grids import GRIDS
from benchmarks.tasks.task import Array
from benchmarks.tasks.task import Family


class Runs(NamedTuple):
    """What is kept of a data set."""

    values: Array  # of the shape of the grid's axes
    features: dict[str, float]  # of the data, where they are known


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--cache", type=Path, required=True, help="folder for the values")
    parser.add_argument("--kind", nargs="+", choices=list(GRIDS), default=["svm"])
    parser.add_argument("--data", type=Path, help="folder of fashion_mnist/ etc., of all but svm")
    parser.add_argument("--jobs", type=int, default=2, help="processes")


def main(args: argparse.Namespace) -> None:
    """Train what is missing in the folder."""
    for kind in args.kind:
        if kind != "svm" and args.data is None:
            raise SystemExit(f"The data sets of {kind} are read from files: pass --data FOLDER.")
        names = [
            name
            for name in draws_of(kind, args.data)
            if not _path(args.cache, kind, name).exists()
        ]
        work = functools.partial(_train_timed, args.cache, args.data, kind)
        for name, seconds in run_or_raise(work, names, args.jobs):
            print(f"{kind}, {name}: {seconds:.1f} CPU seconds", flush=True)


def trained_family(folder: Path, kind: str) -> Family:
    """Return the data sets of a kind that are in the folder; each has all others as priors.

    Raises:
        FileNotFoundError: There is none.
    """
    found = {path.stem for path in (folder / kind).glob("*.npz")}
    known = list(draws_of(kind, None)) if kind == "svm" else []
    names = tuple(sorted(found, key=lambda n: (known.index(n) if n in known else len(known), n)))
    if not names:
        raise FileNotFoundError(
            f"Expected tables of training runs in {folder / kind}, found none: make them with "
            f"'python -m benchmarks.tasks train --kind {kind} --cache FOLDER'."
        )
    read = functools.cache(functools.partial(read_runs, folder, kind))
    return Family(
        suite=kind,
        name=kind,
        targets=names,
        sources=names,
        load=functools.cache(lambda name: GRIDS[kind].table(read(name).values).task(name)),
        features=lambda name: read(name).features,
    )


def read_runs(folder: Path, kind: str, name: str) -> Runs:
    """Read what is kept of a data set."""
    with np.load(_path(folder, kind, name)) as kept:
        return Runs(kept["values"], json.loads(str(kept["features"])))


def train(folder: Path, kind: str, name: str, drawn: Drawn) -> Runs:
    """Train a kind's grid on a data set, describe the data, and keep both in the folder."""
    from optuna_meta import extract_meta_features  # which imports torch, needed here only

    features = extract_meta_features(drawn.data, drawn.y, seed=0)
    known = {name: value for name, value in features.items() if np.isfinite(value)}
    runs = Runs(GRIDS[kind].train(drawn), known)
    path = _path(folder, kind, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.npz")
    np.savez_compressed(partial, values=runs.values, features=json.dumps(known))
    partial.replace(path)  # at once, as a broken run leaves no half a file
    return runs


def _train_timed(folder: Path, data: Path | None, kind: str, name: str) -> float:
    start = time.process_time()
    train(folder, kind, name, draws_of(kind, data)[name]())
    return time.process_time() - start


def _path(folder: Path, kind: str, name: str) -> Path:
    return folder / kind / f"{name}.npz"

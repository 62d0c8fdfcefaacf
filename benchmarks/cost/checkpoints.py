"""Cost of saving and of loading checkpoints: ``python -m benchmarks.cost.checkpoints``.

Saving is compared to what it cannot do without: safetensors' ``save_file``, a hash of the file and
the artifact store's copy. A verified load is compared to a copy from the artifact store, a hash
and a full read. Both sides are timed in turn in one process, on one core, and the medians of CPU
time (of this process, the kernel's part included) and of wall time are divided.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
import hashlib
import os
from pathlib import Path
from statistics import median
import tempfile
import time
from typing import NamedTuple

import optuna
from optuna.artifacts import download_artifact
from optuna.artifacts import FileSystemArtifactStore
import safetensors.torch
import torch

from benchmarks.arena.jobs import be_quiet
from optuna_meta.weights import CheckpointRecord
from optuna_meta.weights import CheckpointStore


__all__ = ["CheckpointTiming", "main", "measure_checkpoints"]

_N_TENSORS = 24


class Cost(NamedTuple):
    """Seconds of one call."""

    cpu: float
    wall: float


class CheckpointTiming(NamedTuple):
    """A line of the table: medians of seconds."""

    megabytes: float
    save: Cost
    save_reference: Cost
    load: Cost
    load_reference: Cost


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cost.checkpoints", description=__doc__
    )
    parser.add_argument("--megabytes", type=float, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--folder", help="where files are written; a temporary one by default")
    args = parser.parse_args(argv)
    be_quiet()
    torch.set_num_threads(1)
    print(f"Seconds (medians of {args.repeats}), and how many times the reference's\n")
    print("| MB | save, CPU | reference | ratio | wall | load, CPU | reference | ratio | wall |")
    print("|" + " --- |" * 9)
    for megabytes in args.megabytes:
        print(_line(measure_checkpoints(megabytes, args.repeats, args.folder)), flush=True)


def measure_checkpoints(
    megabytes: float, repeats: int, folder: str | None = None
) -> CheckpointTiming:
    """Time both sides in turn, after one round that is not counted."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        bench = _Bench(Path(work), megabytes)
        rounds = [bench.round() for _ in range(repeats + 1)][1:]
    costs = [
        Cost(median(cost.cpu for cost in column), median(cost.wall for cost in column))
        for column in zip(*rounds, strict=True)
    ]
    return CheckpointTiming(megabytes, *costs)


class _Bench:
    """A model, a store and a trial."""

    def __init__(self, folder: Path, megabytes: float) -> None:
        self._folder = folder
        self._model = _model(megabytes)
        self._artifacts = FileSystemArtifactStore(folder / "artifacts")
        (folder / "artifacts").mkdir()
        self._store = CheckpointStore(self._artifacts, staging=folder)
        self._study = optuna.create_study()

    def round(self) -> tuple[Cost, Cost, Cost, Cost]:
        """Save and load once in both ways; nothing is left."""
        records: list[CheckpointRecord] = []
        trial = self._study.ask()
        save = _timed(lambda: records.append(self._store.save(trial, self._model, value=0.0)))
        save_reference = _timed(self._save_plainly)
        load = _timed(lambda: self._store.load(records[0]))
        load_reference = _timed(self._load_plainly)
        self._artifacts.remove(records[0].weights.artifact_id)
        self._artifacts.remove("plain")
        self._study.tell(trial, 0.0)
        return save, save_reference, load, load_reference

    def _save_plainly(self) -> None:
        with self._temporary() as path:
            safetensors.torch.save_file(dict(self._model.state_dict()), path)
            _hash(path)
            with open(path, "rb") as stream:
                self._artifacts.write("plain", stream)

    def _load_plainly(self) -> None:
        with self._temporary() as path:
            download_artifact(
                artifact_store=self._artifacts, artifact_id="plain", file_path=os.fspath(path)
            )
            _hash(path)
            for tensor in safetensors.torch.load_file(path).values():
                tensor.clone()

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        path = self._folder / "plain.safetensors"
        yield path
        path.unlink()


def _model(megabytes: float) -> torch.nn.Module:
    n_columns = max(1, round(megabytes * 1e6 / 4 / _N_TENSORS / 256))
    model = torch.nn.Module()
    for number in range(_N_TENSORS):
        values = torch.randn(256, n_columns, generator=torch.Generator().manual_seed(number))
        model.register_parameter(f"layer{number}", torch.nn.Parameter(values))
    return model


def _hash(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _timed(function: Callable[[], object]) -> Cost:
    cpu, wall = time.process_time(), time.perf_counter()
    function()
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)


def _line(t: CheckpointTiming) -> str:
    cells = [f"{t.megabytes:g}"]
    for ours, plain in ((t.save, t.save_reference), (t.load, t.load_reference)):
        cells += [f"{ours.cpu:.4f}", f"{plain.cpu:.4f}", f"{ours.cpu / plain.cpu:.2f}"]
        cells += [f"{ours.wall / plain.wall:.2f}"]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()

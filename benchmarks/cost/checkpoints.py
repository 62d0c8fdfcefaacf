"""Time saving and loading checkpoints, beside what these cannot do without.

Saving is compared to safetensors' ``save_file``, a hash of the file and the artifact store's copy.
A verified load is compared to a copy from the artifact store, a hash and a full read. Both sides
are timed in turn in one process, on one core, and the medians of CPU time (of this process, the
kernel's part included) and of wall time are divided.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path
import tempfile
from typing import Any

import numpy as np
import optuna
from optuna.artifacts import download_artifact
from optuna.artifacts import FileSystemArtifactStore
import safetensors.torch
import torch

from benchmarks.arena.jobs import be_quiet
from benchmarks.cost.timing import timed
from benchmarks.report.markdown import table
from optuna_meta.weights import CheckpointStore


_N_TENSORS, _N_ROWS = 24, 256  # of a network's usual shape
_SIDE = ["reference", "ratio", "wall"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--megabytes", type=float, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--folder", help="where files are written; a temporary one by default")


def main(args: argparse.Namespace) -> None:
    """Print the table."""
    be_quiet()
    torch.set_num_threads(1)
    print(f"Seconds (medians of {args.repeats}), and how many times the reference's\n")
    lines = [measure(megabytes, args.repeats, args.folder) for megabytes in args.megabytes]
    print(table(["MB", "save, CPU", *_SIDE, "load, CPU", *_SIDE], lines))


def measure(megabytes: float, repeats: int, folder: str | None = None) -> list[str]:
    """Time both sides in turn, after one round that is not counted."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        bench = _Bench(Path(work), megabytes)
        rounds = [bench.round() for _ in range(repeats + 1)][1:]
    save, plain_save, load, plain_load = np.median(rounds, axis=0)  # of CPU and wall time
    cells = [f"{megabytes:g}"]
    for ours, plain in ((save, plain_save), (load, plain_load)):
        cells += [f"{ours[0]:.4f}", f"{plain[0]:.4f}", *(f"{ratio:.2f}" for ratio in ours / plain)]
    return cells


class _Bench:
    """A model, a store and a trial."""

    def __init__(self, folder: Path, megabytes: float) -> None:
        (folder / "artifacts").mkdir()
        self._path = folder / "plain.safetensors"
        self._model = _model(megabytes)
        self._artifacts = FileSystemArtifactStore(folder / "artifacts")
        self._store = CheckpointStore(self._artifacts, staging=folder)
        self._study = optuna.create_study()

    def round(self) -> list[Any]:
        """Save and load once in both ways; nothing is left."""
        trial = self._study.ask()
        record, save = timed(lambda: self._store.save(trial, self._model, value=0.0))
        _, plain_save = timed(self._save_plainly)
        _, load = timed(lambda: self._store.load(record))
        _, plain_load = timed(self._load_plainly)
        self._artifacts.remove(record.weights.artifact_id)
        self._artifacts.remove("plain")
        self._study.tell(trial, 0.0)
        return [save, plain_save, load, plain_load]

    def _save_plainly(self) -> None:
        safetensors.torch.save_file(dict(self._model.state_dict()), self._path)
        self._hash()
        with open(self._path, "rb") as stream:
            self._artifacts.write("plain", stream)
        self._path.unlink()

    def _load_plainly(self) -> None:
        path = os.fspath(self._path)
        download_artifact(artifact_store=self._artifacts, artifact_id="plain", file_path=path)
        self._hash()
        for tensor in safetensors.torch.load_file(path).values():
            tensor.clone()
        self._path.unlink()

    def _hash(self) -> None:
        with open(self._path, "rb") as stream:
            hashlib.file_digest(stream, "sha256").hexdigest()


def _model(megabytes: float) -> torch.nn.Module:
    n_columns = max(1, round(megabytes * 1e6 / 4 / _N_TENSORS / _N_ROWS))
    model = torch.nn.Module()
    for number in range(_N_TENSORS):
        values = torch.randn(_N_ROWS, n_columns, generator=torch.Generator().manual_seed(number))
        model.register_parameter(f"layer{number}", torch.nn.Parameter(values))
    return model

"""Time saving and loading checkpoints, beside what these cannot do without.

Saving is compared to safetensors' ``save_file``, a hash and the artifact store's copy, a verified
load to a copy from the store, a hash and a full read; in turn, in one process, on one core.
"""

import argparse
import functools
import hashlib
import os
from pathlib import Path
import tempfile

import numpy as np
import optuna
from optuna.artifacts import download_artifact
import safetensors.torch
import torch

from benchmarks.commands import be_quiet
from benchmarks.commands import timed
from benchmarks.report.markdown import table
from optuna_meta.weights import CheckpointStore


_N_TENSORS, _N_ROWS = 24, 256  # of a network's usual shape
_SIDE = ["reference", "ratio", "wall"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--megabytes", type=float, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--folder", help="where files are written; a temporary one by default")


def main(args: argparse.Namespace) -> None:
    be_quiet()
    torch.set_num_threads(1)
    print(f"Seconds (medians of {args.repeats}), and how many times the reference's\n")
    lines = [measure(megabytes, args.repeats, args.folder) for megabytes in args.megabytes]
    print(table(["MB", "save, CPU", *_SIDE, "load, CPU", *_SIDE], lines))


def measure(megabytes: float, repeats: int, folder: str | None = None) -> list[str]:
    """Time both sides in turn, after one round that is not counted; nothing is left."""
    model, study, rounds = _model(megabytes), optuna.create_study(), []
    with tempfile.TemporaryDirectory(dir=folder) as work:
        Path(work, "artifacts").mkdir()
        path = os.path.join(work, "plain.safetensors")
        artifacts = optuna.artifacts.FileSystemArtifactStore(os.path.join(work, "artifacts"))
        store = CheckpointStore(artifacts, staging=work)

        def save_plainly() -> None:
            safetensors.torch.save_file(dict(model.state_dict()), path)
            _hash(path)
            with open(path, "rb") as stream:
                artifacts.write("plain", stream)
            os.unlink(path)

        def load_plainly() -> None:
            download_artifact(artifact_store=artifacts, artifact_id="plain", file_path=path)
            _hash(path)
            for tensor in safetensors.torch.load_file(path).values():
                tensor.clone()
            os.unlink(path)

        for _ in range(repeats + 1):
            trial = study.ask()
            record, save = timed(functools.partial(store.save, trial, model, value=0.0))
            _, plain_save = timed(save_plainly)
            _, load = timed(functools.partial(store.load, record))
            _, plain_load = timed(load_plainly)
            artifacts.remove(record.weights.artifact_id)
            artifacts.remove("plain")
            study.tell(trial, 0.0)
            rounds.append([(save, plain_save), (load, plain_load)])
    cells = [f"{megabytes:g}"]
    for ours, plain in np.median(rounds[1:], axis=0):  # of CPU and wall time
        cells += [f"{ours[0]:.4f}", f"{plain[0]:.4f}", *(f"{ratio:.2f}" for ratio in ours / plain)]
    return cells


def _hash(path: str) -> None:
    with open(path, "rb") as stream:
        hashlib.file_digest(stream, "sha256").hexdigest()


def _model(megabytes: float) -> torch.nn.Module:
    n_columns = max(1, round(megabytes * 1e6 / 4 / _N_TENSORS / _N_ROWS))
    model = torch.nn.Module()
    for number in range(_N_TENSORS):
        values = torch.randn(_N_ROWS, n_columns, generator=torch.Generator().manual_seed(number))
        model.register_parameter(f"layer{number}", torch.nn.Parameter(values))
    return model

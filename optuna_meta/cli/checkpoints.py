"""``checkpoints``: the models that a study has kept."""

from __future__ import annotations

import argparse
from typing import Any
from typing import TYPE_CHECKING

from optuna_meta.cli.options import add_command
from optuna_meta.cli.options import add_format
from optuna_meta.cli.options import add_study
from optuna_meta.cli.options import study_of
from optuna_meta.cli.output import write


if TYPE_CHECKING:
    from optuna_meta.weights import CheckpointRecord
    from optuna_meta.weights import CheckpointStore


__all__ = ["add"]

_EXAMPLE = "optuna-meta checkpoints {} --storage sqlite:///new.db --study-name new --store files"
_REST = {"prune": " --save-top-k 3", "export": " -o best.safetensors"}


def add(commands: Any) -> None:
    """Add the commands."""
    parser = commands.add_parser("checkpoints", help="list, verify, prune or export models")
    kinds = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    about = {
        "list": (_list, "list a study's checkpoints, the best first"),
        "verify": (_verify, "read every checkpoint; exit with 1 if one is missing or damaged"),
        "prune": (_prune, "remove all but the best checkpoints, and what killed processes left"),
        "export": (_export, "write a checkpoint to a safetensors file"),
    }
    made = {}
    for name, (run, text) in about.items():
        example = _EXAMPLE.format(name) + _REST.get(name, "")
        made[name] = add_command(kinds, name, run, text, example)
        add_study(made[name])
        made[name].add_argument("--store", required=True, metavar="FOLDER", help="of artifacts")
        add_format(made[name])
    made["prune"].add_argument("--save-top-k", type=int, required=True, metavar="K", help="stay")
    made["export"].add_argument("-o", "--output", required=True, metavar="FILE", help="the file")
    made["export"].add_argument(
        "--trial", type=int, metavar="N", help="whose; the best by default"
    )


def _store(arguments: argparse.Namespace, save_top_k: int | None = None) -> CheckpointStore:
    from pathlib import Path

    from optuna_meta.weights import CheckpointStore  # Takes torch.

    if not Path(arguments.store).is_dir():
        raise ValueError(f"No folder at {arguments.store!r}: name that of the artifacts.")
    return CheckpointStore(arguments.store, save_top_k=save_top_k)


def _record(record: CheckpointRecord) -> dict[str, Any]:
    return {
        "trial": record.trial,
        "step": record.step,
        "value": record.value,
        "bytes": record.weights.n_bytes,
        "saved": record.saved,
        "tags": list(record.tags),
        "artifact_id": record.weights.artifact_id,
    }


def _list(arguments: argparse.Namespace) -> None:
    records = _store(arguments).records(study_of(arguments))
    write([_record(record) for record in records], arguments.format)


def _verify(arguments: argparse.Namespace) -> int:
    found = _store(arguments).verify(study_of(arguments))
    names = ("owner", "status", "detail", "artifact_id")
    rows = [{name: getattr(finding, name) for name in names} for finding in found.findings]
    write(rows, arguments.format)
    return int(not found.ok)


def _prune(arguments: argparse.Namespace) -> None:
    removed = _store(arguments, arguments.save_top_k).prune(study_of(arguments))
    write([_record(record) for record in removed], arguments.format)


def _export(arguments: argparse.Namespace) -> None:
    store, study = _store(arguments), study_of(arguments)
    wanted = arguments.trial
    records = [r for r in store.records(study) if wanted is None or r.trial == wanted]
    if not records:
        whose = "no checkpoint" if wanted is None else f"no checkpoint of trial {wanted}"
        raise ValueError(f"Study {study.study_name!r} has {whose}.")
    store.load(records[0]).save_file(arguments.output)
    write([{"file": arguments.output, **_record(records[0])}], arguments.format)

"""``fit``: a storage -> a file of fitted prior studies."""

from __future__ import annotations

import argparse
import os
from typing import Any

from optuna_meta.cli.options import add_command
from optuna_meta.cli.options import add_format
from optuna_meta.cli.options import add_mapping
from optuna_meta.cli.options import add_storage
from optuna_meta.cli.options import mapping_of
from optuna_meta.cli.options import storage_of
from optuna_meta.cli.output import write
from optuna_meta.studies.prior import Prior
from optuna_meta.surrogate.fitted import fit_prior
from optuna_meta.surrogate.fitted import FittedPrior


__all__ = ["add"]


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "fit",
        _run,
        "fit the studies of a storage once, into a file for FittedPrior.load",
        "optuna-meta fit --storage sqlite:///old.db -o prior.safetensors",
    )
    add_storage(parser)
    parser.add_argument("--study-names", nargs="+", metavar="NAME", help="these studies only")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="where it goes")
    parser.add_argument(
        "--update", action="store_true", help="fit only what is new since FILE was written"
    )
    add_mapping(parser)
    add_format(parser)


def _run(arguments: argparse.Namespace) -> int:
    before = FittedPrior.load(arguments.output) if arguments.update else None
    rename, defaults = mapping_of(arguments)
    prior = Prior.from_storage(
        storage_of(arguments),
        arguments.study_names,
        rename=rename,
        defaults=defaults,
        update=before.prior if before else None,
    )
    if not len(prior):
        raise ValueError("No study can serve as a prior study: `optuna-meta priors` says why.")
    fitted = fit_prior(prior, update=before)
    fitted.save(arguments.output)
    record = {
        "file": arguments.output,
        "studies": len(prior),
        "trials": sum({task.name: len(task.values) for task in prior.tasks}.values()),
        "parameters": list(prior.space.names),
        "bytes": os.path.getsize(arguments.output),
    }
    write([record], arguments.format)
    return 0

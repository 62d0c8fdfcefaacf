"""``priors``: which studies of a storage can serve, which cannot and why."""

from __future__ import annotations

import argparse
from typing import Any

import optuna

from optuna_meta._optuna import metric_names
from optuna_meta.cli.options import add_command
from optuna_meta.cli.options import add_format
from optuna_meta.cli.options import add_mapping
from optuna_meta.cli.options import add_storage
from optuna_meta.cli.options import mapping_of
from optuna_meta.cli.options import storage_of
from optuna_meta.cli.options import study_of
from optuna_meta.cli.output import write
from optuna_meta.outcomes.observations import objectives
from optuna_meta.studies.mapping import ParameterMapping
from optuna_meta.studies.storage import read_storage
from optuna_meta.studies.storage import Selection
from optuna_meta.studies.task import RawStudy


__all__ = ["add"]


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "priors",
        _run,
        "tell which studies can serve as prior studies, which cannot and why",
        "optuna-meta priors --storage sqlite:///old.db --study-name new",
    )
    add_storage(parser)
    parser.add_argument("--study-name", metavar="NAME", help="the study that they are to serve")
    add_mapping(parser)
    add_format(parser)


def _run(arguments: argparse.Namespace) -> int:
    storage, mapping = storage_of(arguments), ParameterMapping(*mapping_of(arguments))
    target = study_of(arguments) if arguments.study_name else None
    found = list(read_storage(storage, Selection(), mapping))
    others = [study for study in found if target is None or study.name != target.study_name]
    write([_record(study, target) for study in others], arguments.format)
    return int(all(study.rejection_reason for study in others))


def _record(study: RawStudy, target: optuna.Study | None) -> dict[str, Any]:
    names = sorted({dimension.name for dimension in study.dimensions})
    record: dict[str, Any] = {
        "study": study.name,
        "serves": not study.rejection_reason,
        "trials": len(study.observations),
        "parameters": names,
        "meta_features": len(study.meta_features),
        "reason": study.rejection_reason,
    }
    if target is None:
        return record
    asked = {n for t in target.get_trials(deepcopy=False) for n in t.distributions}
    wanted = objectives(len(target.directions), metric_names(target))
    matched = [any(own.matches(outcome) for own in study.outcomes) for outcome in wanted]
    return record | {
        "shared": [name for name in names if name in asked],
        "not_shared": sorted(asked.symmetric_difference(names)),
        "objectives_matched": f"{sum(matched)} of {len(wanted)}",
    }

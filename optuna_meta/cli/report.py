"""``report``: what helped, in the dashboard or in a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any
import warnings

from optuna import Study

from optuna_meta.cli.options import add_command
from optuna_meta.cli.options import add_prior
from optuna_meta.cli.options import add_study
from optuna_meta.cli.options import MissingPriors
from optuna_meta.cli.options import sampler_of
from optuna_meta.cli.options import study_of
from optuna_meta.sampler.sampler import MetaSampler


__all__ = ["add"]


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "report",
        _run,
        "publish a report where optuna-dashboard shows it, or write it to a file",
        "optuna-meta report --storage sqlite:///new.db --study-name new -o report.html",
    )
    add_study(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="one HTML file, instead")
    parser.add_argument(
        "--from-records", action="store_true", help="without the prior studies: no estimates"
    )
    add_prior(parser)


def _run(arguments: argparse.Namespace) -> None:
    from optuna_meta.reporting import html_report  # Takes torch, and the dashboard's package.
    from optuna_meta.reporting import publish_report

    study = study_of(arguments)
    sampler = None if arguments.from_records else _sampler(arguments, study)
    if arguments.output:
        Path(arguments.output).write_text(html_report(study, sampler), encoding="utf-8")
        print(arguments.output)
    else:
        publish_report(study, sampler)
        print(f"Published: open study {study.study_name!r} in optuna-dashboard.")


def _sampler(arguments: argparse.Namespace, study: Study) -> MetaSampler | None:
    """Return a sampler with the study's prior studies; where they are missing, none."""
    try:
        return sampler_of(arguments, study)
    except MissingPriors as error:
        warnings.warn(f"{error} The report is from records, without estimates.", stacklevel=2)
        return None

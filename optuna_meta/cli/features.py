"""``features``: a CSV file of data -> its meta-features."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from optuna_meta.cli.options import add_command
from optuna_meta.cli.options import add_format
from optuna_meta.cli.options import add_storage
from optuna_meta.cli.options import study_of
from optuna_meta.cli.output import write
from optuna_meta.features import extract_meta_features
from optuna_meta.features import record_meta_features


__all__ = ["add"]


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "features",
        _run,
        "describe a table of data in numbers, and record them on a study if one is named",
        "optuna-meta features data.csv --target label --max-seconds 10",
    )
    parser.add_argument("file", metavar="FILE.csv", help="the data, a row per example")
    parser.add_argument("--target", required=True, metavar="COLUMN", help="the response's column")
    parser.add_argument("--groups", nargs="+", metavar="GROUP", help="of features; all by default")
    parser.add_argument("--max-seconds", type=float, metavar="S", help="start no group after that")
    add_storage(parser)
    parser.add_argument("--study-name", metavar="NAME", help="where to record them")
    add_format(parser)


def _run(arguments: argparse.Namespace) -> None:
    study = study_of(arguments) if arguments.study_name else None
    frame = _table(arguments.file)
    if arguments.target not in frame.columns:
        raise ValueError(
            f"The file has no column {arguments.target!r}; its columns are {list(frame.columns)}."
        )
    found = extract_meta_features(
        frame.drop(columns=[arguments.target]),
        frame[arguments.target],
        groups=arguments.groups,
        max_seconds=arguments.max_seconds,
        progress=sys.stderr.isatty(),
    )
    if study is not None:
        record_meta_features(study, found)
    write([{"feature": name, "value": value} for name, value in found.items()], arguments.format)


def _table(path: str) -> Any:
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("CSV files are read by pandas: pip install pandas.") from error
    return pd.read_csv(path)

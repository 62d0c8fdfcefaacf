"""``optuna-meta``: one command for each question.

Exit codes: 0; 1 where something could not be done, or was found to be wrong; 2 for arguments that
cannot be understood; 130 when interrupted; 141 when nobody reads the output any longer.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import os
import sys
from typing import Any
import warnings

import optuna
import sqlalchemy.exc

from optuna_meta.cli import checkpoints
from optuna_meta.cli import features
from optuna_meta.cli import fit
from optuna_meta.cli import migrate
from optuna_meta.cli import priors
from optuna_meta.cli import report
from optuna_meta.cli import suggestions
from optuna_meta.studies.outage import cause_of


__all__ = ["main", "parser"]

_COMMANDS = (priors, fit, suggestions, report, features, checkpoints, migrate)
_FORESEEN = (
    ImportError,
    KeyError,
    OSError,
    ValueError,
    optuna.exceptions.OptunaError,
    sqlalchemy.exc.SQLAlchemyError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: Of the command line; those of this process by default.
    """
    parsed = parser().parse_args(arguments)
    level = optuna.logging.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = _show_warning
        optuna.logging.set_verbosity(optuna.logging.WARNING if parsed.quiet else level)
        try:
            return _run(parsed)
        finally:
            optuna.logging.set_verbosity(level)


def parser() -> argparse.ArgumentParser:
    """Return what understands the arguments of all commands."""
    whole = argparse.ArgumentParser(
        "optuna-meta", description="Studies that remember: which earlier ones serve, and why."
    )
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in _COMMANDS:
        module.add(commands)
    return whole


def _run(parsed: argparse.Namespace) -> int:
    try:
        code = parsed.run(parsed)
        sys.stdout.flush()  # Here, where a closed pipe can still be told.
        return int(code or 0)
    except BrokenPipeError:
        # What is left would be flushed at exit, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130
    except _FORESEEN as error:
        if parsed.debug:
            raise
        text = str(error) if isinstance(error, ValueError | ImportError) else cause_of(error)
        print(f"error: {text}", file=sys.stderr)
        return 1


def _show_warning(message: Any, *_: Any, **__: Any) -> None:
    print(f"warning: {message}", file=sys.stderr)

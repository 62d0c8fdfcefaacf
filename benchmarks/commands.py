"""Command lines with a subcommand for each of several modules."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from types import ModuleType


def run_command(
    prog: str, modules: Sequence[ModuleType], argv: Sequence[str] | None = None
) -> None:
    """Run the subcommand that has a module's name.

    Each has ``add_arguments(parser)`` and ``main(args)``, which prints.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {prog}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in modules:
        name, doc = module.__name__.rpartition(".")[-1], module.__doc__ or ""
        command = commands.add_parser(
            name,
            help=doc.splitlines()[0],
            description=doc,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(main=module.main)
    args = parser.parse_args(argv)
    args.main(args)

"""``migrate``: change a study's search space, and go on."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_meta.cli.options import add_command
from optuna_meta.cli.options import add_format
from optuna_meta.cli.options import add_mapping
from optuna_meta.cli.options import add_study
from optuna_meta.cli.options import mapping_of
from optuna_meta.cli.options import pairs
from optuna_meta.cli.options import study_of
from optuna_meta.cli.options import value_of
from optuna_meta.cli.output import write
from optuna_meta.space.dimension import NOTHING
from optuna_meta.studies.migration import migrate_study
from optuna_meta.studies.migration import SpaceChange


__all__ = ["add"]

_RANGE = 'a JSON list of choices, or "float LOW HIGH [log] [STEP]", or "int LOW HIGH [log] [STEP]"'


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "migrate",
        _run,
        "copy a study whose search space has changed, with the trials that fit the new space; the "
        "old study stays as it is",
        "optuna-meta migrate --storage sqlite:///s.db --study-name old --to new \\\n"
        '      --set \'optimizer=["sgd", "lion"]\' --set "lr=float 1e-5 1 log" --drop momentum=0',
    )
    add_study(parser, "the old study")
    parser.add_argument("--to", required=True, metavar="NAME", help="of the new study")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=RANGE", help=f"a new range: {_RANGE}"
    )
    parser.add_argument(
        "--drop",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="a parameter that is gone, and the value that it has now, if that matters",
    )
    add_mapping(parser)
    add_format(parser)


def _run(arguments: argparse.Namespace) -> None:
    study, (rename, defaults) = study_of(arguments), mapping_of(arguments)
    change = SpaceChange(
        {name: _range(name, text) for name, text in pairs(arguments.set, "--set").items()},
        rename,
        defaults,
        dict(map(_dropped, arguments.drop)),
    )
    done = migrate_study(study, arguments.to, change)
    rows = [{"trial": number, "carried_over": True, "reason": ""} for number in done.carried]
    rows += [{"trial": n, "carried_over": False, "reason": why} for n, why in done.left.items()]
    write(sorted(rows, key=lambda row: int(str(row["trial"]))), arguments.format)
    if rows and not done.carried:
        why = next(iter(done.left.values()))
        print(f"No trial fits the new space ({why}): check the names.", file=sys.stderr)
    print(
        f"Study {arguments.to!r} has {len(done.carried)} of {len(rows)} trials. Go on with\n"
        f"  study = optuna.load_study(study_name={arguments.to!r}, storage=storage, "
        "sampler=MetaSampler())\n"
        f"Other studies may be its prior_studies=. Leave out {study.study_name!r}: trials that "
        "both have would count twice.",
        file=sys.stderr,
    )


def _dropped(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    return name.strip(), value_of(value.strip()) if sign else NOTHING


def _range(name: str, text: str) -> BaseDistribution:
    """Return the distribution that a text says.

    Raises:
        ValueError: It says none.
    """
    wanted = f"The range of {name!r} must be {_RANGE}, got {text!r}"
    try:
        if text.startswith("["):
            return CategoricalDistribution(json.loads(text))
        kind, low, high, *rest = text.split()
        steps = [float(word) for word in rest if word != "log"]
        if kind == "float" and len(steps) < 2:
            step = steps[0] if steps else None
            return FloatDistribution(float(low), float(high), log="log" in rest, step=step)
        if kind == "int" and len(steps) < 2:
            whole = int(steps[0]) if steps else 1
            return IntDistribution(int(low), int(high), log="log" in rest, step=whole)
    except ValueError as error:
        raise ValueError(f"{wanted}: {error}.") from error
    raise ValueError(f"{wanted}.")

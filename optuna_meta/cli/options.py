"""Options that commands share, and what they name."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Sequence
import json
import os
from typing import Any
import warnings

import optuna
from optuna.storages import BaseStorage

from optuna_meta._html import listed
from optuna_meta.cli.output import FORMATS
from optuna_meta.sampler.record import named_priors
from optuna_meta.sampler.record import read_record
from optuna_meta.sampler.sampler import MetaSampler
from optuna_meta.studies.open_storage import opened
from optuna_meta.studies.prior import Prior
from optuna_meta.studies.sources.cells import literal
from optuna_meta.surrogate.fitted import fit_prior
from optuna_meta.surrogate.fitted import FittedPrior


__all__ = [
    "add_command",
    "add_format",
    "add_mapping",
    "add_prior",
    "add_storage",
    "add_study",
    "fitted_of",
    "MissingPriors",
    "mapping_of",
    "pairs",
    "sampler_of",
    "storage_of",
    "study_of",
    "value_of",
]


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], Any], about: str, example: str
) -> argparse.ArgumentParser:
    """Add a command whose help ends with an example."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="show warnings and errors only")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    parser.set_defaults(run=run)
    return parser


def add_format(parser: argparse.ArgumentParser, default: str | None = "table") -> None:
    """Add ``--format``."""
    parser.add_argument("-f", "--format", choices=FORMATS, default=default, help="of the output")


def add_storage(parser: argparse.ArgumentParser) -> None:
    """Add ``--storage``."""
    parser.add_argument(
        "--storage", help="URL, or path of a journal or SQLite file (or set OPTUNA_STORAGE)"
    )


def add_study(parser: argparse.ArgumentParser, about: str = "the study") -> None:
    """Add ``--storage`` and ``--study-name``."""
    add_storage(parser)
    parser.add_argument("--study-name", required=True, metavar="NAME", help=about)


def add_mapping(parser: argparse.ArgumentParser) -> None:
    """Add ``--rename`` and ``--default``."""
    parser.add_argument(
        "--rename", action="append", default=[], metavar="OLD=NEW", help="a parameter's new name"
    )
    parser.add_argument(
        "--default",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what studies without this parameter ran with",
    )


def add_prior(parser: argparse.ArgumentParser) -> None:
    """Add what names the prior studies, and the sampler's seed."""
    parser.add_argument("--prior", metavar="FILE", help="prior studies, as `fit` wrote them")
    parser.add_argument(
        "--prior-storage", metavar="STORAGE", help="where they are; by default the study's storage"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the sampler")
    add_mapping(parser)


def storage_of(arguments: argparse.Namespace) -> BaseStorage:
    """Open the storage that is named.

    Raises:
        ValueError: None is named, or it is no storage.
    """
    named = arguments.storage or os.environ.get("OPTUNA_STORAGE")
    if not named:
        raise ValueError("Name the storage: --storage URL, or set OPTUNA_STORAGE.")
    return opened(named)


def study_of(arguments: argparse.Namespace) -> optuna.Study:
    """Load the study that is named.

    Raises:
        ValueError: The storage has no study of this name.
    """
    storage = storage_of(arguments)
    try:
        return optuna.load_study(study_name=arguments.study_name, storage=storage)
    except KeyError as error:
        names = ", ".join(map(repr, optuna.get_all_study_names(storage)[:10])) or "none"
        raise ValueError(
            f"The storage has no study named {arguments.study_name!r}; it has {names}."
        ) from error


def pairs(texts: Sequence[str], what: str) -> dict[str, str]:
    """Return what stands on both sides of equals signs.

    Raises:
        ValueError: There is none in one of them.
    """
    if wrong := [text for text in texts if "=" not in text]:
        raise ValueError(f"{what} needs a name, '=' and what it stands for, got {wrong[0]!r}.")
    return {text.partition("=")[0].strip(): text.partition("=")[2].strip() for text in texts}


def value_of(text: str) -> Any:
    """Return a value as JSON spells it, or Python; a text needs no quotes."""
    try:
        return json.loads(text)
    except ValueError:
        return literal(text)


def mapping_of(arguments: argparse.Namespace) -> tuple[dict[str, str], dict[str, Any]]:
    """Return new names by old ones, and defaults."""
    defaults = pairs(arguments.default, "--default")
    values = {name: value_of(text) for name, text in defaults.items()}
    return pairs(arguments.rename, "--rename"), values


def fitted_of(arguments: argparse.Namespace, target: str) -> FittedPrior:
    """Return the prior studies that are named, fitted; in its own storage a target is none."""
    if arguments.prior:
        return FittedPrior.load(arguments.prior)
    storage = arguments.prior_storage or storage_of(arguments)
    is_own = arguments.prior_storage in (None, arguments.storage)
    rename, defaults = mapping_of(arguments)
    found = opened(storage)
    names = [name for name in optuna.get_all_study_names(found) if not is_own or name != target]
    return fit_prior(Prior.from_storage(found, names, rename=rename, defaults=defaults))


class MissingPriors(ValueError):
    """None of the prior studies that a study has recorded is here."""


def sampler_of(arguments: argparse.Namespace, study: optuna.Study) -> MetaSampler:
    """Return a sampler with the prior studies that are named, if they are those of a study.

    Warn where some that the study's trials have recorded are not among them.

    Raises:
        MissingPriors: None of them is: by others the study would look as if it had none.
    """
    fitted, trials = fitted_of(arguments, study.study_name), study.get_trials(deepcopy=False)
    known = named_priors(record for trial in trials if (record := read_record(trial)))
    missing = [name for name in known if name not in fitted.study_names]
    if missing:
        text = (
            f"prior studies that the trials of {study.study_name!r} have recorded are not here "
            f"({listed(missing)}): --prior FILE or --prior-storage STORAGE names where they are."
        )
        if len(missing) == len(known):
            raise MissingPriors(f"The {text}")
        warnings.warn(f"Some {text} What follows is without them.", stacklevel=2)
    return MetaSampler(prior_studies=fitted, seed=arguments.seed)

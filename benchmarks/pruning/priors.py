"""Prior studies made of curve tables: good, few, of another kind, or telling nonsense."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optuna
from optuna.trial import TrialState

from benchmarks.pruning.curves import CurveTable
from benchmarks.pruning.curves import load_tables
from benchmarks.tasks.base import Array
from optuna_meta import fit_prior
from optuna_meta import FittedPrior
from optuna_meta import Prior


_N_TRIALS = 50


@dataclass(frozen=True)
class Source:
    """Where tables come from."""

    data: Path
    cache: Path | None
    half: str

    def tables(self, suite: str) -> Sequence[CurveTable]:
        return _tables(suite, self.data, self.cache, self.half)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of yahpo/ etc.")
    parser.add_argument("--cache", type=Path, help="folder of 'train'")
    parser.add_argument("--half", choices=["choosing", "reported"], default="reported")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each task")
    parser.add_argument("--jobs", type=int, default=1, help="processes; 0 for this one")
    parser.add_argument("--output", type=Path, help="where to write the tables")


def source_of(args: argparse.Namespace) -> Source:
    return Source(args.data, args.cache, args.half)


def tell(text: str, output: Path | None) -> None:
    print(text)
    if output:
        output.write_text(text)


@functools.cache
def _tables(suite: str, data: Path, cache: Path | None, half: str) -> Sequence[CurveTable]:
    return load_tables(suite, data, cache, half)


class Priors(NamedTuple):
    """Prior studies of a target: how many other tasks, and what is wrong with them.

    Args:
        most: So many of the other tasks.
        permuted: The share of them whose final values are shuffled among their trials.
        foreign: Whether they are of another suite.
    """

    most: int = 1_000
    permuted: float = 0.0
    foreign: bool = False


PRIORS = {
    "all": Priors(),
    "3": Priors(most=3),
    "1": Priors(most=1),
    "none": Priors(most=0),
    "half-permuted": Priors(permuted=0.5),
    "permuted": Priors(permuted=1.0),
    "foreign": Priors(foreign=True),
}
_FOREIGN = {"lcbench": "lcbench-loss", "lcbench-loss": "lcbench", "images": "texts"}
_FOREIGN |= {"texts": "images", "folds": "texts"}


@functools.lru_cache(maxsize=4)
def fitted_prior(source: Source, suite: str, task: int, priors: str) -> FittedPrior:
    """Return the prior studies of a target: trials of random search on other tasks."""
    kind = PRIORS[priors]
    if kind.foreign:
        tables = list(source.tables(_FOREIGN[suite]))
    else:
        tables = [t for i, t in enumerate(source.tables(suite)) if i != task]
    rng = np.random.default_rng(task)
    chosen = rng.permutation(len(tables))[: kind.most]
    n_permuted = round(kind.permuted * len(chosen))
    studies = [study_of(tables[i], k < n_permuted, rng) for k, i in enumerate(chosen)]
    return fit_prior(Prior.from_studies(studies))


def study_of(table: CurveTable, is_permuted: bool, rng: np.random.Generator) -> optuna.Study:
    study = optuna.create_study(direction=table.direction, study_name=table.name)
    finals: Array = table.values[:_N_TRIALS, -1]
    finals = rng.permutation(finals) if is_permuted else finals
    start, distributions = datetime(2026, 1, 1), table.distributions()
    for i, value in enumerate(finals.tolist()):
        is_complete = np.isfinite(value)
        reports = enumerate(table.values[i].tolist(), start=1)
        trial = optuna.trial.create_trial(
            state=TrialState.COMPLETE if is_complete else TrialState.FAIL,
            value=value if is_complete else None,
            params=table.configurations[i],
            distributions=distributions,
            intermediate_values=dict(reports),
        )
        trial.datetime_start = start
        trial.datetime_complete = start + timedelta(seconds=float(table.seconds[i, -1]))
        study.add_trial(trial)
    return study

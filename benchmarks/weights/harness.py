"""What the benchmark and the studies of :mod:`benchmarks.weights` share: effort and results.

A replicate is a domain and a seed. Its rows go to a CSV file as soon as it is done, so that a run
can be stopped, and goes on from the file.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from pathlib import Path
import sys
from typing import NamedTuple

import pandas as pd

from benchmarks.weights.domains import DOMAINS
from benchmarks.weights.tasks import Domain
from optuna_meta.weights import ShortlistThenTrain
from optuna_meta.weights import ShortTraining


__all__ = ["complete", "Effort", "make_domain", "read", "SMOKE"]

Row = tuple[object, ...]


class Effort(NamedTuple):
    """How much a replicate computes."""

    strategy: ShortlistThenTrain = ShortlistThenTrain()  # Of the default.
    checks: int | None = None  # The first of each domain's; all if None.
    rates: int = 4  # The last of each domain's.
    share: float = 1.0  # Of the steps on earlier tasks.
    trials: int = 12  # Of a study,
    steps: int = 30  # a trial of the new task's,
    prior_steps: int = 150  # and of an earlier one's,
    kept: int = 3  # of which so many checkpoints are kept.


_SHORT = ShortTraining(steps=2, folds=2, rates=(4e-3,))
SMOKE = Effort(ShortlistThenTrain(shortlist=1, short_training=_SHORT), 3, 2, 0.01, 2, 2, 3, 1)


def make_domain(name: str, folder: Path | None, size: int, seed: int, effort: Effort) -> Domain:
    """Make a domain of data in a folder, if it needs any, with as much to compute as is wanted."""
    domain = DOMAINS[name].make((folder or Path()) / DOMAINS[name].needs, size, seed)
    return domain._replace(
        checks=domain.checks[: effort.checks],
        rates=domain.rates[-effort.rates :],
        prior_steps=max(1, round(effort.share * domain.prior_steps)),
        rounds=max(1, round(effort.share * domain.rounds)),
    )


def complete(
    path: Path | None,
    columns: tuple[str, ...],
    jobs: Iterable[tuple[str, int]],
    measure: Callable[[str, int], Iterable[Row]],
) -> pd.DataFrame:
    """Return a file's rows and those of the jobs that it lacks, which are added to it in turn."""
    rows = pd.DataFrame(columns=list(columns)) if path is None else read(path, columns)
    if path is not None and len(rows) and not path.exists():
        _append(rows, path)  # Those of the packed file.
    for name, seed in jobs:
        if not ((rows["domain"] == name) & (rows["seed"] == seed)).any():
            new = pd.DataFrame(measure(name, seed), columns=list(columns))
            if path is not None:
                _append(new, path)
            rows = pd.concat([rows, new], ignore_index=True) if len(rows) else new
            print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
    return rows


def read(path: Path, *kinds: tuple[str, ...]) -> pd.DataFrame:
    """Return the rows of a CSV file, or of the packed one beside it; none where neither is.

    Raises:
        ValueError: If its columns are of none of these kinds.
    """
    packed = path.with_name(f"{path.name}.xz")
    if not path.exists() and not packed.exists():
        return pd.DataFrame(columns=list(kinds[0]))
    # Names, such as that of no source, may be empty; the learning rate of several is none.
    there = path if path.exists() else packed
    rows = pd.read_csv(there, keep_default_na=False, na_values={"lr": ["nan"]})
    if tuple(rows) not in kinds:
        raise ValueError(f"{path} is of another kind of run: pass another file, or delete it.")
    return rows


def _append(rows: pd.DataFrame, path: Path) -> None:
    rows.to_csv(path, mode="a", header=not path.exists(), index=False, na_rep="nan")

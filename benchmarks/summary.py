"""Means, ranks and paired comparisons of a file of results.

The unit is the task: replicates (seeds) of a task are averaged first, then tasks, each counting
the same; standard errors are over tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
import pandas as pd

from benchmarks.jobs import SHARED


__all__ = [
    "Comparison",
    "Estimate",
    "compare",
    "estimate",
    "in_regime",
    "median_suggestion_ms",
    "rank_by_task",
    "read_results",
    "regret_by_task",
]

_RUN = ["family", "task", "seed"]
_TASK = ["family", "task"]
_DIGITS = 9  # beyond which two regrets are the same


class Estimate(NamedTuple):
    """A mean over tasks."""

    mean: float
    error: float  # its standard error; nan for a single task

    def __str__(self) -> str:
        digits = 3 if self.mean >= 0.1 else 4
        mean = f"{self.mean:.{digits}f}"
        return mean if np.isnan(self.error) else f"{mean} ± {self.error:.{digits}f}"


class Comparison(NamedTuple):
    """One method against another, paired over tasks."""

    wins: int
    ties: int
    losses: int
    mean: float
    other_mean: float
    difference: Estimate  # below 0 where the first method is better
    worst: float  # the largest of the differences

    @property
    def ratio(self) -> float:
        """Mean regret as a multiple of the other's."""
        return self.mean / self.other_mean if self.other_mean > 0 else float("nan")


def read_results(path: Path) -> pd.DataFrame:
    """The rows of a file of results; of a job that is there twice, the last."""
    rows = pd.read_csv(path, keep_default_na=False, dtype={"task": str, "regime": str})
    rows["regret_so_far"] = rows["regret_so_far"].round(_DIGITS)
    return rows.drop_duplicates([*_RUN, "regime", "method", "trial"], keep="last")


def in_regime(rows: pd.DataFrame, regime: str) -> pd.DataFrame:
    """The rows of a regime, with those of methods that use no priors.

    Only runs (task and seed) with all the methods are kept, so that an unfinished file compares
    like with like.
    """
    rows = rows[rows["regime"].isin([regime, SHARED])]
    n_methods = rows.groupby(_RUN)["method"].transform("nunique")
    return rows[n_methods == rows["method"].nunique()]


def regret_by_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Regret so far, a row a task and method, a column a trial."""
    means = rows.groupby([*_TASK, "method", "trial"])["regret_so_far"].mean()
    return means.unstack("trial")


def rank_by_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Rank among the methods, 1 the best; a row a task and method, a column a trial."""
    ranks = rows.groupby([*_RUN, "trial"])["regret_so_far"].rank(method="average")
    means = rows.assign(rank=ranks).groupby([*_TASK, "method", "trial"])["rank"].mean()
    return means.unstack("trial")


def estimate(values: Sequence[float] | NDArray[np.float64] | pd.Series) -> Estimate:
    """The mean of values of independent tasks."""
    y = np.asarray(values, dtype=float)
    error = y.std(ddof=1) / np.sqrt(len(y)) if len(y) > 1 else float("nan")
    return Estimate(float(y.mean()), float(error))


def compare(
    by_task: pd.DataFrame, method: str, trial: int, other: str, other_trial: int | None = None
) -> Comparison:
    """A method's regret at a trial against another's, at the same or another trial.

    Args:
        by_task:
            What ``regret_by_task`` returns.
        method:
            The first method.
        trial:
            Its trial.
        other:
            The second method.
        other_trial:
            Its trial, if it is another one.
    """
    first = by_task.xs(method, level="method")[trial]
    second = by_task.xs(other, level="method")[other_trial or trial]
    difference = (first - second).round(_DIGITS)
    return Comparison(
        wins=int((difference < 0).sum()),
        ties=int((difference == 0).sum()),
        losses=int((difference > 0).sum()),
        mean=float(first.mean()),
        other_mean=float(second.mean()),
        difference=estimate(difference),
        worst=float(difference.max()),
    )


def median_suggestion_ms(rows: pd.DataFrame) -> pd.DataFrame:
    """Median CPU milliseconds by method: of a suggestion in the last third, and of the setup."""
    late = rows[rows["trial"] > rows["trial"].max() * 2 / 3]
    columns = ["cpu_seconds_of_suggestion", "cpu_seconds_of_setup"]
    medians: pd.DataFrame = late.groupby("method")[columns].median() * 1000
    return medians

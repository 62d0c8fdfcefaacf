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

from benchmarks.methods.methods import METHODS
from benchmarks.tasks.regimes import changes_target
from benchmarks.tasks.regimes import SHARED


__all__ = [
    "Comparison",
    "Estimate",
    "beside",
    "common",
    "compare",
    "cpu_hours",
    "estimate",
    "in_regime",
    "median_suggestion_ms",
    "partial_methods",
    "rank_by_task",
    "read_results",
    "regret_by_cost",
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
    """The rows of a file of results, packed or not; of a job that is there twice, the last."""
    texts = {"family": str, "task": str, "regime": str, "value": str}
    rows = pd.read_csv(path, keep_default_na=False, dtype=texts)
    rows["regret_so_far"] = rows["regret_so_far"].round(_DIGITS)
    if "cost" not in rows:
        rows["cost"] = 1.0
    return rows.drop_duplicates(["suite", *_RUN, "regime", "method", "trial"], keep="last")


def in_regime(rows: pd.DataFrame, regime: str) -> pd.DataFrame:
    """The rows of a regime, with those of methods that use no priors.

    Methods that ran on few of a family's runs (tasks and seeds) are left out: see
    ``partial_methods``. Of the others, only runs with all of the family's methods are kept, so
    that an unfinished file compares like with like.
    """
    rows = _of_regime(rows, regime)
    few = pd.MultiIndex.from_tuples(partial_methods(rows, regime), names=["family", "method"])
    rows = rows[~pd.MultiIndex.from_frame(rows[["family", "method"]]).isin(few)]
    n_methods = rows.groupby(_RUN)["method"].transform("nunique")
    return rows[n_methods == rows.groupby("family")["method"].transform("nunique")]


def partial_methods(rows: pd.DataFrame, regime: str) -> list[tuple[str, str]]:
    """Families and the methods that, by their limits or so far, ran on less than half of its runs.

    A family's runs are those of the method that has most, of those that run in this regime alone:
    what runs once for all regimes may have more replicates.
    """
    runs = _of_regime(rows, regime)[[*_RUN, "regime", "method"]].drop_duplicates()
    counts = runs.groupby(["family", "method"]).size()
    own = runs[runs["regime"] == regime].groupby(["family", "method"]).size()
    most = own.groupby("family").max().reindex(counts.index.get_level_values("family"))
    few = counts < most.to_numpy() / 2
    limited = {name for name in METHODS if METHODS[name].is_partial}
    return [key for key, is_few in few.items() if is_few or key[1] in limited]


def beside(rows: pd.DataFrame, regime: str, method: str, others: Sequence[str]) -> pd.DataFrame:
    """The rows of a partial method and, on the runs that it has, of others in every run."""
    rows = _of_regime(rows, regime)
    rows = rows[rows["method"].isin([method, *others])]
    n_methods = rows.groupby(_RUN)["method"].transform("nunique")
    return rows[n_methods == len({method, *others})]


def common(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the methods that ran on every family, which means over all tasks compare."""
    n_families = rows.groupby("method")["family"].transform("nunique")
    return rows[n_families == rows["family"].nunique()]


def _of_regime(rows: pd.DataFrame, regime: str) -> pd.DataFrame:
    wanted = [regime] if changes_target(regime) else [regime, SHARED]
    return rows[rows["regime"].isin(wanted)]


def regret_by_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Regret so far, a row a task and method, a column a trial."""
    means = rows.groupby([*_TASK, "method", "trial"])["regret_so_far"].mean()
    return means.unstack("trial")


def regret_by_cost(rows: pd.DataFrame, budgets: Sequence[float]) -> pd.DataFrame:
    """Regret of the trials that a budget pays for; a row a task and method, a column a budget.

    A run that ended earlier keeps its last regret; one that has not finished a trial yet counts as
    its first.
    """
    key = [*_RUN, "method"]
    rows = rows.sort_values("trial")
    spent = rows.groupby(key)["cost"].cumsum()
    first = rows.groupby(key)["regret_so_far"].max()
    columns = {}
    for budget in budgets:
        paid = rows[spent <= budget].groupby(key)["regret_so_far"].min()
        columns[budget] = paid.reindex(first.index).fillna(first)
    return pd.DataFrame(columns).groupby([*_TASK, "method"]).mean()


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
    """A method's regret at a trial against another's, on the tasks of both.

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
    first = by_task.xs(method, level="method")[trial].dropna()
    second = by_task.xs(other, level="method")[other_trial or trial].dropna()
    first, second = first.align(second, join="inner")
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
    late = rows[rows["trial"] > rows.groupby("suite")["trial"].transform("max") * 2 / 3]
    columns = ["cpu_seconds_of_suggestion", "cpu_seconds_of_setup"]
    medians: pd.DataFrame = late.groupby("method")[columns].median() * 1000
    return medians


def cpu_hours(rows: pd.DataFrame) -> float:
    """CPU time of all suggestions and, once a run, of its setup."""
    suggestions = rows["cpu_seconds_of_suggestion"].sum()
    setups = rows.loc[rows["trial"] == 1, "cpu_seconds_of_setup"].sum()
    return float(suggestions + setups) / 3600

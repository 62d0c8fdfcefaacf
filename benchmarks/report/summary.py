"""Means, ranks and paired comparisons of a file of results.

Replicates (seeds) of a task are averaged first; standard errors are over tasks.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.methods.methods import METHODS
from benchmarks.tasks.regimes import changes_target
from benchmarks.tasks.regimes import SHARED


RUN = ["family", "task", "seed"]
_DIGITS = 9  # beyond which two regrets are the same


class Estimate(NamedTuple):
    mean: float
    error: float  # its standard error; nan for a single task

    def __str__(self) -> str:
        digits = 3 if self.mean >= 0.1 else 4
        mean = f"{self.mean:.{digits}f}"
        return mean if np.isnan(self.error) else f"{mean} ± {self.error:.{digits}f}"

    @property
    def signed(self) -> str:
        mean = f"{self.mean:+.4f}"
        return mean if np.isnan(self.error) else f"{mean} ± {self.error:.4f}"


class Comparison(NamedTuple):
    mean: float
    other_mean: float
    difference: Estimate  # below 0 where the first method is better
    score: str  # wins / ties / losses

    @property
    def ratio(self) -> float:
        return self.mean / self.other_mean if self.other_mean > 0 else float("nan")


def estimate(values: Any) -> Estimate:
    """Return the mean of values (n,) of independent tasks."""
    series = pd.Series(np.asarray(values, dtype=float))
    return Estimate(float(series.mean()), float(series.sem()))


def score(differences: Any) -> str:
    """Return of how many tasks (n,) the difference is below, at and above nought."""
    signs = np.sign(np.asarray(differences, dtype=float).round(_DIGITS))
    return " / ".join(str(int((signs == sign).sum())) for sign in (-1, 0, 1))


def read_results(path: Path) -> pd.DataFrame:
    """Read a file of results, packed or not; of a job that is there twice, the last."""
    texts = {"family": str, "task": str, "regime": str, "value": str}
    missing = {"regret_so_far": ["nan"]}  # Beyond half of a task's table.
    rows = pd.read_csv(path, keep_default_na=False, na_values=missing, dtype=texts)
    rows["regret_so_far"] = rows["regret_so_far"].round(_DIGITS)
    return rows.drop_duplicates(["suite", *RUN, "regime", "method", "trial"], keep="last")


def in_regime(rows: pd.DataFrame, regime: str) -> pd.DataFrame:
    """Return a regime's rows of the runs that all methods have, but ``partial_methods``."""
    rows = _of_regime(rows, regime)
    few = pd.MultiIndex.from_tuples(partial_methods(rows, regime), names=["family", "method"])
    rows = rows[~pd.MultiIndex.from_frame(rows[["family", "method"]]).isin(few)]
    n_methods = rows.groupby("family")["method"].transform("nunique")
    return rows[rows.groupby(RUN)["method"].transform("nunique") == n_methods]


def partial_methods(rows: pd.DataFrame, regime: str) -> list[tuple[str, str]]:
    """Return families with methods that ran on less than half of the runs of what ran most."""
    runs = _of_regime(rows, regime)[[*RUN, "regime", "method"]].drop_duplicates()
    counts = runs.groupby(["family", "method"]).size()
    own = runs[runs["regime"] == regime].groupby(["family", "method"]).size()
    most = own.groupby("family").max().reindex(counts.index.get_level_values("family"))
    few = counts < most.to_numpy() / 2
    partial = [name for name, method in METHODS.items() if method.is_partial]
    return [key for key, is_few in few.items() if is_few or key[1] in partial]


def runs_with(rows: pd.DataFrame, regime: str, method: str, others: Sequence[str]) -> pd.DataFrame:
    """Return the rows of a partial method and, on the runs that it has, of the others."""
    rows = _of_regime(rows, regime)
    rows = rows[rows["method"].isin([method, *others])]
    n_methods = rows.groupby(RUN)["method"].transform("nunique")
    return rows[n_methods == len({method, *others})]


def common(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the methods that ran on every family, whose overall means compare."""
    n_families = rows.groupby("method")["family"].transform("nunique")
    return rows[n_families == rows["family"].nunique()]


def regret_by_task(rows: pd.DataFrame, column: str = "regret_so_far") -> pd.DataFrame:
    """Return the regret so far, a row a family, task and method, a column a trial."""
    return rows.groupby(["family", "task", "method", "trial"])[column].mean().unstack("trial")


def rank_by_task(rows: pd.DataFrame) -> pd.DataFrame:
    return regret_by_task(rows.assign(rank=ranks(rows)), "rank")


def ranks(rows: pd.DataFrame) -> pd.Series:
    return rows.groupby([*RUN, "trial"])["regret_so_far"].rank(method="average")


def regret_by_cost(rows: pd.DataFrame, budgets: Sequence[float]) -> pd.DataFrame:
    """Return the regret of what each budget pays for; of no trial, the first one's."""
    key = [*RUN, "method"]
    rows = rows.sort_values("trial")
    spent = rows.groupby(key)["cost"].cumsum()
    first = rows.groupby(key)["regret_so_far"].max()
    columns = {}
    for budget in budgets:
        paid = rows[spent <= budget].groupby(key)["regret_so_far"].min()
        columns[budget] = paid.reindex(first.index).fillna(first)
    return pd.DataFrame(columns).groupby(["family", "task", "method"]).mean()


def whole(by_task: pd.DataFrame, columns: Sequence[int]) -> list[int]:
    """Return the columns that most rows have: others would be of a few tasks of many trials."""
    return [c for c in columns if c in by_task.columns and by_task[c].notna().mean() > 0.5]


def beyond_half(rows: pd.DataFrame, columns: Sequence[int]) -> list[tuple[str, int, int, int]]:
    """Return family, trial, and how many of how many tasks end before, by half of their table."""
    known = regret_by_task(rows).groupby(["family", "task"]).max().notna().groupby("family")
    ran = rows.groupby("family", sort=False)["trial"].max()
    counts, sizes = known.sum(), known.size()
    return [
        (family, trial, int(sizes[family] - counts.loc[family, trial]), int(sizes[family]))
        for family in ran.index
        for trial in columns
        if trial <= ran[family] and counts.loc[family, trial] < sizes[family]
    ]


def compare(by_task: pd.DataFrame, method: str, column: int, other: str) -> Comparison:
    """Compare a method's regret in a column with another's, on the tasks of both."""
    both = by_task[column].unstack("method")[[method, other]].dropna()
    difference = (both[method] - both[other]).round(_DIGITS)
    means = both.mean()
    return Comparison(means[method], means[other], estimate(difference), score(difference))


def verdict(ranks: pd.DataFrame, method: str, trial: int) -> str:
    """Tell whether a mean rank is the best; a tie is behind by one standard error at most."""
    by_method = ranks[trial].unstack("method")
    means = by_method.mean()
    best = means.drop(method).idxmin()
    behind = estimate(by_method[method] - by_method[best])
    slack = 10.0**-_DIGITS
    answer = "yes" if behind.mean <= slack else "no"
    if slack < behind.mean <= np.nan_to_num(behind.error) + slack:
        answer = "tie"
    return f"{answer} ({means[method]:.2f}; {best} {means[best]:.2f})"


def worst_decile(rows: pd.DataFrame, method: str, other: str, trial: int) -> tuple[float, float]:
    """Return the 90th percentile of both, over their common runs, of the regret at a trial."""
    runs = rows[rows["trial"] == trial].set_index([*RUN, "method"])["regret_so_far"]
    worst = runs.unstack("method")[[method, other]].dropna().quantile(0.9)
    return float(worst[method]), float(worst[other])


def _of_regime(rows: pd.DataFrame, regime: str) -> pd.DataFrame:
    wanted = [regime] if changes_target(regime) else [regime, SHARED]
    return rows[rows["regime"].isin(wanted)]

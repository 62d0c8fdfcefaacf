"""What comparisons come to: whether a method is best, how early, and what it costs at worst."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.report.summary import estimate
from benchmarks.report.summary import regret_by_task


__all__ = ["Reliability", "Tail", "early_wins", "reliability", "tail"]

_SLACK = 1e-9


class Reliability(NamedTuple):
    """Where a method's mean rank stands."""

    verdict: str  # "yes": the best, "tie": within one standard error of the best, or "no"
    rank: float
    best: str  # of the other methods
    best_rank: float

    def __str__(self) -> str:
        against = f"{self.best} {self.best_rank:.2f}"
        return f"{self.verdict} ({self.rank:.2f}; {against})"


class Tail(NamedTuple):
    """The worst runs of a method beside those of another one."""

    value: float  # 90th percentile over runs of the regret
    other: float

    @property
    def ratio(self) -> float:
        """The first as a multiple of the second; 1 where both are nought."""
        if self.other == 0.0:
            return 1.0 if self.value == 0.0 else float("inf")
        return self.value / self.other


def reliability(ranks: pd.DataFrame, method: str, trial: int) -> Reliability:
    """Whether a method's mean rank is the best one.

    A tie is a mean rank worse than the best by no more than the standard error, over tasks, of
    the paired difference.

    Args:
        ranks:
            What ``rank_by_task`` returns, of one family.
        method:
            The method.
        trial:
            The trial.
    """
    table = ranks[trial].unstack("method")
    means = table.mean()
    others = means.drop(method)
    best = str(others.idxmin())
    difference = estimate(table[method] - table[best])
    error = 0.0 if np.isnan(difference.error) else difference.error
    if difference.mean <= _SLACK:
        verdict = "yes"
    else:
        verdict = "tie" if difference.mean <= error + _SLACK else "no"
    return Reliability(verdict, float(means[method]), best, float(others.min()))


def early_wins(
    rows: pd.DataFrame, method: str, trial: int, others: Sequence[str], later: int
) -> dict[str, tuple[float, str, float]]:
    """By family, a method's mean regret, and the best of the others with its at a later trial."""
    by_task = regret_by_task(rows)
    result = {}
    for family in dict.fromkeys(rows["family"]):
        means = by_task.loc[[family]].groupby("method").mean()
        present = [name for name in others if name in means.index]
        if method in means.index and present and later in means.columns:
            best = str(means.loc[present, later].idxmin())
            result[str(family)] = (
                float(means.loc[method, trial]),
                best,
                float(means.loc[best, later]),
            )
    return result


def tail(rows: pd.DataFrame, method: str, other: str, trial: int) -> Tail:
    """The 90th percentile, over the runs that both have, of the regret at a trial."""
    runs = rows[rows["trial"] == trial].pivot_table(
        index=["family", "task", "seed"], columns="method", values="regret_so_far"
    )
    both = runs[[method, other]].dropna().to_numpy()
    worst = np.quantile(both, 0.9, axis=0) if len(both) else np.full(2, np.nan)
    return Tail(float(worst[0]), float(worst[1]))

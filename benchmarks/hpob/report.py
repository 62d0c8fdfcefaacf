"""The table of HPO-B: regret and rank after 5 to 100 trials, beside published methods."""

from __future__ import annotations

from collections.abc import Sequence
import json
from pathlib import Path

import pandas as pd

from benchmarks.hpob.data import SEEDS
from benchmarks.report.markdown import table
from benchmarks.report.summary import read_results


__all__ = ["hpob_report", "read_published"]

_TRIALS = (5, 10, 25, 50, 100)
_RUN = ["family", "task", "seed"]
_DIGITS = 8  # beyond which the authors take regrets to be the same


def hpob_report(path: Path, published: Sequence[Path] = ()) -> str:
    """Mean regrets and ranks of the runs that all methods have, in Markdown.

    Args:
        path:
            A file of results.
        published:
            Results of other methods in the published layout; the file's name is the method's.
    """
    rows = read_results(path)[[*_RUN, "method", "trial", "regret_so_far"]]
    rows = pd.concat([rows, *map(read_published, published)])
    trials = [trial for trial in _TRIALS if trial in set(rows["trial"])]
    rows = rows[rows["trial"].isin(trials)]
    rows["regret_so_far"] = rows["regret_so_far"].round(_DIGITS)
    n_methods = rows.groupby(_RUN)["method"].transform("nunique")
    rows = rows[n_methods == rows["method"].nunique()]
    regrets = rows.groupby(["method", "family", "trial"])["regret_so_far"].mean()
    overall = regrets.groupby(["method", "trial"]).mean().unstack("trial")
    rows["rank"] = rows.groupby([*_RUN, "trial"])["regret_so_far"].rank(method="average")
    ranks = rows.groupby(["method", "trial"])["rank"].mean().unstack("trial")
    lines = [
        [
            *(method, *(f"{overall.loc[method, trial]:.4f}" for trial in trials)),
            *(f"{ranks.loc[method, trial]:.2f}" for trial in trials),
        ]
        for method in dict.fromkeys(rows["method"])
    ]
    head = ["method", *(f"regret@{n}" for n in trials), *(f"rank@{n}" for n in trials)]
    n_runs, n_spaces = rows.groupby(_RUN).ngroups, rows["family"].nunique()
    return f"{n_runs} runs in {n_spaces} search spaces\n\n{table(head, lines)}"


def read_published(path: Path) -> pd.DataFrame:
    """Rows of a file ``{space: {data set: {"test0": [scores], ...}}}``.

    The first score of a list is that of the initialisation, the n-th after it that of n trials.
    """
    record = json.loads(path.read_text())
    rows = [
        (space, task, SEEDS.index(seed), path.stem, trial, 1.0 - scores[trial])
        for space, tasks in record.items()
        for task, seeds in tasks.items()
        for seed, scores in seeds.items()
        for trial in _TRIALS
        if trial < len(scores)
    ]
    return pd.DataFrame(rows, columns=[*_RUN, "method", "trial", "regret_so_far"])

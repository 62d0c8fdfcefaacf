"""The sections of a report on one regime: regrets, ranks, duels, verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

import pandas as pd

from benchmarks.methods.methods import METHODS
from benchmarks.report.markdown import duels
from benchmarks.report.markdown import means
from benchmarks.report.markdown import methods_of
from benchmarks.report.markdown import OURS
from benchmarks.report.markdown import table
from benchmarks.report.summary import beside
from benchmarks.report.summary import common
from benchmarks.report.summary import estimate
from benchmarks.report.summary import partial_methods
from benchmarks.report.summary import rank_by_task
from benchmarks.report.summary import regret_by_task
from benchmarks.report.verdicts import early_wins
from benchmarks.report.verdicts import reliability


__all__ = ["base_sections", "partial_section"]

_TRIALS = (1, 2, 3, 5, 10, 15, 20, 30, 50, 100)
_RANKED = (1, 5, 10, 20, 50)
_EARLY, _LATER = 5, (15, 30)


def base_sections(rows: pd.DataFrame) -> Iterator[str]:
    """The sections, in Markdown.

    Args:
        rows:
            What ``in_regime`` returns.
    """
    families = list(dict.fromkeys(rows["family"]))
    if OURS in set(rows["method"]):
        yield _verdicts(rows, families)
        yield from _early(rows)
    shared = common(rows)
    by_task = regret_by_task(shared)
    yield f"### Mean regret, all tasks\n\n{means(by_task, _TRIALS)}"
    n = shared["method"].nunique()
    ranks = means(rank_by_task(shared), _TRIALS)
    yield f"### Mean rank among the {n} methods that ran on every family\n\n{ranks}"
    if OURS in set(rows["method"]):
        text = duels(regret_by_task(rows), methods_of(rows), _RANKED)
        yield f"### Wins / ties / losses of `{OURS}` over tasks\n\n{text}"
    for family in families if len(families) > 1 else ():
        part = rows[rows["family"] == family]
        yield f"### Mean regret, {family}\n\n{means(regret_by_task(part), _TRIALS)}"
        yield f"### Mean rank, {family}\n\n{means(rank_by_task(part), _RANKED)}"


def partial_section(rows: pd.DataFrame, regime: str) -> str:
    """Methods that ran on a few runs only, each beside ours and the GP on these runs.

    Args:
        rows:
            All rows.
        regime:
            The regime.
    """
    lines = []
    others = [name for name in (OURS, "gp") if name in set(rows["method"])]
    few = partial_methods(rows, regime)
    for name in dict.fromkeys(method for _, method in few):
        families = [family for family, method in few if method == name]
        part = beside(rows[rows["family"].isin(families)], regime, name, others)
        by_task = regret_by_task(part) if len(part) else pd.DataFrame()
        kept = [t for t in _RANKED if t in by_task.columns and by_task[t].notna().all()]
        for method in dict.fromkeys((name, *others)) if kept else ():
            values = by_task.xs(method, level="method")
            cells = [str(estimate(values[trial])) for trial in kept]
            n_runs = len(part[["family", "task", "seed"]].drop_duplicates())
            label = f"{name}, {n_runs} runs" if method == name else f"— {method}"
            lines.append([label, *cells, *[""] * (len(_RANKED) - len(kept))])
    if not lines:
        return ""
    text = table(["trial", *_RANKED], lines)
    return f"### Methods that ran on a part of the tasks or replicates\n\n{text}"


def _verdicts(rows: pd.DataFrame, families: Sequence[str]) -> str:
    lines = []
    for family in families:
        ranks = rank_by_task(rows[rows["family"] == family])
        if len(set(ranks.index.get_level_values("method")) | {OURS}) < 2:
            continue
        cells = [
            reliability(ranks, OURS, trial) if trial in ranks.columns else "" for trial in _RANKED
        ]
        lines.append([family, *cells])
    text = table(["family, at trial", *_RANKED], lines)
    return f"""### Is `{OURS}` best in mean rank?

In brackets its mean rank and the best other method with its. *tie*: behind by no more than one
standard error, over tasks, of the paired difference of ranks.

{text}"""


def _early(rows: pd.DataFrame) -> Iterator[str]:
    cold = [m for m in methods_of(rows) if m in METHODS and not METHODS[m].uses_priors]
    for later in _LATER:
        wins = early_wins(rows, OURS, _EARLY, cold, later)
        lines = [
            [family, f"{ours:.4f}", f"{best} {value:.4f}", "yes" if ours < value else "no"]
            for family, (ours, best, value) in wins.items()
        ]
        if lines:
            n_won = sum(line[-1] == "yes" for line in lines)
            head = ["family", f"{OURS} at {_EARLY}", f"best without priors at {later}", "below?"]
            title = f"### `{OURS}` at trial {_EARLY} against no priors at trial {later}"
            yield f"{title}: below all on {n_won} of {len(lines)}\n\n{table(head, lines)}"

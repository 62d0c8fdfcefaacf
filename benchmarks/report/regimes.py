"""The sections of a report on regimes other than the base, on two objectives and on pruning."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

import pandas as pd

from benchmarks.report.markdown import duels
from benchmarks.report.markdown import means
from benchmarks.report.markdown import methods_of
from benchmarks.report.markdown import OURS
from benchmarks.report.markdown import score
from benchmarks.report.markdown import signed
from benchmarks.report.markdown import table
from benchmarks.report.summary import common
from benchmarks.report.summary import compare
from benchmarks.report.summary import estimate
from benchmarks.report.summary import in_regime
from benchmarks.report.summary import rank_by_task
from benchmarks.report.summary import regret_by_cost
from benchmarks.report.summary import regret_by_task
from benchmarks.report.verdicts import reliability
from benchmarks.report.verdicts import tail
from benchmarks.tasks.curves import EPOCHS


__all__ = [
    "against_base",
    "against_gp",
    "objectives_section",
    "pruned_section",
    "regime_section",
]

_TRIALS = (1, 3, 5, 10, 20, 30, 50)
_AGAINST_GP = (10, 30, 50)
_OBJECTIVES_TRIALS = (1, 5, 10, 20, 40, 50)
_TRAININGS = (2, 5, 10, 20, 50)  # budgets where trials can be pruned, in whole learning curves
_PRUNED_TRIALS = (1, 5, 10, 20, 50, 100)
_BLIND = "meta-drops-pruned"


def regime_section(rows: pd.DataFrame, regime: str) -> str:
    """Regrets and ranks of a regime.

    Args:
        rows:
            What ``in_regime`` returns.
        regime:
            Its name.
    """
    rows = common(rows)
    if OURS not in set(rows["method"]):
        return ""
    ranks = rank_by_task(rows)
    kept = [trial for trial in (10, 20) if trial in ranks.columns and ranks[trial].notna().all()]
    several = rows["method"].nunique() > 1
    verdicts = [f"at trial {t}: {reliability(ranks, OURS, t)}" for t in kept] if several else []
    n_tasks, n_seeds = rows.groupby(["family", "task"]).ngroups, rows["seed"].nunique()
    best = f"Best in mean rank {'; '.join(verdicts)}." if verdicts else ""
    head = f"### {regime}\n\n{n_tasks} tasks, {n_seeds} replicates. {best}"
    return f"{head}\n\n{means(regret_by_task(rows), _TRIALS)}"


def against_gp(rows: pd.DataFrame, regimes: Sequence[str]) -> str:
    """Ours under each regime against the GP without priors: on average, and at the worst."""
    lines = []
    for regime in regimes:
        part = in_regime(rows, regime)
        part = part[part["method"].isin([OURS, "gp"])]
        if part["method"].nunique() < 2:
            continue
        by_task = regret_by_task(part)
        last = int(by_task.dropna(axis="columns").columns.max())
        for trial in _whole(by_task, _AGAINST_GP) or [last]:
            duel, worst = compare(by_task, OURS, trial, "gp"), tail(part, OURS, "gp", trial)
            lines.append(
                [
                    *(regime, trial, f"{duel.mean:.4f}", f"{duel.other_mean:.4f}"),
                    *(f"{duel.ratio:.2f}", signed(duel.difference), score(duel)),
                    *(f"{worst.value:.4f}", f"{worst.other:.4f}", f"{worst.ratio:.2f}"),
                ]
            )
    head = ["regime", "trial", f"mean {OURS}", "mean gp", "ratio", "difference"]
    head += ["wins / ties / losses", f"worst decile {OURS}", "worst decile gp", "ratio"]
    note = "*Worst decile*: the 90th percentile, over runs, of the regret."
    return f"{note}\n\n{table(head, lines)}" if lines else ""


def against_base(rows: pd.DataFrame, regimes: Sequence[str]) -> str:
    """Ours under each regime against itself in the base regime, on the runs of both."""
    ours = rows[rows["method"] == OURS]
    base = ours[ours["regime"] == "base"]
    lines = []
    for regime in regimes:
        other = ours[ours["regime"] == regime].assign(method=regime)
        both = pd.concat([base.assign(method="base"), other])
        counts = both.groupby(["family", "task", "seed"])["method"].transform("nunique")
        both = both[counts == 2]
        if regime == "base" or not len(both):
            continue
        by_task = regret_by_task(both)
        n_tasks = len(by_task.xs(regime, level="method"))
        duels = [compare(by_task, regime, t, "base") for t in _whole(by_task, _TRIALS)]
        cells = [signed(duel.difference) for duel in duels]
        lines.append([regime, n_tasks, *cells, *[""] * (len(_TRIALS) - len(cells))])
    text = f"Differences of the regret of `{OURS}` from its regret in the base regime, paired."
    return f"{text}\n\n{table(['regime', 'tasks', *_TRIALS], lines)}" if lines else ""


def objectives_section(rows: pd.DataFrame) -> Iterator[str]:
    """Hypervolume regret, a table a suite."""
    for family in dict.fromkeys(rows["family"]):
        part = rows[rows["family"] == family]
        by_task, ranks = regret_by_task(part), rank_by_task(part)
        yield f"### {family}\n\n{means(by_task, _OBJECTIVES_TRIALS)}"
        if OURS in set(part["method"]) and part["method"].nunique() > 1:
            verdicts = [
                f"at trial {trial} {reliability(ranks, OURS, trial)}"
                for trial in _whole(by_task, (10, 20, 40))
            ]
            yield f"Best in mean rank: {'; '.join(verdicts)}."
            yield duels(by_task, methods_of(part), (10, 20, 40))


def pruned_section(rows: pd.DataFrame) -> Iterator[str]:
    """Regret by trials and by epochs, and what seeing pruned trials is worth."""
    budgets = [EPOCHS[-1] * n for n in _TRAININGS]
    by_task, by_cost = regret_by_task(rows), regret_by_cost(rows, budgets)
    spent = rows.groupby(["method", "family", "task", "seed"])["cost"].sum()
    shares = [
        [name, f"{estimate(spent.loc[name].to_numpy()).mean:.0f}"] for name in methods_of(rows)
    ]
    yield f"### Regret by trials\n\n{means(by_task, _PRUNED_TRIALS)}"
    yield f"### Regret by epochs\n\n{means(by_cost, budgets, head='epochs')}"
    yield table(["method", "epochs of a study"], shares)
    if {OURS, _BLIND} <= set(rows["method"]):
        lines = []
        for unit, frame in (("trial", by_task), ("epochs", by_cost)):
            for column in _whole(frame, _PRUNED_TRIALS if unit == "trial" else budgets):
                duel = compare(frame, OURS, column, _BLIND)
                lines.append([f"{unit} {column}", signed(duel.difference), score(duel)])
        head = ["at", "difference", "wins / ties / losses"]
        yield f"### `{OURS}` against `{_BLIND}`\n\n{table(head, lines)}"


def _whole(by_task: pd.DataFrame, columns: Sequence[int]) -> list[int]:
    """The columns that all tasks have."""
    return [c for c in columns if c in by_task.columns and by_task[c].notna().all()]

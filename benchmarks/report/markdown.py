"""Tables in Markdown, and the sections of a report: regimes, two objectives, pruning."""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

import pandas as pd

from benchmarks.methods.methods import METHODS
from benchmarks.report import summary
from benchmarks.tasks.yahpo import EPOCHS


OURS = "meta"
_ORDER = list(dict.fromkeys([OURS, *METHODS]))


def table(head: Sequence[object], lines: Iterable[Sequence[object]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def ordered(names: Iterable[str]) -> list[str]:
    """Return ours first, then the methods known, then any others."""
    present = list(dict.fromkeys(names))
    return sorted(present, key=lambda n: _ORDER.index(n) if n in _ORDER else len(_ORDER))


def means(by_task: pd.DataFrame, columns: Sequence[int], head: str = "trial") -> str:
    """Return means over tasks with standard errors, a line a method."""
    kept = summary.whole(by_task, columns)
    cells = by_task[kept].groupby("method").agg(lambda values: str(summary.estimate(values)))
    cells = cells.loc[ordered(cells.index)]
    return table([head, *kept], cells.reset_index().to_numpy())


def medians(by_task: pd.DataFrame, columns: Sequence[int]) -> str:
    """Return medians over tasks, which one outlier does not move, a line a method."""
    kept = summary.whole(by_task, columns)
    cells = by_task[kept].groupby("method").median()
    cells = cells.loc[ordered(cells.index)].map("{:.4f}".format)
    return table(["trial", *kept], cells.reset_index().to_numpy())


def duels(by_task: pd.DataFrame, others: Iterable[str], columns: Sequence[int]) -> str:
    """Return wins, ties and losses of ours over the tasks of both, a line each of the others."""
    kept = summary.whole(by_task, columns)
    lines = [
        [name, *(summary.compare(by_task, OURS, column, name).score for column in kept)]
        for name in others
        if name != OURS
    ]
    return table(["against, at trial", *kept], lines)


def padded(cells: Sequence[object], length: int) -> list[object]:
    """Return a line's cells, empty where there are no more."""
    return [*cells, *[""] * (length - len(cells))]


_TRIALS = (1, 2, 3, 5, 10, 15, 20, 30, 50, 100)
_FEWER_TRIALS = (1, 3, 5, 10, 20, 30, 50)
_RANKED = (1, 2, 3, 5, 10, 20, 50)
_EARLY, _LATER = 5, (15, 30)
_AGAINST_GP = (10, 30, 50)
_OBJECTIVES_TRIALS = (1, 5, 10, 20, 40, 50)
_TRAININGS = (2, 5, 10, 20, 50)  # budgets where trials can be pruned, in whole learning curves
_PRUNED_TRIALS = (1, 5, 10, 20, 50, 100)
_BLIND = "meta-drops-pruned"
_BEST = f"""### Is `{OURS}` best in mean rank?

In brackets its mean rank and the best other method with its. *tie*: behind by no more than one
standard error, over tasks, of the paired difference of ranks."""


def base_sections(rows: pd.DataFrame) -> Iterator[str]:
    """Yield regrets, ranks, duels and verdicts of the rows of one regime."""
    by_family = dict(tuple(rows.groupby("family", sort=False)))
    ours = OURS in set(rows["method"])
    if ours:
        lines = []
        for family, part in by_family.items():
            if len({*part["method"], OURS}) > 1:
                ranks = summary.rank_by_task(part)
                kept = summary.whole(ranks, _RANKED)
                cells = [summary.verdict(ranks, OURS, t) if t in kept else "" for t in _RANKED]
                lines.append([family, *cells])
        yield f"{_BEST}\n\n{table(['family, at trial', *_RANKED], lines)}"
        yield from _early(rows)
    if missing := summary.beyond_half(rows, _TRIALS):
        text = table(["family", "trial", "tasks left out", "of"], missing)
        yield f"### Left out: beyond half of a task's table\n\n{text}"
    shared = summary.common(rows)
    text = means(summary.regret_by_task(shared), _TRIALS)
    yield f"### Mean regret, all tasks\n\n{text}"
    yield f"### Median regret, all tasks\n\n{medians(summary.regret_by_task(shared), _TRIALS)}"
    head = f"### Mean rank among the {shared['method'].nunique()} methods that ran on every family"
    yield f"{head}\n\n{means(summary.rank_by_task(shared), _TRIALS)}"
    if ours:
        by_task = summary.regret_by_task(rows)
        text = duels(by_task, ordered(rows["method"]), _RANKED)
        yield f"### Wins / ties / losses of `{OURS}` over tasks\n\n{text}"
    for family, part in by_family.items() if len(by_family) > 1 else ():
        by_task = summary.regret_by_task(part)
        yield f"### Mean regret, {family}\n\n{means(by_task, _TRIALS)}"
        yield f"### Median regret, {family}\n\n{medians(by_task, _TRIALS)}"
        yield f"### Mean rank, {family}\n\n{means(summary.rank_by_task(part), _RANKED)}"


def _early(rows: pd.DataFrame) -> Iterator[str]:
    """Yield ours early against the best method without priors later."""
    cold = [m for m in ordered(rows["method"]) if m in METHODS and not METHODS[m].uses_priors]
    by_family = summary.regret_by_task(rows).groupby(["family", "method"]).mean()
    for later in _LATER:
        lines = []
        for family in rows["family"].unique() if later in by_family else ():
            regrets = by_family.loc[family]
            others = regrets[later].reindex(cold).dropna()
            if OURS in regrets.index and len(others):
                ours, best = regrets.loc[OURS, _EARLY], others.idxmin()
                below = "yes" if ours < others[best] else "no"
                lines.append([family, f"{ours:.4f}", f"{best} {others[best]:.4f}", below])
        if lines:
            n_won = sum(line[-1] == "yes" for line in lines)
            head = ["family", f"{OURS} at {_EARLY}", f"best without priors at {later}", "below?"]
            title = f"### `{OURS}` at trial {_EARLY} against no priors at trial {later}"
            yield f"{title}: below all on {n_won} of {len(lines)}\n\n{table(head, lines)}"


def partial_section(rows: pd.DataFrame, regime: str) -> str:
    """Return methods that ran on a few runs only, each beside ours and the GP on these runs."""
    lines = []
    others = [name for name in (OURS, "gp") if name in set(rows["method"])]
    few = summary.partial_methods(rows, regime)
    for name in dict.fromkeys(method for _, method in few):
        families = [family for family, method in few if method == name]
        part = summary.runs_with(rows[rows["family"].isin(families)], regime, name, others)
        if not len(part):
            continue
        by_task, n_runs = summary.regret_by_task(part), part.groupby(summary.RUN).ngroups
        kept = summary.whole(by_task, _RANKED)
        for method in dict.fromkeys((name, *others)) if kept else ():
            cells = [str(summary.estimate(by_task.xs(method, level="method")[t])) for t in kept]
            label = f"{name}, {n_runs} runs" if method == name else f"— {method}"
            lines.append([label, *padded(cells, len(_RANKED))])
    text = table(["trial", *_RANKED], lines)
    head = "### Methods that ran on a part of the tasks or replicates"
    return f"{head}\n\n{text}" if lines else ""


def regime_section(rows: pd.DataFrame, regime: str) -> str:
    rows = summary.common(rows)
    if OURS not in set(rows["method"]):
        return ""
    best = ""
    if rows["method"].nunique() > 1:
        best = f"Best in mean rank {_verdicts(summary.rank_by_task(rows), (10, 20), ': ')}."
    n_tasks, n_seeds = rows.groupby(["family", "task"]).ngroups, rows["seed"].nunique()
    head = f"### {regime}\n\n{n_tasks} tasks, {n_seeds} replicates. {best}"
    return f"{head}\n\n{means(summary.regret_by_task(rows), _FEWER_TRIALS)}"


def against_gp(rows: pd.DataFrame, regimes: Sequence[str]) -> str:
    """Return ours under each regime against the GP without priors: on average, and at worst."""
    lines = []
    for regime in regimes:
        part = summary.in_regime(rows, regime)
        part = part[part["method"].isin([OURS, "gp"])]
        if part["method"].nunique() < 2:
            continue
        by_task = summary.regret_by_task(part)
        last = int(by_task.dropna(axis="columns").columns.max())
        for trial in summary.whole(by_task, _AGAINST_GP) or [last]:
            duel = summary.compare(by_task, OURS, trial, "gp")
            ours, others = summary.worst_decile(part, OURS, "gp", trial)
            ratio = ours / others if others else 1.0 if ours == 0.0 else float("inf")
            numbers = [f"{x:.4f}" for x in (duel.mean, duel.other_mean, ours, others)]
            middle = [f"{duel.ratio:.2f}", duel.difference.signed, duel.score]
            lines.append([regime, trial, *numbers[:2], *middle, *numbers[2:], f"{ratio:.2f}"])
    head = ["regime", "trial", f"mean {OURS}", "mean gp", "ratio", "difference"]
    head += ["wins / ties / losses", f"worst decile {OURS}", "worst decile gp", "ratio"]
    note = "*Worst decile*: the 90th percentile, over runs, of the regret."
    return f"{note}\n\n{table(head, lines)}" if lines else ""


def against_base(rows: pd.DataFrame, regimes: Sequence[str]) -> str:
    """Return ours under each regime against itself in the base regime, on the runs of both."""
    ours = rows[rows["method"] == OURS]
    lines = []
    for regime in regimes:
        both = ours[ours["regime"].isin(["base", regime])]
        both = both.assign(method=both["regime"])
        both = both[both.groupby(summary.RUN)["method"].transform("nunique") == 2]
        if len(both):
            by_task = summary.regret_by_task(both)
            kept = summary.whole(by_task, _FEWER_TRIALS)
            cells = [summary.compare(by_task, regime, t, "base").difference.signed for t in kept]
            lines.append([regime, len(by_task) // 2, *padded(cells, len(_FEWER_TRIALS))])
    text = f"Differences of the regret of `{OURS}` from its regret in the base regime, paired."
    return f"{text}\n\n{table(['regime', 'tasks', *_FEWER_TRIALS], lines)}" if lines else ""


def objectives_section(rows: pd.DataFrame) -> Iterator[str]:
    for family, part in rows.groupby("family", sort=False):
        by_task = summary.regret_by_task(part)
        yield f"### {family}\n\n{means(by_task, _OBJECTIVES_TRIALS)}"
        if OURS in set(part["method"]) and part["method"].nunique() > 1:
            yield f"Best in mean rank: {_verdicts(summary.rank_by_task(part), (10, 20, 40), ' ')}."
            yield duels(by_task, ordered(part["method"]), (10, 20, 40))


def pruned_section(rows: pd.DataFrame) -> Iterator[str]:
    """Yield regret by trials and by epochs, and what seeing pruned trials is worth."""
    budgets = [EPOCHS[-1] * n for n in _TRAININGS]
    by_task, by_cost = summary.regret_by_task(rows), summary.regret_by_cost(rows, budgets)
    spent = rows.groupby([*summary.RUN, "method"])["cost"].sum().groupby("method").mean()
    shares = [[name, f"{spent[name]:.0f}"] for name in ordered(rows["method"])]
    yield f"### Regret by trials\n\n{means(by_task, _PRUNED_TRIALS)}"
    yield f"### Regret by epochs\n\n{means(by_cost, budgets, head='epochs')}"
    yield table(["method", "epochs of a study"], shares)
    if {OURS, _BLIND} <= set(rows["method"]):
        lines = []
        units = (("trial", by_task, _PRUNED_TRIALS), ("epochs", by_cost, budgets))
        for unit, frame, columns in units:
            for column in summary.whole(frame, columns):
                duel = summary.compare(frame, OURS, column, _BLIND)
                lines.append([f"{unit} {column}", duel.difference.signed, duel.score])
        head = ["at", "difference", "wins / ties / losses"]
        yield f"### `{OURS}` against `{_BLIND}`\n\n{table(head, lines)}"


def _verdicts(ranks: pd.DataFrame, trials: Sequence[int], separator: str) -> str:
    kept = summary.whole(ranks, trials)
    return "; ".join(f"at trial {t}{separator}{summary.verdict(ranks, OURS, t)}" for t in kept)

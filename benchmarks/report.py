"""Tables and a figure of a file of results: ``python -m benchmarks.report FILE.csv``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.figure import draw
from benchmarks.jobs import SHARED
from benchmarks.methods import METHODS
from benchmarks.regimes import REGIMES
from benchmarks.results import read_origin
from benchmarks.summary import compare
from benchmarks.summary import Comparison
from benchmarks.summary import Estimate
from benchmarks.summary import estimate
from benchmarks.summary import in_regime
from benchmarks.summary import median_suggestion_ms
from benchmarks.summary import rank_by_task
from benchmarks.summary import read_results
from benchmarks.summary import regret_by_task


__all__ = ["main", "report"]

_OURS = "meta"
_TRIALS = (1, 2, 3, 5, 10, 15, 20, 30)
_DUELS = (5, 10, 20, 30)
_INTRODUCTION = """\
Regret of a value is its distance from the task's best value, in units of the distance between the
best and the median configuration: 0 is the best, 1 middling. *Regret at trial n* is that of the
best of the first n trials. Means are over tasks, each the mean of its replicates; ± is the
standard error over tasks. Methods that use no prior studies ran once and count in every regime."""


def main(argv: Sequence[str] | None = None) -> None:
    """Write the report and the figure next to each file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    for path in parser.parse_args(argv).files:
        path.with_suffix(".md").write_text(report(path))
        rows = read_results(path)
        regime = _regimes(rows)[0]
        part = in_regime(rows, regime)
        draw(part, _methods(part), path.with_suffix(".png"))


def report(path: Path) -> str:
    """The tables of a file of results, in Markdown."""
    rows = read_results(path)
    sections = [_head(path, rows)]
    first, *_ = regimes = _regimes(rows)
    for regime in regimes:
        part = in_regime(rows, regime)
        if len(part):
            sections += [f"## Prior studies: {regime}", *_regime_sections(part, regime == first)]
    sections += ["## Robustness", _robustness(rows), "## Time", _time(rows)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(path: Path, rows: pd.DataFrame) -> str:
    origin = read_origin(path)
    settings = ", ".join(f"{key} {value}" for key, value in origin.get("settings", {}).items())
    commands = "\n".join(origin.get("commands", ["(not recorded)"]))
    n_tasks, n_seeds = rows.groupby(["family", "task"]).ngroups, rows["seed"].nunique()
    return "\n\n".join(
        [
            f"# {path.stem}",
            f"Made by\n\n```\n{commands}\n```",
            f"{n_tasks} tasks, {n_seeds} replicates each. Settings: {settings or 'unknown'}.",
            _INTRODUCTION,
        ]
    )


def _regime_sections(rows: pd.DataFrame, with_families: bool) -> Iterator[str]:
    methods, by_task = _methods(rows), regret_by_task(rows)
    families = list(dict.fromkeys(rows["family"]))
    yield f"### Mean regret, all tasks\n\n{_means(by_task, methods)}"
    for family in families if with_families and len(families) > 1 else ():
        part = by_task.xs(family, drop_level=False)
        yield f"### Mean regret, {family}\n\n{_means(part, methods)}"
    ranks = _means(rank_by_task(rows), methods)
    yield f"### Mean rank among the {len(methods)} methods\n\n{ranks}"
    if _OURS in methods:
        yield f"### Wins / ties / losses of `{_OURS}` over tasks\n\n{_duels(by_task, methods)}"
        yield _early(by_task, methods)


def _means(by_task: pd.DataFrame, methods: Sequence[str]) -> str:
    trials = _present(_TRIALS, by_task)
    lines = [
        [method, *(estimate(by_task.xs(method, level="method")[trial]) for trial in trials)]
        for method in methods
    ]
    return _table(["trial", *trials], lines)


def _duels(by_task: pd.DataFrame, methods: Sequence[str]) -> str:
    trials = _present(_DUELS, by_task)
    lines = []
    for other in methods:
        duels = [compare(by_task, _OURS, trial, other) for trial in trials]
        if other != _OURS:
            lines.append([other, *map(_score, duels)])
    return _table(["against, at trial", *trials], lines)


def _early(by_task: pd.DataFrame, methods: Sequence[str]) -> str:
    lines = []
    for other in methods:
        for trial in _present((15, 20), by_task):
            if other in METHODS and not METHODS[other].uses_priors:
                duel = compare(by_task, _OURS, 5, other, trial)
                means = (f"{duel.mean:.4f}", f"{duel.other_mean:.4f}")
                lines.append([f"{other} at {trial}", *means, _signed(duel.difference)])
                lines[-1].append(_score(duel))
    head = ["against", f"{_OURS} at 5", "other", "difference", "wins / ties / losses"]
    title = f"### `{_OURS}` at trial 5 against later trials of methods without priors"
    return f"{title}\n\n{_table(head, lines)}" if lines else ""


def _robustness(rows: pd.DataFrame) -> str:
    """Our method under each regime against the same model without priors."""
    lines = []
    for regime in _regimes(rows):
        part = in_regime(rows, regime)
        if not {_OURS, "gp"} <= set(part["method"]):
            continue
        last = int(part["trial"].max())
        duel = compare(regret_by_task(part), _OURS, last, "gp")
        means = (f"{duel.mean:.4f}", f"{duel.other_mean:.4f}", f"{duel.ratio:.2f}")
        lines.append([regime, last, *means, _signed(duel.difference)])
        lines[-1] += [f"{duel.worst:+.4f}", _score(duel)]
    head = ["regime", "trial", _OURS, "gp", "ratio", "difference"]
    head += ["on the worst task", "wins / ties / losses"]
    return f"`{_OURS}` against `gp` at the last trial.\n\n{_table(head, lines)}" if lines else ""


def _time(rows: pd.DataFrame) -> str:
    medians = median_suggestion_ms(rows)
    lines = [
        [method, *(f"{medians.loc[method, column]:.1f}" for column in medians.columns)]
        for method in _methods(rows)
    ]
    head = ["method", "CPU ms a suggestion", "CPU ms before the first trial"]
    return f"Medians; suggestions in the last third of the trials.\n\n{_table(head, lines)}"


def _signed(value: Estimate) -> str:
    return f"{value.mean:+.4f} ± {value.error:.4f}"


def _score(duel: Comparison) -> str:
    return f"{duel.wins} / {duel.ties} / {duel.losses}"


def _methods(rows: pd.DataFrame) -> list[str]:
    """Ours first, then those known, then any others."""
    present = list(dict.fromkeys(rows["method"]))
    known = [name for name in (_OURS, *METHODS) if name in present]
    return list(dict.fromkeys([*known, *present]))


def _regimes(rows: pd.DataFrame) -> list[str]:
    present = set(rows["regime"]) - {SHARED}
    return [regime for regime in REGIMES if regime in present] or [SHARED]


def _present(trials: Iterable[int], by_task: pd.DataFrame) -> list[int]:
    return [trial for trial in trials if trial in by_task.columns]


def _table(head: Sequence[object], lines: Iterable[Sequence[object]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


if __name__ == "__main__":
    main()

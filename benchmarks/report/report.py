"""Tables and figures of a file of results: ``python -m benchmarks.report.report FILE.csv``.

Next to the file, packed or not, come ``FILE.md`` and the figures.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.arena.jobs import Job
from benchmarks.arena.results import beside
from benchmarks.arena.results import read_origin
from benchmarks.arena.results import read_skips
from benchmarks.report.base import base_sections
from benchmarks.report.base import partial_section
from benchmarks.report.figure import draw
from benchmarks.report.figure import draw_by_cost
from benchmarks.report.markdown import methods_of
from benchmarks.report.markdown import table
from benchmarks.report.regimes import against_base
from benchmarks.report.regimes import against_gp
from benchmarks.report.regimes import objectives_section
from benchmarks.report.regimes import pruned_section
from benchmarks.report.regimes import regime_section
from benchmarks.report.summary import cpu_hours
from benchmarks.report.summary import in_regime
from benchmarks.report.summary import median_suggestion_ms
from benchmarks.report.summary import read_results
from benchmarks.tasks.regimes import REGIMES
from benchmarks.tasks.regimes import SHARED
from benchmarks.tasks.task import OBJECTIVES_SUITES
from benchmarks.tasks.task import PRUNED_SUITE


__all__ = ["main", "report"]

_INTRODUCTION = """\
Regret of a value is its distance from the task's best value, in units of the distance between the
best and the median configuration: 0 is the best, 1 middling. *Regret at trial n* is that of the
best of the first n trials. Means are over tasks, each the mean of its replicates; ± is the
standard error over tasks. Methods that use no prior studies ran once and count in every regime
that leaves the new study as it is. Methods that ran on less than half of a family's runs have a
table of their own."""
_OBJECTIVES = """\
Regret is 1 - hypervolume of the trials so far / best hypervolume; score and logarithm of the time,
from the task's median score and its longest time."""
_PRUNED = """\
Trials report their accuracy every four epochs, and Optuna's median pruner may stop them, in the
prior studies too. Only trials that were not pruned count for regret."""


def main(argv: Sequence[str] | None = None) -> None:
    """Write the report and the figures next to each file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report.report", description=__doc__
    )
    parser.add_argument("files", nargs="+", type=Path)
    for path in parser.parse_args(argv).files:
        beside(path, ".md").write_text(report(path))
        _draw_all(path)


def report(path: Path) -> str:
    """The tables of a file of results, in Markdown."""
    rows = read_results(path)
    sections = [_head(path, rows), *_skips(path)]
    single, objectives, pruned = _kinds(rows)
    first, *others = regimes = _regimes(single)
    part = in_regime(single, first)
    if len(part):
        sections += [f"## Regime: {first}", *base_sections(part), partial_section(single, first)]
    if others:
        texts = [regime_section(in_regime(single, regime), regime) for regime in others]
        sections += ["## Other regimes", *texts, against_base(single, others)]
    if against := against_gp(single, regimes):
        sections += ["## What priors cost at worst", against]
    if len(objectives):
        sections += ["## Two objectives", _OBJECTIVES, *objectives_section(objectives)]
    if len(pruned):
        sections += ["## Pruning", _PRUNED, *pruned_section(pruned)]
    sections += ["## Time", _time(rows)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _draw_all(path: Path) -> None:
    single, objectives, pruned = _kinds(read_results(path))
    part = in_regime(single, _regimes(single)[0])
    if len(part):
        draw(part, methods_of(part), beside(path, ".png"))
    if len(objectives):
        draw(objectives, methods_of(objectives), beside(path, "-objectives.png"))
    if len(pruned):
        draw_by_cost(pruned, methods_of(pruned), beside(path, "-pruned.png"))


def _kinds(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Rows with one objective, with two, and with pruning; of the latter two the base regime."""
    has_several = rows["suite"].isin(OBJECTIVES_SUITES)
    is_pruned = rows["suite"] == PRUNED_SUITE
    return (
        rows[~has_several & ~is_pruned],
        in_regime(rows[has_several], "base"),
        in_regime(rows[is_pruned], "base"),
    )


def _head(path: Path, rows: pd.DataFrame) -> str:
    origin = read_origin(path)
    settings = ", ".join(f"{key} {value}" for key, value in origin.get("settings", {}).items())
    notes = [f"Other settings: {'; '.join(origin['notes'])}."] if "notes" in origin else []
    commands = "\n".join(origin.get("commands", ["(not recorded)"]))
    n_tasks, n_seeds = rows.groupby(["family", "task"]).ngroups, rows["seed"].nunique()
    return "\n\n".join(
        [
            f"# {beside(path, '').name}",
            f"Made by\n\n```\n{commands}\n```",
            f"{n_tasks} tasks, {n_seeds} replicates each. Settings: {settings or 'unknown'}.",
            *notes,
            _INTRODUCTION,
        ]
    )


def _skips(path: Path) -> Iterator[str]:
    """What methods could not serve, a line for each method and reason."""
    skipped: dict[tuple[str, str], list[Job]] = {}
    for job, reason in read_skips(path).items():
        skipped.setdefault((job.method, reason), []).append(job)
    if skipped:
        lines = [
            [method, reason, *(", ".join(_names(jobs, i)) for i in (1, 4)), len(jobs)]
            for (method, reason), jobs in sorted(skipped.items())
        ]
        head = ["method", "reason", "families", "regimes", "runs"]
        yield f"### What methods could not serve\n\n{table(head, lines)}"


def _names(jobs: Sequence[Job], field: int) -> list[str]:
    return list(dict.fromkeys(str(job[field]) for job in jobs))


def _time(rows: pd.DataFrame) -> str:
    medians = median_suggestion_ms(rows)
    lines = [
        [method, *(f"{medians.loc[method, column]:.1f}" for column in medians.columns)]
        for method in methods_of(rows)
    ]
    head = ["method", "CPU ms a suggestion", "CPU ms before the first trial"]
    hours = cpu_hours(rows)
    text = f"""Medians; suggestions in the last third of the trials, in all suites and regimes.
All suggestions and setups together took {hours:.2f} hours of CPU time."""
    return f"{text}\n\n{table(head, lines)}"


def _regimes(rows: pd.DataFrame) -> list[str]:
    present = set(rows["regime"]) - {SHARED}
    return [regime for regime in REGIMES if regime in present] or [SHARED]


if __name__ == "__main__":
    main()

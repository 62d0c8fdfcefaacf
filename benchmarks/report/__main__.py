"""Tables and figures of a file of results: ``python -m benchmarks.report FILE.csv``.

Next to the file, packed or not, come ``FILE.md`` and the figures.
"""

import argparse
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.arena import results
from benchmarks.report import markdown
from benchmarks.report.figure import draw
from benchmarks.report.figure import draw_by_cost
from benchmarks.report.summary import in_regime
from benchmarks.report.summary import read_results
from benchmarks.tasks.base import OBJECTIVES_SUITES
from benchmarks.tasks.base import PRUNED_SUITE
from benchmarks.tasks.regimes import REGIMES
from benchmarks.tasks.regimes import SHARED


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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    for path in parser.parse_args(argv).files:
        results.beside(path, ".md").write_text(report(path))
        single, objectives, pruned = _kinds(read_results(path))
        part = in_regime(single, _regimes(single)[0])
        figures = [(part, ".png", draw), (objectives, "-objectives.png", draw)]
        for rows, suffix, drawn in [*figures, (pruned, "-pruned.png", draw_by_cost)]:
            if len(rows):
                drawn(rows, markdown.ordered(rows["method"]), results.beside(path, suffix))


def report(path: Path) -> str:
    rows = read_results(path)
    single, objectives, pruned = _kinds(rows)
    first, *others = regimes = _regimes(single)
    parts = [_head(path, rows), *_skips(path)]
    part = in_regime(single, first)
    if len(part):
        parts += [f"## Regime: {first}", *markdown.base_sections(part)]
        parts.append(markdown.partial_section(single, first))
    if others:
        texts = [markdown.regime_section(in_regime(single, regime), regime) for regime in others]
        parts += ["## Other regimes", *texts, markdown.against_base(single, others)]
    if against := markdown.against_gp(single, regimes):
        parts += ["## What priors cost at worst", against]
    if len(objectives):
        parts += ["## Two objectives", _OBJECTIVES, *markdown.objectives_section(objectives)]
    if len(pruned):
        parts += ["## Pruning", _PRUNED, *markdown.pruned_section(pruned)]
    parts += ["## Time", _time(rows)]
    return "\n\n".join(section for section in parts if section) + "\n"


def _kinds(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return rows with one objective; with two, and with pruning, in the base regime."""
    two, pruned = rows["suite"].isin(OBJECTIVES_SUITES), rows["suite"] == PRUNED_SUITE
    return rows[~two & ~pruned], in_regime(rows[two], "base"), in_regime(rows[pruned], "base")


def _head(path: Path, rows: pd.DataFrame) -> str:
    origin = results.read_origin(path)
    settings = ", ".join(f"{key} {value}" for key, value in origin.get("settings", {}).items())
    notes = [f"Other settings: {'; '.join(origin['notes'])}."] if "notes" in origin else []
    commands = "\n".join(origin.get("commands", ["(not recorded)"]))
    n_tasks, n_seeds = rows.groupby(["family", "task"]).ngroups, rows["seed"].nunique()
    text = f"{n_tasks} tasks, {n_seeds} replicates each. Settings: {settings or 'unknown'}."
    made = f"# {results.beside(path, '').name}\n\nMade by\n\n```\n{commands}\n```"
    return "\n\n".join([made, text, *notes, _INTRODUCTION])


def _skips(path: Path) -> Iterator[str]:
    lines = []
    for key, jobs in results.read_skips(path).groupby(["method", "reason"]):
        where = [", ".join(jobs[name].unique()) for name in ("family", "regime")]
        lines.append([*key, *where, len(jobs)])
    if lines:
        head = ["method", "reason", "families", "regimes", "runs"]
        yield f"### What methods could not serve\n\n{markdown.table(head, lines)}"


def _time(rows: pd.DataFrame) -> str:
    columns = ["cpu_seconds_of_suggestion", "cpu_seconds_of_setup"]
    late = rows[rows["trial"] > rows.groupby("suite")["trial"].transform("max") * 2 / 3]
    medians = late.groupby("method")[columns].median() * 1000
    methods = markdown.ordered(rows["method"])
    lines = [[method, *(f"{ms:.1f}" for ms in medians.loc[method])] for method in methods]
    head = ["method", "CPU ms a suggestion", "CPU ms before the first trial"]
    setups = rows.loc[rows["trial"] == 1, columns[1]].sum()  # the same in each row of a run
    hours = (rows[columns[0]].sum() + setups) / 3600
    text = f"""Medians; suggestions in the last third of the trials, in all suites and regimes.
All suggestions and setups together took {hours:.2f} hours of CPU time."""
    return f"{text}\n\n{markdown.table(head, lines)}"


def _regimes(rows: pd.DataFrame) -> list[str]:
    present = set(rows["regime"]) - {SHARED}
    return [regime for regime in REGIMES if regime in present] or [SHARED]


if __name__ == "__main__":
    main()

"""HPO-B (Pineda Arango et al., 2021, arXiv:2106.06257) from its JSON files.

``python -m benchmarks.hpob --data FOLDER --spaces 4796,5527 --output hpob.csv`` runs the public
test split of some or all search spaces: on every data set, from each of five given
initialisations of five configurations, 100 trials chosen from the table. The prior studies are
random trials of the space's data sets in the train split.

Accuracies are scaled to [0, 1] over a data set's table; regret is 1 - the best so far, the
initialisation included. The table has the mean over search spaces of their mean regrets, and mean
ranks over all runs, after 5 to 100 trials beyond the initialisation. ``--published FILE.json``
puts other methods beside these, in the layout in which the authors publish results.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import functools
import json
from pathlib import Path
import sys

import pandas as pd

from benchmarks.arena.__main__ import command_line
from benchmarks.arena.__main__ import FOLDER
from benchmarks.arena.jobs import Runner
from benchmarks.arena.results import Budget
from benchmarks.arena.results import finished_jobs
from benchmarks.arena.results import Job
from benchmarks.arena.results import record_origin
from benchmarks.hpob.data import read_split
from benchmarks.hpob.data import SEEDS
from benchmarks.hpob.data import split_spaces
from benchmarks.hpob.runs import run_job
from benchmarks.report import summary
from benchmarks.report.markdown import table as markdown_table


METHODS = ("random", "meta-cold", "meta")
_TRIALS = (5, 10, 25, 50, 100)
_DIGITS = 8  # beyond which the authors take regrets to be the same


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, print the table; return how many runs failed."""
    argv = sys.argv[1:] if argv is None else list(argv)
    args = _parser().parse_args(argv)
    spaces = split_spaces(args.data, args.spaces and args.spaces.split(","), args.cache)
    names = ("trials", "prior_trials", "max_priors", "validation")
    settings = {name: getattr(args, name) for name in names}
    record_origin(args.output, command_line("benchmarks.hpob", argv), settings)
    done = finished_jobs(args.output, Budget(args.trials, {}))
    planned = [
        Job("hpob", space, name, seed, "given-5", method)
        for seed in range(len(SEEDS))
        for space in spaces
        for name in read_split(args.cache, space, "test")
        for method in args.methods.split(",")
    ]
    jobs = [job for job in planned if job not in done]
    runner = Runner(args.output, len(jobs), args.jobs)
    runner.run(functools.partial(run_job, args), jobs)
    if args.output.exists():
        print(hpob_report(args.output, args.published))
    return runner.n_failed


def hpob_report(path: Path, published: Sequence[Path] = ()) -> str:
    """Return mean regrets and ranks of the runs that all methods have, in Markdown.

    Published results are of the methods that their files are named after.
    """
    run = summary.RUN
    rows = summary.read_results(path)[[*run, "method", "trial", "regret_so_far"]]
    rows = pd.concat([rows, *map(_read_published, published)])
    rows = rows[rows["trial"].isin(_TRIALS)].round({"regret_so_far": _DIGITS})
    rows = rows[rows.groupby(run)["method"].transform("nunique") == rows["method"].nunique()]
    by_space = rows.groupby(["method", "family", "trial"])["regret_so_far"].mean()
    regrets = by_space.groupby(["method", "trial"]).mean().unstack().map("{:.4f}".format)
    ranks = rows.assign(rank=summary.ranks(rows)).groupby(["method", "trial"])["rank"].mean()
    cells = regrets.add_prefix("regret@").join(
        ranks.unstack().map("{:.2f}".format).add_prefix("rank@")
    )
    lines = cells.loc[rows["method"].unique()].reset_index()
    n_runs, n_spaces = rows.groupby(run).ngroups, rows["family"].nunique()
    head = f"{n_runs} runs in {n_spaces} search spaces"
    return f"{head}\n\n{markdown_table(list(lines), lines.to_numpy())}"


def _read_published(path: Path) -> pd.DataFrame:
    """Read rows of a file ``{space: {data set: {"test0": [scores], ...}}}``.

    The first score of a list is that of the initialisation, the n-th after it that of n trials.
    """
    rows = [
        (space, task, SEEDS.index(seed), path.stem, trial, 1.0 - scores[trial])
        for space, tasks in json.loads(path.read_text()).items()
        for task, seeds in tasks.items()
        for seed, scores in seeds.items()
        for trial in _TRIALS
        if trial < len(scores)
    ]
    return pd.DataFrame(rows, columns=[*summary.RUN, "method", "trial", "regret_so_far"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hpob", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of HPO-B's JSON files")
    add("--spaces", help="names of search spaces by commas; all by default")
    add("--methods", default=",".join(METHODS), help="by commas")
    add("--published", type=Path, nargs="*", default=[], help="results of other methods")
    add("--trials", type=int, default=100)
    add("--prior-trials", type=int, default=100, help="trials of each prior study")
    add("--max-priors", type=int, default=50, help="prior studies of a search space, at most")
    add("--validation", action="store_true", help="priors from the validation split too")
    add("--jobs", type=int, default=2, help="processes; 0 runs all in this one")
    add("--output", type=Path, default=FOLDER / "results" / "hpob.csv")
    add("--cache", type=Path, default=FOLDER / "cache", help="the tables, by search space")
    return parser


if __name__ == "__main__":
    sys.exit(main())

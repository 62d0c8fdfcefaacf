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
import time

import numpy as np
import optuna
import pandas as pd

from benchmarks.arena.__main__ import command_line
from benchmarks.arena.__main__ import FOLDER
from benchmarks.arena.jobs import be_quiet
from benchmarks.arena.jobs import Runner
from benchmarks.arena.results import Budget
from benchmarks.arena.results import finished_jobs
from benchmarks.arena.results import Job
from benchmarks.arena.results import record_origin
from benchmarks.arena.results import Row
from benchmarks.arena.trials import run_trials
from benchmarks.hpob.data import prior_of
from benchmarks.hpob.data import read_split
from benchmarks.hpob.data import SEEDS
from benchmarks.hpob.data import split_spaces
from benchmarks.hpob.data import Table
from benchmarks.methods.methods import Built
from benchmarks.report import summary
from benchmarks.report.markdown import table as markdown_table
from benchmarks.tasks.priors import stable_seed
from benchmarks.tasks.regimes import Conditions


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
    runner.run(functools.partial(_run_job, args), jobs)
    if args.output.exists():
        print(hpob_report(args.output, args.published))
    return runner.n_failed


def run_table(table: Table, built: Built, seed_index: int, trials: int) -> list[Row]:
    """Run trials on one table after one of its initialisations, all its other rows at most."""
    first = table.initial[seed_index].tolist()
    given = [table.configurations[i] for i in first]
    n = min(trials, len(table.y) - len(first))
    conditions = Conditions(given=len(first))
    task = table.task("target", first)
    rows = list(run_trials(task, built, n, conditions=conditions, given=given))
    return [*rows, *(rows[-1]._replace(trial=k) for k in range(n + 1, trials + 1))]


def build(
    method: str, table: Table, first: Sequence[int], priors: Sequence[optuna.Study], seed: int
) -> Built:
    """Return a method that chooses among the table's rows; the first ones are given."""
    configurations = table.configurations
    if method == "random":
        left = [params for i, params in enumerate(configurations) if i not in set(first)]
        order = np.random.default_rng(seed).permutation(len(left))
        return Built(optuna.samplers.RandomSampler(seed=seed), [left[i] for i in order])
    from optuna_meta import MetaSampler

    known = list(priors) if method == "meta" else []
    sampler = MetaSampler(prior_studies=known or None, candidates=configurations, seed=seed)
    return Built(sampler)


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


def _run_job(args: argparse.Namespace, job: Job) -> list[Row]:
    be_quiet()
    table = read_split(args.cache, job.family, "test")[job.task]
    sources = read_split(args.cache, job.family, "train")
    if args.validation:
        sources |= read_split(args.cache, job.family, "validation")
    names = sorted(sources)[: args.max_priors]
    priors = [prior_of(job.family, name, sources[name], args.prior_trials) for name in names]
    start = time.process_time()
    seed = stable_seed("hpob", job.family, job.task, job.seed)
    built = build(job.method, table, table.initial[job.seed].tolist(), priors, seed)
    setup = time.process_time() - start
    rows = run_table(table, built, job.seed, args.trials)
    return [row._replace(cpu_seconds_of_setup=setup) for row in rows]


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

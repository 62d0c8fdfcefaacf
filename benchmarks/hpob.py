"""HPO-B (Pineda Arango et al., 2021, arXiv:2106.06257) from its JSON files.

Runs the public test split of some or all search spaces: on every data set, from each of the five
given initialisations, 100 trials chosen from the table. The prior studies are random trials of the
space's data sets in the train split. Regret is 1 - the best so far, of accuracies scaled to [0, 1]
over the table, and printed as the mean over search spaces; ranks are means over all runs.
``--published FILE.json`` puts results beside these in the layout in which the authors have them.
"""

import argparse
from collections.abc import Sequence
import functools
import itertools
import json
from pathlib import Path
import sys
from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
import optuna
from optuna.distributions import FloatDistribution
import pandas as pd

from benchmarks.arena import results
from benchmarks.arena import runs
from benchmarks.arena.__main__ import command_line
from benchmarks.arena.__main__ import FOLDER
from benchmarks.commands import be_quiet
from benchmarks.commands import timed
from benchmarks.methods.methods import Built
from benchmarks.report import summary
from benchmarks.report.markdown import table as markdown_table
from benchmarks.tasks import base
from benchmarks.tasks.regimes import Conditions
from benchmarks.tasks.regimes import stable_seed


SEEDS = tuple(f"test{i}" for i in range(5))  # names of the given initialisations
_TRIALS = (5, 10, 25, 50, 100)
_MOST_PRIORS = 50  # of a search space; more take long
_DIGITS = 8  # beyond which the authors take regrets to be the same


class Table(NamedTuple):
    X: base.Array  # (n, d)
    y: base.Array  # (n,) accuracies
    initial: NDArray[np.intp]  # (5, 5) rows of the initialisations; (0, 0) without any

    @property
    def distributions(self) -> dict[str, FloatDistribution]:
        distribution = FloatDistribution(self.X.min(initial=0.0), self.X.max(initial=1.0))
        return {f"x{j}": distribution for j in range(self.X.shape[1])}

    @property
    def configurations(self) -> list[dict[str, float]]:
        return [dict(zip(self.distributions, row, strict=True)) for row in self.X.tolist()]

    def task(self, first: Sequence[int]) -> base.Task:
        """Return the search of this table, for one study: equal rows take turns."""
        rows: dict[tuple[float, ...], list[int]] = {}
        for i in dict.fromkeys([*first, *range(len(self.y))]):
            rows.setdefault(tuple(self.X[i].tolist()), []).append(i)

        def evaluate(params: base.Params) -> float:
            equal = rows[tuple(params.values())]
            return float(self.y[equal.pop(0) if len(equal) > 1 else equal[0]])

        def suggest(trial: optuna.Trial) -> dict[str, Any]:
            space = self.distributions.items()
            return {name: trial.suggest_float(name, d.low, d.high) for name, d in space}

        best, worst = float(self.y.max()), float(self.y.min())
        ends = base.Reference(best, worst if worst < best else best - 1.0)
        return base.single_task("target", "maximize", suggest, evaluate, lambda: ends)

    def prior(self, space: str, name: str, n_trials: int) -> optuna.Study:
        rng = np.random.default_rng(stable_seed("hpob", space, name))
        study = optuna.create_study(study_name=name, direction="maximize")
        configurations, distributions = self.configurations, dict(self.distributions)
        for i in rng.permutation(len(self.y))[:n_trials]:
            options = {"params": configurations[i], "distributions": distributions}
            study.add_trial(optuna.trial.create_trial(value=float(self.y[i]), **options))
        return study


def split_spaces(data: Path, spaces: Sequence[str] | None, cache: Path) -> list[str]:
    listed = cache / "hpob.json"
    if not listed.exists():
        names: list[str] = []
        cache.mkdir(parents=True, exist_ok=True)
        initial = _load(data / "bo-initializations.json")
        for split in ("test", "train"):
            record = _load(data / f"meta-{split}-dataset.json")
            names = names or sorted(record)
            for space in names:
                arrays: dict[str, Any] = {}
                for name, table in record.get(space, {}).items():
                    rows = initial.get(space, {}).get(name, {})
                    given = [rows[seed] for seed in SEEDS if seed in rows] or np.empty((0, 0))
                    arrays[f"{name}/X"] = np.array(table["X"], dtype=float)
                    arrays[f"{name}/y"] = np.array(table["y"], dtype=float).ravel()
                    arrays[f"{name}/initial"] = np.array(given, dtype=int)
                np.savez_compressed(cache / f"hpob-{space}-{split}.npz", **arrays)
        listed.write_text(json.dumps(names))
    known: list[str] = json.loads(listed.read_text())
    for space in spaces or ():
        if space not in known:
            raise ValueError(f"Expected search spaces among {', '.join(known)}; got {space!r}.")
    return list(spaces or known)


def _load(path: Path) -> dict[str, Any]:
    if not path.exists():
        text = "Its README says where to download hpob-data.zip: pass what it unpacks to."
        raise ValueError(f"Expected HPO-B's file {path.name} in the folder of --data. {text}")
    record: dict[str, Any] = json.loads(path.read_bytes())
    return record


def read_split(cache: Path, space: str, split: str) -> dict[str, Table]:
    """Read the tables of a search space by data set, of what ``split_spaces`` wrote."""
    with np.load(cache / f"hpob-{space}-{split}.npz") as arrays:
        names = dict.fromkeys(key.rpartition("/")[0] for key in arrays)
        return {n: Table(*(arrays[f"{n}/{field}"] for field in Table._fields)) for n in names}


def run_job(args: argparse.Namespace, job: results.Job) -> list[results.Row]:
    be_quiet()
    table = read_split(args.cache, job.family, "test")[job.task]
    sources = sorted(read_split(args.cache, job.family, "train").items())[:_MOST_PRIORS]
    priors = [source.prior(job.family, name, args.prior_trials) for name, source in sources]
    seed = stable_seed("hpob", job.family, job.task, job.seed)
    first = table.initial[job.seed].tolist()
    built, setup = timed(lambda: build(job.method, table, first, priors, seed))
    return run_table(table, built, job.seed, args.trials, setup.cpu)


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
    return Built(MetaSampler(prior_studies=known or None, candidates=configurations, seed=seed))


def run_table(
    table: Table, built: Built, seed_index: int, trials: int, setup: float = 0.0
) -> list[results.Row]:
    first = table.initial[seed_index].tolist()
    given = [table.configurations[i] for i in first]
    n, conditions = min(trials, len(table.y) - len(first)), Conditions(given=len(first))
    task = table.task(first)
    rows = [*runs.run_trials(task, built, n, conditions=conditions, given=given, setup=setup)]
    return [*rows, *(rows[-1]._replace(trial=k) for k in range(n + 1, trials + 1))]


def hpob_report(path: Path, published: Sequence[Path] = ()) -> str:
    """Return mean regrets and ranks of the runs that all methods have, also of those published."""
    run = summary.RUN
    rows = summary.read_results(path)[[*run, "method", "trial", "regret_so_far"]]
    rows = pd.concat([rows, *map(_read_published, published)])
    rows = rows[rows["trial"].isin(_TRIALS)].round({"regret_so_far": _DIGITS})
    rows = rows[rows.groupby(run)["method"].transform("nunique") == rows["method"].nunique()]
    by_space = rows.groupby(["method", "family", "trial"])["regret_so_far"].mean()
    regrets = by_space.groupby(["method", "trial"]).mean().unstack().map("{:.4f}".format)
    ranks = rows.assign(rank=summary.ranks(rows)).groupby(["method", "trial"])["rank"].mean()
    cells = ranks.unstack().map("{:.2f}".format).add_prefix("rank@")
    lines = regrets.add_prefix("regret@").join(cells).loc[rows["method"].unique()].reset_index()
    head = f"{rows.groupby(run).ngroups} runs in {rows['family'].nunique()} search spaces"
    return f"{head}\n\n{markdown_table(list(lines), lines.to_numpy())}"


def _read_published(path: Path) -> pd.DataFrame:
    """Read ``{space: {data set: {"test0": [scores at 0, 1, ... trials], ...}}}``."""
    rows = [
        (space, task, SEEDS.index(seed), path.stem, trial, 1.0 - scores[trial])
        for space, tasks in json.loads(path.read_text()).items()
        for task, seeds in tasks.items()
        for seed, scores in seeds.items()
        for trial in _TRIALS
        if trial < len(scores)
    ]
    return pd.DataFrame(rows, columns=[*summary.RUN, "method", "trial", "regret_so_far"])


def main(argv: Sequence[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hpob", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of HPO-B's JSON files")
    add("--spaces", help="names of search spaces by commas; all by default")
    add("--methods", default="random,meta-cold,meta", help="by commas")
    add("--published", type=Path, nargs="*", default=[], help="results of other methods")
    add("--trials", type=int, default=100)
    add("--prior-trials", type=int, default=100, help="trials of each prior study")
    add("--jobs", type=int, default=2, help="processes; 0 runs all in this one")
    add("--output", type=Path, default=FOLDER / "results" / "hpob.csv")
    add("--cache", type=Path, default=FOLDER / "cache", help="the tables, by search space")
    args = parser.parse_args(argv)
    spaces = split_spaces(args.data, args.spaces and args.spaces.split(","), args.cache)
    settings = {name: getattr(args, name) for name in ("trials", "prior_trials")}
    results.record_origin(args.output, command_line("benchmarks.hpob", argv), settings)
    done = results.finished_jobs(args.output, results.Budget(args.trials, {}))
    tasks = [(space, name) for space in spaces for name in read_split(args.cache, space, "test")]
    every = itertools.product(range(len(SEEDS)), tasks, args.methods.split(","))
    planned = (results.Job("hpob", *task, seed, "given-5", name) for seed, task, name in every)
    jobs = [job for job in planned if job not in done]
    runner = runs.Runner(args.output, len(jobs), args.jobs)
    runner.run(functools.partial(run_job, args), jobs)
    if args.output.exists():
        print(hpob_report(args.output, args.published))
    return runner.n_failed


if __name__ == "__main__":
    sys.exit(main())

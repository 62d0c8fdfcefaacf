"""Check the estimate of what a study saved against real cold starts: bias and coverage.

On functions in closed form, each after five studies of its other variants: a study of MetaSampler
is estimated from its own trials, then the cold sampler is run on the function itself.
"""

import argparse
from typing import NamedTuple

import numpy as np
import optuna
from optuna.samplers import TPESampler

from benchmarks import commands
from benchmarks.report.markdown import table
from benchmarks.tasks import base
from benchmarks.tasks.functions import function_families
from optuna_meta import fit_prior
from optuna_meta import MetaSampler
from optuna_meta import Prior
from optuna_meta.replay import estimate_saving
from optuna_meta.replay import Saving


_PRIOR_TRIALS = 20
_TARGETS = ("1", "3")  # variants
_MOST_NEEDED: int | None = None  # trials of a cold start; by default what an estimate gives it


class Job(NamedTuple):
    family: str
    target: str
    seed: int
    n_trials: int
    n_runs: int


class Pair(NamedTuple):
    """The estimate of a study's saving, and the saving in fact."""

    estimated: Saving
    real: Saving


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.saving", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--trials", type=int, default=12, help="of each study")
    parser.add_argument("--runs", type=int, default=10, help="replays, and real cold starts")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    jobs = [
        Job(family.name, target, seed, args.trials, args.runs)
        for family in function_families()
        for target in _TARGETS
        for seed in range(args.seeds)
    ]
    found = dict(commands.run_or_raise(measured, jobs, args.processes))
    pairs = [found[job] for job in jobs if found[job]]
    header = ["study", "reached after", "estimated", "interval", "real", "real interval"]
    print(table(header, [_line(job, found[job]) for job in jobs if found[job]]))
    print(f"\n{summary(pairs)}")


def measured(job: Job) -> Pair | None:
    """Run a study after others of its family, estimate its saving, and run cold starts."""
    commands.be_quiet()
    family = next(f for f in function_families() if f.name == job.family)
    priors = [
        _run(family.load(n), TPESampler(seed=job.seed), _PRIOR_TRIALS, n)
        for n in family.priors_of(job.target)
    ]
    task = family.load(job.target)
    sampler = MetaSampler(prior_studies=fit_prior(Prior.from_studies(priors)), seed=job.seed)
    study = _run(task, sampler, job.n_trials, job.target)
    estimated = estimate_saving(study, n_replays=job.n_runs, seed=job.seed, limit=_MOST_NEEDED)

    def objective(trial: optuna.Trial) -> float:
        return task.evaluate(task.suggest(trial))[0]

    real = estimate_saving(
        study, objective=objective, n_replays=job.n_runs, seed=job.seed + 100, limit=_MOST_NEEDED
    )
    return Pair(estimated, real) if estimated and real else None


def _run(
    task: base.Task, sampler: optuna.samplers.BaseSampler, n_trials: int, name: str
) -> optuna.Study:
    study = optuna.create_study(study_name=name, sampler=sampler)
    study.optimize(lambda trial: task.evaluate(task.suggest(trial))[0], n_trials=n_trials)
    return study


def summary(pairs: list[Pair]) -> str:
    """Tell the bias of the medians, where those beyond the limit count as it, and the coverage."""
    ratios = [
        np.log(min(p.estimated.median, p.real.limit) / min(p.real.median, p.real.limit))
        for p in pairs
    ]
    inside = np.concatenate([_inside(p) for p in pairs])
    error = np.std(ratios, ddof=1) / np.sqrt(len(ratios)) if len(ratios) > 1 else np.nan
    return (
        f"{len(pairs)} studies. Median of the estimate over that of real cold starts: "
        f"{np.exp(np.mean(ratios)):.2f} in the geometric mean (times or by {np.exp(error):.2f}). "
        f"The intervals of 80% hold {inside.mean():.0%} of {len(inside)} real cold starts."
    )


def _inside(pair: Pair) -> base.Array:
    low, high = pair.estimated.interval
    return np.asarray((pair.real.needed >= low) & (pair.real.needed <= high), dtype=float)


def _line(job: Job, pair: Pair) -> list[str]:
    estimated, real = pair
    cells = [f"{job.family}-{job.target} seed {job.seed}", str(estimated.trials)]
    for saving in pair:
        low, high = saving.interval
        cells += [
            _number(saving.median, saving),
            f"{_number(low, saving)}-{_number(high, saving)}",
        ]
    return cells


def _number(n: float, saving: Saving) -> str:
    return f"{n:.0f}" if np.isfinite(n) else f">{saving.limit}"

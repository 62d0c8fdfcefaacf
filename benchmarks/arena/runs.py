"""Jobs, each one method on one task, their trials, and the runner that keeps what they return."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
import functools
import heapq
from pathlib import Path
import time
import traceback
from typing import Any
from typing import NamedTuple

import numpy as np
import optuna
from optuna.samplers import RandomSampler

from benchmarks import commands
from benchmarks.arena import results
from benchmarks.methods import methods
from benchmarks.methods.peers.domain import fitted
from benchmarks.tasks import base
from benchmarks.tasks import regimes
from benchmarks.tasks.suites import load_suite


class Settings(NamedTuple):
    trials: results.Budget
    priors: regimes.PriorSettings
    data: Path | None


def run_job(job: results.Job, settings: Settings) -> list[results.Row]:
    commands.be_quiet()
    family = _family(job, settings.data)
    regime = regimes.REGIMES.get(job.regime, regimes.Regime())  # as it is where rows are shared
    features: Mapping[str, float] = {}
    if regime.features is not None:
        options = (job.regime, job.seed, settings.priors.limit)
        features = regimes.meta_features(family, job.task, *options).get(job.task, {})
        if not features:
            raise methods.Unsupported(f"No meta-features are known of task {job.task}.")
    priors: Sequence[optuna.Study] = ()
    if methods.METHODS[job.method].uses_priors:
        priors = regimes.prior_studies(family, job.task, job.regime, job.seed, settings.priors)
    seed = regimes.stable_seed("run", job.family, job.task, job.seed)
    built, setup = commands.timed(lambda: methods.METHODS[job.method].build(priors, seed))
    task, n_trials = family.load(job.task), settings.trials.of(job.suite)
    seed = regimes.stable_seed("conditions", job.family, job.task, job.seed)
    known: dict[str, Any] = {"seed": seed, "features": features, "setup": setup.cpu}
    return list(run_trials(task, built, n_trials, conditions=regime.conditions, **known))


def make_priors(jobs: Sequence[results.Job], settings: Settings, n_processes: int) -> None:
    """Make prior studies before they are needed, as several jobs read each of them."""
    wanted = {
        job._replace(task=prior, regime="", method=regimes.REGIMES[job.regime].sampler): None
        for job in jobs
        if methods.METHODS[job.method].uses_priors and job.regime not in (regimes.SHARED, "none")
        for prior in _family(job, settings.data).priors_of(job.task)[: settings.priors.limit]
    }
    print(f"{len(wanted)} prior studies to make or find", flush=True)
    make = functools.partial(_make, settings)
    for _ in commands.run_or_raise(make, list(wanted), n_processes):
        pass


@dataclass
class Runner:
    """Runs jobs side by side and keeps what they return."""

    output: Path
    n_jobs: int
    n_processes: int
    budget_hours: float = float("inf")
    start: float = field(default_factory=time.monotonic)
    n_done: int = 0
    n_failed: int = 0

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self.start) / 60.0

    @property
    def is_over(self) -> bool:
        return self.minutes > 60.0 * self.budget_hours

    def run(self, work: Callable[[Any], Any], jobs: Sequence[results.Job]) -> None:
        for job, outcome in commands.run_all(work, jobs, self.n_processes):
            self._keep(job, outcome)
            if self.is_over:
                print("The time is up: the same command goes on from here.", flush=True)
                break

    def _keep(self, job: results.Job, outcome: list[results.Row] | Exception) -> None:
        if isinstance(outcome, methods.Unsupported):
            results.append_skip(self.output, job, str(outcome))
            text = f"skipped: {outcome}"
        elif isinstance(outcome, Exception):
            self.n_failed += 1
            traceback.print_exception(outcome)
            text = f"FAILED {outcome!r}"
        else:
            results.append_rows(self.output, job, outcome)
            text = f"regret {outcome[-1].regret_so_far:.4f}"
        self.n_done += 1
        left = self.minutes / self.n_done * (self.n_jobs - self.n_done)
        progress = f"[{self.n_done}; {self.minutes:.1f} min, {left:.0f} left]"
        print(f"{progress} {'/'.join(map(str, job[1:]))}: {text}", flush=True)


def _make(settings: Settings, job: results.Job) -> None:
    commands.be_quiet()
    family = _family(job, settings.data)
    regimes.make_study(family, job.task, job.method, job.seed, settings.priors)


def _family(job: results.Job, data: Path | None) -> base.Family:
    return next(family for family in load_suite(job.suite, data) if family.name == job.family)


_PLAIN = regimes.Conditions()


class _Running(NamedTuple):
    """A trial that was asked for; the earliest to finish comes first."""

    finish: float
    number: int
    trial: optuna.Trial
    outcome: base.Outcome
    seconds: float


def run_trials(
    task: base.Task,
    built: methods.Built,
    n_trials: int,
    *,
    conditions: regimes.Conditions = _PLAIN,
    seed: int = 0,
    features: Mapping[str, float] | None = None,
    given: Sequence[Mapping[str, Any]] = (),
    setup: float = 0.0,
) -> Iterator[results.Row]:
    """Run a study; yield a row for each trial as it finishes. The seed decides on chance."""
    study = task.create_study(built.sampler)
    regimes.record_features(study, features)
    noise = conditions.noise and conditions.noise * task.gap()
    errors = noise * np.random.default_rng([seed, 0]).standard_normal(n_trials + conditions.given)
    durations = np.random.default_rng([seed, 1]).uniform(0.5, 1.5, n_trials)
    outcomes = _give(study, task, errors[n_trials:], seed, given)
    if built.enqueue:
        _enqueue(study, task, built.enqueue)
    running: list[_Running] = []
    now, n_asked = 0.0, 0
    for number in range(1, n_trials + 1):
        while len(running) < conditions.workers and n_asked < n_trials:
            heapq.heappush(running, _ask(study, task, now + durations[n_asked], n_asked))
            n_asked += 1
        now, asked, trial, outcome, seconds = heapq.heappop(running)
        outcomes.append(outcome)
        value = float("nan")
        if outcome.values is None:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, [value + float(errors[asked]) for value in outcome.values])
            value = outcome.values[0]
        regret = task.regret([o.values for o in outcomes if o.values is not None])
        if task.size is not None and number > task.size // 2:
            regret = float("nan")  # Most of a small table is known by then, to any method.
        yield results.Row(number, value, regret, seconds, setup, outcome.cost)


def _ask(study: optuna.Study, task: base.Task, finish: float, number: int) -> _Running:
    def suggested() -> tuple[optuna.Trial, dict[str, Any]]:
        trial = study.ask()
        return trial, task.suggest(trial)

    (trial, params), cost = commands.timed(suggested)
    return _Running(finish, number, trial, task.run(trial, params), cost.cpu)


def _give(
    study: optuna.Study,
    task: base.Task,
    errors: base.Array,
    seed: int,
    given: Sequence[Mapping[str, Any]],
) -> list[base.Outcome]:
    """Give the study trials, one for each error, and return what they came to."""
    source = optuna.create_study(directions=study.directions, sampler=RandomSampler(seed=seed))
    for params in given:
        source.enqueue_trial(dict(params))
    outcomes = []
    for error in errors.tolist():
        trial = source.ask()
        outcome = task.run(trial, task.suggest(trial))
        outcomes.append(outcome)
        source.tell(trial, [value + error for value in outcome.values or ()])
    study.add_trials(source.trials)
    return outcomes


def _enqueue(
    study: optuna.Study, task: base.Task, configurations: Sequence[dict[str, Any]]
) -> None:
    """Enqueue the nearest values allowed; what the space may have is kept: it may be active."""
    probe = optuna.create_study(sampler=RandomSampler(seed=0)).ask()
    task.suggest(probe)
    space = probe.distributions
    for params in configurations:
        near = {n: fitted(v, space[n]) if n in space else (v,) for n, v in params.items()}
        study.enqueue_trial({name: value for name, found in near.items() for value in found})

"""Jobs, each one method on one task, their trials, and the runner that keeps what they return."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import functools
import heapq
from pathlib import Path
import time
import traceback
from typing import Any
from typing import NamedTuple
import warnings

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import RandomSampler

from benchmarks.arena import results
from benchmarks.commands import run_all
from benchmarks.commands import run_or_raise
from benchmarks.methods import methods
from benchmarks.tasks import base
from benchmarks.tasks import regimes
from benchmarks.tasks.suites import load_suite


class Settings(NamedTuple):
    trials: results.Budget
    priors: regimes.PriorSettings
    data: Path | None


def run_job(job: results.Job, settings: Settings) -> list[results.Row]:
    """Run all trials of a job."""
    be_quiet()
    family = _family(job.suite, job.family, settings.data)
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
    start = time.process_time()
    built = methods.METHODS[job.method].build(
        priors, regimes.stable_seed("run", job.family, job.task, job.seed)
    )
    setup = time.process_time() - start
    rows = run_trials(
        family.load(job.task),
        built,
        settings.trials.of(job.suite),
        conditions=regime.conditions,
        seed=regimes.stable_seed("conditions", job.family, job.task, job.seed),
        features=features,
    )
    return [row._replace(cpu_seconds_of_setup=setup) for row in rows]


def make_priors(
    families: Sequence[base.Family],
    jobs: Sequence[results.Job],
    settings: Settings,
    n_processes: int,
) -> None:
    """Make prior studies before they are needed, as several jobs read each of them."""
    by_name = {family.name: family for family in families}
    wanted = {
        job._replace(task=prior, regime="", method=regimes.REGIMES[job.regime].sampler): None
        for job in jobs
        if methods.METHODS[job.method].uses_priors and job.regime not in (regimes.SHARED, "none")
        for prior in by_name[job.family].priors_of(job.task)[: settings.priors.limit]
    }
    print(f"{len(wanted)} prior studies to make or find", flush=True)
    for _ in run_or_raise(functools.partial(_make, settings), list(wanted), n_processes):
        pass


def be_quiet() -> None:
    """Silence what would come thousands of times, in this process."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)


class Runner:
    """Runs jobs side by side and keeps what they return."""

    def __init__(
        self, output: Path, n_jobs: int, n_processes: int, budget_hours: float | None = None
    ) -> None:
        self._output = output
        self._n_jobs = n_jobs
        self._n_processes = n_processes
        self._budget = float("inf") if budget_hours is None else 60.0 * budget_hours
        self._start = time.monotonic()
        self._n_done = 0
        self.n_failed = 0

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self._start) / 60.0

    @property
    def is_over(self) -> bool:
        return self.minutes > self._budget

    def run(
        self, work: Callable[[results.Job], list[results.Row]], jobs: Sequence[results.Job]
    ) -> None:
        for job, outcome in run_all(work, jobs, self._n_processes):
            self._keep(job, outcome)
            if self.is_over:
                print("The time is up: the same command goes on from here.", flush=True)
                break

    def _keep(self, job: results.Job, outcome: list[results.Row] | Exception) -> None:
        if isinstance(outcome, methods.Unsupported):
            results.append_skip(self._output, job, str(outcome))
            text = f"skipped: {outcome}"
        elif isinstance(outcome, Exception):
            self.n_failed += 1
            traceback.print_exception(outcome)
            text = f"FAILED {outcome!r}"
        else:
            results.append_rows(self._output, job, outcome)
            text = f"regret {outcome[-1].regret_so_far:.4f}"
        self._n_done += 1
        left = self.minutes / self._n_done * (self._n_jobs - self._n_done)
        progress = f"[{self._n_done}; {self.minutes:.1f} min, {left:.0f} left]"
        print(f"{progress} {'/'.join(map(str, job[1:]))}: {text}", flush=True)


def _make(settings: Settings, job: results.Job) -> None:
    """Make a prior study; its sampler stands in the place of a method."""
    be_quiet()
    family = _family(job.suite, job.family, settings.data)
    regimes.make_study(family, job.task, job.method, job.seed, settings.priors)


def _family(suite: str, name: str, data: Path | None) -> base.Family:
    return next(family for family in load_suite(suite, data) if family.name == name)


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
) -> Iterator[results.Row]:
    """Run a study; yield a row for each trial as it finishes. Only the seed is chance."""
    study = task.create_study(built.sampler)
    regimes.record_features(study, features)
    noise = conditions.noise and conditions.noise * task.gap()
    errors = noise * np.random.default_rng([seed, 0]).standard_normal(n_trials + conditions.given)
    durations = np.random.default_rng([seed, 1]).uniform(0.5, 1.5, n_trials)
    outcomes = _give(study, task, errors[n_trials:], seed, given)
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
        yield results.Row(number, value, task.regret_so_far(outcomes), seconds, 0.0, outcome.cost)


def fit_to_space(
    params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
) -> dict[str, Any]:
    """Return the nearest values that a space allows, without categories that are unknown to it."""
    result: dict[str, Any] = {}
    for name, value in params.items():
        distribution = distributions.get(name)
        if isinstance(distribution, IntDistribution | FloatDistribution):
            value = min(max(value, distribution.low), distribution.high)
        if not isinstance(distribution, CategoricalDistribution) or value in distribution.choices:
            result[name] = value
    return result


def _ask(study: optuna.Study, task: base.Task, finish: float, number: int) -> _Running:
    start = time.process_time()  # of all threads of this process
    trial = study.ask()
    params = task.suggest(trial)
    seconds = time.process_time() - start
    return _Running(finish, number, trial, task.run(trial, params), seconds)


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
    if configurations:
        probe = optuna.create_study(sampler=RandomSampler(seed=0)).ask()
        task.suggest(probe)
        for params in configurations:
            study.enqueue_trial(fit_to_space(params, probe.distributions))

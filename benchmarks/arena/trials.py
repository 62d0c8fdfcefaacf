"""The trials of one study of a method, under the conditions of a regime."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import heapq
import time
from typing import Any
from typing import NamedTuple

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import RandomSampler

from benchmarks.arena.results import Row
from benchmarks.methods.methods import Built
from benchmarks.tasks.priors import record_features
from benchmarks.tasks.regimes import Conditions
from benchmarks.tasks.task import Array
from benchmarks.tasks.task import Outcome
from benchmarks.tasks.task import Task


_PLAIN = Conditions()


class _Running(NamedTuple):
    """A trial that was asked for; the earliest to finish comes first."""

    finish: float
    number: int
    trial: optuna.Trial
    outcome: Outcome
    seconds: float


def run_trials(
    task: Task,
    built: Built,
    n_trials: int,
    *,
    conditions: Conditions = _PLAIN,
    seed: int = 0,
    features: Mapping[str, float] | None = None,
    given: Sequence[Mapping[str, Any]] = (),
) -> Iterator[Row]:
    """Run a study; yield a row for each trial as it finishes.

    The given trials (random unless their configurations are told), the noise of the n-th trial and
    the time that it takes (0.5 to 1.5 where several workers run) depend on the seed only.
    """
    study = task.create_study(built.sampler)
    record_features(study, features)
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
        yield Row(number, value, task.regret_so_far(outcomes), seconds, 0.0, outcome.cost)


def fit_to_space(
    params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
) -> dict[str, Any]:
    """Return a configuration of another space, moved to the nearest values that this one allows.

    A category that is unknown here is left out. Parameters without a distribution stay as they
    are: they may be active in this configuration though they were not in the one that was asked.
    """
    result: dict[str, Any] = {}
    for name, value in params.items():
        distribution = distributions.get(name)
        if isinstance(distribution, IntDistribution | FloatDistribution):
            value = min(max(value, distribution.low), distribution.high)
        if not isinstance(distribution, CategoricalDistribution) or value in distribution.choices:
            result[name] = value
    return result


def _ask(study: optuna.Study, task: Task, finish: float, number: int) -> _Running:
    start = time.process_time()  # of all threads of this process
    trial = study.ask()
    params = task.suggest(trial)
    seconds = time.process_time() - start
    return _Running(finish, number, trial, task.run(trial, params), seconds)


def _give(
    study: optuna.Study, task: Task, errors: Array, seed: int, given: Sequence[Mapping[str, Any]]
) -> list[Outcome]:
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


def _enqueue(study: optuna.Study, task: Task, configurations: Sequence[dict[str, Any]]) -> None:
    if configurations:
        probe = optuna.create_study(sampler=RandomSampler(seed=0)).ask()
        task.suggest(probe)
        for params in configurations:
            study.enqueue_trial(fit_to_space(params, probe.distributions))

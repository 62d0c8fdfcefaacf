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
from numpy.typing import NDArray
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.trial import TrialState

from benchmarks.methods.methods import Built
from benchmarks.tasks.regimes import Conditions
from benchmarks.tasks.task import Outcome
from benchmarks.tasks.task import Task


__all__ = ["Row", "fit_to_space", "run_trials"]


_PLAIN = Conditions()


class Row(NamedTuple):
    """One trial of a job."""

    trial: int  # from 1, in the order in which trials finish
    value: float  # of the first objective, without noise; nan of a pruned trial
    regret_so_far: float
    cpu_seconds_of_suggestion: float
    cpu_seconds_of_setup: float  # of the whole job, the same in each of its rows
    cost: float = 1.0  # epochs where trials can be pruned


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
    setup: float,
    conditions: Conditions = _PLAIN,
    seed: int = 0,
    features: Mapping[str, float] | None = None,
) -> Iterator[Row]:
    """Run a study; a row for each trial as it finishes.

    Args:
        task:
            The target.
        built:
            Sampler of the study, and configurations to try first.
        n_trials:
            How many trials count.
        setup:
            CPU seconds that building the method took.
        conditions:
            How the study runs. The given trials, the noise of the n-th trial and the time that it
            takes (0.5 to 1.5 where several workers run) depend on the seed only.
        seed:
            Replicate.
        features:
            Meta-features of the target, recorded on the study.
    """
    study = optuna.create_study(
        directions=list(task.directions), sampler=built.sampler, pruner=task.pruner
    )
    if features:
        _record(study, features)
    noise = conditions.noise and conditions.noise * task.gap
    errors = noise * np.random.default_rng([seed, 0]).standard_normal(n_trials + conditions.given)
    durations = np.random.default_rng([seed, 1]).uniform(0.5, 1.5, n_trials)
    outcomes = _give(study, task, errors[n_trials:], seed)
    _enqueue(study, task, built.enqueue)
    running: list[_Running] = []
    now, n_asked = 0.0, 0
    for number in range(1, n_trials + 1):
        while len(running) < conditions.workers and n_asked < n_trials:
            heapq.heappush(running, _ask(study, task, now + durations[n_asked], n_asked))
            n_asked += 1
        done = heapq.heappop(running)
        now = done.finish
        outcomes.append(done.outcome)
        _tell(study, done, float(errors[done.number]))
        value = float("nan") if done.outcome.values is None else done.outcome.values[0]
        regret = task.regret_so_far(outcomes)
        yield Row(number, value, regret, done.seconds, setup, done.outcome.cost)


def fit_to_space(
    params: dict[str, Any], distributions: dict[str, BaseDistribution]
) -> dict[str, Any]:
    """A configuration of another space, moved to the nearest values that this one allows.

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


def _tell(study: optuna.Study, done: _Running, error: float) -> None:
    if done.outcome.values is None:
        study.tell(done.trial, state=TrialState.PRUNED)
    else:
        study.tell(done.trial, [value + error for value in done.outcome.values])


def _give(
    study: optuna.Study, task: Task, errors: NDArray[np.float64], seed: int
) -> list[Outcome]:
    """Random trials that the study already has, one for each error."""
    source = optuna.create_study(
        directions=study.directions, sampler=optuna.samplers.RandomSampler(seed=seed)
    )
    outcomes = []
    for error in errors.tolist():
        trial = source.ask()
        outcome = task.run(trial, task.suggest(trial))
        outcomes.append(outcome)
        source.tell(trial, [value + error for value in outcome.values or ()])
    study.add_trials(source.trials)
    return outcomes


def _enqueue(study: optuna.Study, task: Task, configurations: Sequence[dict[str, Any]]) -> None:
    if not configurations:
        return
    probe = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    task.suggest(probe)
    for params in configurations:
        study.enqueue_trial(fit_to_space(params, probe.distributions))


def _record(study: optuna.Study, features: Mapping[str, float]) -> None:
    from optuna_meta import record_meta_features  # which imports torch, needed here only

    record_meta_features(study, features)

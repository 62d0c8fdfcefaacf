"""Time suggestions as a study grows: in trials, choices and parameters; in CPU milliseconds.

Each table has a process of its own on one core; TPE, with its defaults, is asked in turn. Trials
are random ones of a bowl, and so are those of the prior studies.
"""

import argparse
from collections.abc import Mapping
import resource
import statistics
import sys
from typing import Any
from typing import NamedTuple

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import TPESampler
from optuna.trial import create_trial
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from benchmarks import commands
from benchmarks.report.markdown import table


N_TIMED = 7  # suggestions, of which the median counts; one more before them does not
_PRIOR_TRIALS = 100
_NEW = 10_000  # seed of the new study's trials, no prior study's
_N_STEPS = 9  # of a learning curve, of which a pruned trial reports a third
_ARMS = tuple("abcd")

MIXED: dict[str, BaseDistribution] = {
    **{f"x{i}": FloatDistribution(0.0, 1.0) for i in range(4)},
    "rate": FloatDistribution(1e-5, 1.0, log=True),
    "units": IntDistribution(1, 50),
    "arm": CategoricalDistribution(_ARMS),
    "kind": CategoricalDistribution(("u", "v")),
}
ARMS: dict[str, BaseDistribution] = {
    **MIXED,
    **{f"of_{arm}": FloatDistribution(0.0, 1.0) for arm in _ARMS},
}


class Kind(NamedTuple):
    """What is special about a study's trials."""

    space: Mapping[str, BaseDistribution] = MIXED
    digits: int = 15  # of their values
    n_objectives: int = 1
    is_pruned: bool = False  # two of three


CASES = {
    "rounded values": Kind(digits=1),
    "with pruned trials": Kind(is_pruned=True),
    "two objectives": Kind(n_objectives=2),
    "conditional": Kind(space=ARMS),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trials", type=int, nargs="*", default=[100, 300, 1000, 3000])
    parser.add_argument("--priors", type=int, nargs="+", default=[0, 20])
    parser.add_argument("--choices", type=int, default=1000, help="of each of two parameters")
    parser.add_argument("--parameters", type=int, default=60, help="of ranges no prior study has")


def main(args: argparse.Namespace) -> None:
    works = [(name, n) for name in CASES for n in args.priors if args.trials]
    jobs = [(*work, tuple(args.trials)) for work in works]
    print("CPU ms of a suggestion of MetaSampler and of TPE, by number of trials\n")
    lines = [line for job in jobs for _, line in commands.run_or_raise(measure_trials, [job], 1)]
    print(table(["trials", "prior studies", *map(str, args.trials)], lines))
    for work, size in ((measure_choices, args.choices), (measure_first, args.parameters)):
        ((_, line),) = commands.run_or_raise(work, [size], 1)
        print(f"\n{line}")


def measure_trials(job: tuple[str, int, tuple[int, ...]]) -> list[str]:
    """Return a line of the first table: for each number of trials both times and their ratio."""
    commands.be_quiet()
    name, n_priors, numbers = job
    kind, cells = CASES[name], [name, str(n_priors)]
    fitted = _fitted(kind, n_priors)
    for n in numbers:
        ours, theirs = time_in_turn([_sampler(fitted), TPESampler(seed=0)], kind, n)
        cells.append(f"{ours:.1f} / {theirs:.1f} = {ours / theirs:.2f}")
    return cells


def measure_choices(n_choices: int) -> str:
    """Tell time and memory of a cold suggestion where two parameters have very many choices."""
    commands.be_quiet()
    choices = tuple(f"v{i}" for i in range(n_choices))
    space: dict[str, BaseDistribution] = {"x": FloatDistribution(0.0, 1.0)}
    space |= {name: CategoricalDistribution(choices) for name in ("one", "other")}
    time_in_turn([_sampler(None)], CASES["rounded values"], 30)  # imports and first calls
    before = _peak_mib()
    times = time_in_turn([_sampler(None), TPESampler(seed=0)], Kind(space), 200)
    ours, theirs = (f"{ms:.0f} ms" for ms in times)
    return (
        f"Two parameters of {n_choices:,} choices, 200 trials, cold: {ours} (TPE {theirs}), "
        f"{_peak_mib() - before:.0f} MiB above the imports"
    )


def measure_first(n_parameters: int) -> str:
    """Tell the time of the first trial where every range is another than the prior studies'."""
    commands.be_quiet()
    names = [f"x{i}" for i in range(n_parameters)]
    kind = Kind({name: FloatDistribution(0.0, 1.0) for name in names})
    fitted = _fitted(kind, 5)
    milliseconds = []
    for low in (0.05, 0.04, 0.03):
        asked = {name: FloatDistribution(low, low + 0.9, step=0.3) for name in names}
        study = optuna.create_study(sampler=_sampler(fitted))
        _, cost = commands.timed(lambda: suggest(study.ask(), asked))  # noqa: B023
        milliseconds.append(1000.0 * cost.cpu)
    return (
        f"First trial of {n_parameters} parameters with other ranges than the prior studies': "
        f"{statistics.median(milliseconds[1:]):.0f} ms ({milliseconds[0]:.0f} at the first study)"
    )


def time_in_turn(samplers: list[BaseSampler], kind: Kind, n_trials: int) -> list[float]:
    """Return the median milliseconds of each sampler's suggestions after random trials."""
    studies = [new_study(kind, n_trials, sampler) for sampler in samplers]
    milliseconds: list[list[float]] = []
    for _ in range(N_TIMED + 1):
        milliseconds.append([])
        for study in studies:
            trial, cost = commands.timed(lambda: suggest(study.ask(), kind.space))  # noqa: B023
            milliseconds[-1].append(1000.0 * cost.cpu)
            study.tell(trial, values_of(trial.params, kind))
    return [statistics.median(column) for column in zip(*milliseconds[1:], strict=True)]


def suggest(trial: optuna.Trial, space: Mapping[str, BaseDistribution]) -> optuna.Trial:
    """Draw the parameters, those of an arm where it is chosen."""
    for name, distribution in space.items():
        if name in _asked(trial.params, space):
            trial._suggest(name, distribution)
    return trial


def new_study(kind: Kind, n_trials: int, sampler: BaseSampler, seed: int = _NEW) -> optuna.Study:
    """Make a study of random trials."""
    rng = np.random.default_rng(seed)
    directions = [optuna.study.StudyDirection.MINIMIZE] * kind.n_objectives
    study = optuna.create_study(study_name=f"bowl-{seed}", sampler=sampler, directions=directions)
    study.add_trials([_random_trial(kind, rng, number) for number in range(n_trials)])
    return study


def values_of(params: Mapping[str, Any], kind: Kind) -> list[float]:
    """Return a bowl's value and, where there are more objectives, those of other bowls."""
    numbers = np.array([v for v in params.values() if isinstance(v, float)])
    centres = 0.3 + 0.4 * np.arange(kind.n_objectives)
    return [round(float(np.sum((numbers - c) ** 2)), kind.digits) for c in centres]


def _random_trial(kind: Kind, rng: np.random.Generator, number: int) -> FrozenTrial:
    drawn = {name: _draw(distribution, rng) for name, distribution in kind.space.items()}
    params = {name: drawn[name] for name in _asked(drawn, kind.space)}
    values = values_of(params, kind)
    is_cut = kind.is_pruned and number % 3 != 0
    n_steps = (_N_STEPS // 3 if is_cut else _N_STEPS) if kind.is_pruned else 0
    return create_trial(
        state=TrialState.PRUNED if is_cut else TrialState.COMPLETE,
        values=None if is_cut else values,
        params=params,
        distributions={name: kind.space[name] for name in params},
        intermediate_values={k: values[0] + 0.1 * (_N_STEPS - k) for k in range(n_steps)},
    )


def _draw(distribution: BaseDistribution, rng: np.random.Generator) -> Any:
    match distribution:
        case CategoricalDistribution(choices=choices):
            return choices[rng.integers(len(choices))]
        case IntDistribution(low=low, high=high):
            return int(rng.integers(low, high + 1))
        case FloatDistribution(low=low, high=high, log=True):
            return float(np.exp(rng.uniform(np.log(low), np.log(high))))
        case FloatDistribution(low=low, high=high):
            return float(rng.uniform(low, high))
    raise ValueError(distribution)


def _asked(params: Mapping[str, Any], space: Mapping[str, BaseDistribution]) -> list[str]:
    """Name the parameters that an objective asks for, as far as its choice of an arm is known."""
    return [n for n in space if n[:3] != "of_" or n == f"of_{params.get('arm')}"]


def _fitted(kind: Kind, n_studies: int) -> Any:
    from optuna_meta import fit_prior
    from optuna_meta import Prior

    if not n_studies:
        return None
    random = optuna.samplers.RandomSampler()
    studies = [new_study(kind, _PRIOR_TRIALS, random, seed) for seed in range(n_studies)]
    return fit_prior(Prior.from_studies(studies))


def _sampler(fitted: Any) -> BaseSampler:
    from optuna_meta import MetaSampler

    return MetaSampler(prior_studies=fitted, seed=0)


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / commands.MIB if sys.platform == "darwin" else peak / 1024.0

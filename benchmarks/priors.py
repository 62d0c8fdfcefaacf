"""Prior studies of a target task: made once, kept on disk, and altered as a regime says."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import json
import os
from pathlib import Path
from typing import Any
from typing import NamedTuple
import zlib

import numpy as np
from numpy.typing import NDArray
import optuna
from optuna.distributions import distribution_to_json
from optuna.distributions import json_to_distribution
from optuna.study import StudyDirection

from benchmarks.record import BenchmarkTask
from benchmarks.record import Family


__all__ = ["REGIMES", "Regime", "make_study", "prior_studies", "stable_seed", "with_values"]

Values = list[NDArray[np.float64]]  # of the trials of each prior study, (n,) each


class Regime(NamedTuple):
    """What the prior studies are like."""

    choose: Callable[[tuple[str, ...], np.random.Generator], tuple[str, ...]]
    alter: Callable[[Values, np.random.Generator], Values]
    sampler: str = "tpe"  # that made the prior trials


def negated(values: Values, rng: np.random.Generator) -> Values:
    """The opposite of the truth."""
    return [-y for y in values]


def permuted(values: Values, rng: np.random.Generator) -> Values:
    """Values that have nothing to do with their configurations."""
    return [rng.permutation(y) for y in values]


def half_permuted(values: Values, rng: np.random.Generator) -> Values:
    """Half of the studies (rounded down) are noise, the others intact."""
    noise = set(rng.permutation(len(values))[: len(values) // 2].tolist())
    return [rng.permutation(y) if i in noise else y for i, y in enumerate(values)]


def _unaltered(values: Values, rng: np.random.Generator) -> Values:
    return values


def _all(names: tuple[str, ...], rng: np.random.Generator) -> tuple[str, ...]:
    return names


def _none(names: tuple[str, ...], rng: np.random.Generator) -> tuple[str, ...]:
    return ()


def _one(names: tuple[str, ...], rng: np.random.Generator) -> tuple[str, ...]:
    return (names[rng.integers(len(names))],)


REGIMES: Mapping[str, Regime] = {
    "base": Regime(_all, _unaltered),
    "negated": Regime(_all, negated),
    "permuted": Regime(_all, permuted),
    "half-permuted": Regime(_all, half_permuted),
    "none": Regime(_none, _unaltered),
    "one": Regime(_one, _unaltered),
    "random-priors": Regime(_all, _unaltered, sampler="random"),
}


def prior_studies(
    family: Family,
    target: str,
    *,
    regime: str,
    seed: int,
    trials: int,
    cache: Path,
    limit: int,
) -> tuple[optuna.Study, ...]:
    """The prior studies of a target, in memory.

    Args:
        family:
            Family of the target.
        target:
            Name of the target task, which is left out.
        regime:
            One of ``REGIMES``.
        seed:
            Replicate; another one has other prior trials.
        trials:
            Trials of each prior study.
        cache:
            Folder of the studies made before.
        limit:
            Largest number of prior studies.
    """
    choose, alter, sampler = REGIMES[regime]
    rng = np.random.default_rng(stable_seed("regime", family.name, target, seed))
    names = choose(family.priors_of(target)[:limit], rng)
    studies = [
        make_study(family, name, sampler=sampler, seed=seed, trials=trials, cache=cache)
        for name in names
    ]
    values = alter([_values(study) for study in studies], rng)
    return tuple(with_values(study, y) for study, y in zip(studies, values, strict=True))


def make_study(
    family: Family, name: str, *, sampler: str, seed: int, trials: int, cache: Path
) -> optuna.Study:
    """The study of a prior task, read from the cache where it is there, else run."""
    folder = cache / f"optuna-{optuna.__version__}" / family.name
    path = folder / f"{name}-{sampler}-{trials}-{seed}.json"
    if not path.exists():
        sampler_seed = stable_seed("prior", family.name, name, seed)
        _write(path, _run(family.load(name), sampler, sampler_seed, trials))
    return _read(path, name)


def with_values(study: optuna.Study, values: NDArray[np.float64]) -> optuna.Study:
    """A study of the same trials with other values, (n,)."""
    altered = [
        optuna.trial.create_trial(
            params=trial.params, distributions=trial.distributions, value=float(value)
        )
        for trial, value in zip(study.trials, values, strict=True)
    ]
    return _study(study.study_name, study.direction, altered)


def stable_seed(*parts: object) -> int:
    """The same number for the same parts, in every process."""
    return zlib.crc32("/".join(map(str, parts)).encode())


def _run(task: BenchmarkTask, sampler: str, seed: int, trials: int) -> optuna.Study:
    study = optuna.create_study(direction=task.direction, sampler=_sampler(sampler, seed))
    study.optimize(lambda trial: task.evaluate(task.suggest(trial)), n_trials=trials)
    return study


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed)


def _values(study: optuna.Study) -> NDArray[np.float64]:
    return np.array([trial.value for trial in study.trials], dtype=float)


def _study(
    name: str, direction: StudyDirection, trials: list[optuna.trial.FrozenTrial]
) -> optuna.Study:
    study = optuna.create_study(study_name=name, direction=direction)
    study.add_trials(trials)
    return study


def _write(path: Path, study: optuna.Study) -> None:
    distributions: dict[str, str] = {}
    for trial in study.trials:
        distributions |= {k: distribution_to_json(v) for k, v in trial.distributions.items()}
    record = {
        "direction": study.direction.name,
        "distributions": distributions,
        "trials": [{"params": trial.params, "value": trial.value} for trial in study.trials],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    partial.write_text(json.dumps(record))
    partial.replace(path)  # at once, as another process may be making the same study


def _read(path: Path, name: str) -> optuna.Study:
    record: dict[str, Any] = json.loads(path.read_text())
    distributions = {k: json_to_distribution(v) for k, v in record["distributions"].items()}
    trials = [
        optuna.trial.create_trial(
            params=entry["params"],
            distributions={key: distributions[key] for key in entry["params"]},
            value=entry["value"],
        )
        for entry in record["trials"]
    ]
    return _study(name, StudyDirection[record["direction"]], trials)

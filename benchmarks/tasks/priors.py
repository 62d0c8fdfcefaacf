"""Prior studies of a target task: made once, kept on disk, and altered as a regime says."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import json
import os
from pathlib import Path
from typing import Any
import zlib

import numpy as np
from numpy.typing import NDArray
import optuna
from optuna.distributions import distribution_to_json
from optuna.distributions import json_to_distribution
from optuna.study import StudyDirection
from optuna.trial import create_trial
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from benchmarks.tasks.regimes import Regime
from benchmarks.tasks.regimes import REGIMES
from benchmarks.tasks.task import Family
from benchmarks.tasks.task import Task


__all__ = ["make_study", "meta_features", "prior_studies", "stable_seed", "with_values"]


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
    chosen = REGIMES[regime]
    rng = np.random.default_rng(stable_seed("regime", family.name, target, seed))
    names = chosen.choose(family.priors_of(target)[:limit], rng)
    studies = [
        make_study(family, name, sampler=chosen.sampler, seed=seed, trials=trials, cache=cache)
        for name in names
    ]
    studies = _altered(family, studies, chosen, rng)
    if chosen.features:
        _record(studies, meta_features(family, target, regime=regime, seed=seed, limit=limit))
    return tuple(studies)


def meta_features(
    family: Family, target: str, *, regime: str, seed: int, limit: int
) -> Mapping[str, Mapping[str, float]]:
    """Meta-features of the target and of its prior tasks, by name, as a regime says.

    Where the regime permutes them, each task has those of another, or by chance its own.
    """
    kind = REGIMES[regime].features
    if kind is None or family.features is None:
        return {}
    names = [target, *family.priors_of(target)[:limit]]
    owners = names
    if kind == "permuted":
        rng = np.random.default_rng(stable_seed("features", family.name, target, seed))
        owners = [names[i] for i in rng.permutation(len(names))]
    return {name: family.features(owner) for name, owner in zip(names, owners, strict=True)}


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
        create_trial(params=trial.params, distributions=trial.distributions, value=float(value))
        for trial, value in zip(study.trials, values, strict=True)
    ]
    return _study(study.study_name, study.directions, altered)


def stable_seed(*parts: object) -> int:
    """The same number for the same parts, in every process."""
    return zlib.crc32("/".join(map(str, parts)).encode())


def _altered(
    family: Family, studies: Sequence[optuna.Study], regime: Regime, rng: np.random.Generator
) -> list[optuna.Study]:
    if regime.alter is None and not regime.conditions.noise:
        return list(studies)
    values = [_values(study) for study in studies]
    if regime.alter:
        values = regime.alter(values, rng)
    if regime.conditions.noise:
        gaps = [family.load(study.study_name).gap for study in studies]
        values = [
            y + regime.conditions.noise * gap * rng.standard_normal(len(y))
            for y, gap in zip(values, gaps, strict=True)
        ]
    return [with_values(study, y) for study, y in zip(studies, values, strict=True)]


def _record(studies: Sequence[optuna.Study], features: Mapping[str, Mapping[str, float]]) -> None:
    from optuna_meta import record_meta_features  # which imports torch, needed here only

    for study in studies:
        if features.get(study.study_name):
            record_meta_features(study, features[study.study_name])


def _run(task: Task, sampler: str, seed: int, trials: int) -> optuna.Study:
    study = optuna.create_study(
        directions=list(task.directions), sampler=_sampler(sampler, seed), pruner=task.pruner
    )
    for _ in range(trials):
        trial = study.ask()
        values = task.run(trial, task.suggest(trial)).values
        study.tell(trial, values, TrialState.PRUNED if values is None else None)
    return study


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed)


def _values(study: optuna.Study) -> NDArray[np.float64]:
    return np.array([trial.value for trial in study.trials], dtype=float)


def _study(
    name: str, directions: Sequence[StudyDirection], trials: Sequence[FrozenTrial]
) -> optuna.Study:
    study = optuna.create_study(study_name=name, directions=directions)
    study.add_trials(trials)
    return study


def _write(path: Path, study: optuna.Study) -> None:
    distributions: dict[str, str] = {}
    for trial in study.trials:
        distributions |= {k: distribution_to_json(v) for k, v in trial.distributions.items()}
    record = {
        "direction": ",".join(direction.name for direction in study.directions),
        "distributions": distributions,
        "trials": [_entry(trial) for trial in study.trials],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    partial.write_text(json.dumps(record))
    partial.replace(path)  # at once, as another process may be making the same study


def _entry(trial: FrozenTrial) -> dict[str, Any]:
    entry: dict[str, Any] = {"params": trial.params}
    if trial.state == TrialState.COMPLETE:
        entry |= {"value": trial.values[0]} if len(trial.values) == 1 else {"values": trial.values}
    if trial.intermediate_values:
        entry["curve"] = list(trial.intermediate_values.items())
    return entry


def _read(path: Path, name: str) -> optuna.Study:
    record: dict[str, Any] = json.loads(path.read_text())
    distributions = {k: json_to_distribution(v) for k, v in record["distributions"].items()}
    directions = [StudyDirection[word] for word in record["direction"].split(",")]
    return _study(name, directions, [_trial(entry, distributions) for entry in record["trials"]])


def _trial(
    entry: Mapping[str, Any], distributions: Mapping[str, optuna.distributions.BaseDistribution]
) -> FrozenTrial:
    values = entry.get("values") or ([entry["value"]] if "value" in entry else None)
    return create_trial(
        params=entry["params"],
        distributions={key: distributions[key] for key in entry["params"]},
        values=values,
        state=TrialState.COMPLETE if values else TrialState.PRUNED,
        intermediate_values=dict(entry.get("curve", ())),
    )

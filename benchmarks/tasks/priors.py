"""Prior studies of a target task: made once, kept on disk, and altered as a regime says."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import json
import os
from pathlib import Path
from typing import Any
from typing import NamedTuple
import zlib

import numpy as np
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


_SAMPLERS = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}


class PriorSettings(NamedTuple):
    """What all prior studies of a run share."""

    trials: int  # of each
    limit: int  # studies of a target, at most
    cache: Path  # folder of the studies made before


def prior_studies(
    family: Family, target: str, regime: str, seed: int, settings: PriorSettings
) -> tuple[optuna.Study, ...]:
    """Return the prior studies of a target, which itself is left out, in memory."""
    chosen = REGIMES[regime]
    rng = np.random.default_rng(stable_seed("regime", family.name, target, seed))
    names = chosen.choose(family.priors_of(target)[: settings.limit], rng)
    studies = [make_study(family, name, chosen.sampler, seed, settings) for name in names]
    studies = _altered(family, studies, chosen, rng)
    features = meta_features(family, target, regime, seed, settings.limit)
    for study in studies:
        record_features(study, features.get(study.study_name))
    return tuple(studies)


def meta_features(
    family: Family, target: str, regime: str, seed: int, limit: int
) -> Mapping[str, Mapping[str, float]]:
    """Return the meta-features of the target and its prior tasks, by name, as a regime says.

    Where the regime permutes them, each task has those of another, or by chance its own.
    """
    kind = REGIMES[regime].features
    if kind is None or family.features is None:
        return {}
    names = owners = [target, *family.priors_of(target)[:limit]]
    if kind == "permuted":
        rng = np.random.default_rng(stable_seed("features", family.name, target, seed))
        owners = [names[i] for i in rng.permutation(len(names))]
    return {name: family.features(owner) for name, owner in zip(names, owners, strict=True)}


def record_features(study: optuna.Study, features: Mapping[str, float] | None) -> None:
    """Record meta-features on a study, where there are any."""
    if features:
        from optuna_meta import record_meta_features  # which imports torch, needed here only

        record_meta_features(study, features)


def make_study(
    family: Family, name: str, sampler: str, seed: int, settings: PriorSettings
) -> optuna.Study:
    """Return the study of a prior task, read from the cache where it is there, else run."""
    folder = settings.cache / f"optuna-{optuna.__version__}" / family.name
    path = folder / f"{name}-{sampler}-{settings.trials}-{seed}.json"
    if not path.exists():
        sampler_seed = stable_seed("prior", family.name, name, seed)
        _write(path, _run(family.load(name), _SAMPLERS[sampler](seed=sampler_seed), settings))
    return _read(path, name)


def stable_seed(*parts: object) -> int:
    """Return the same number for the same parts, in every process."""
    return zlib.crc32("/".join(map(str, parts)).encode())


def _altered(
    family: Family, studies: Sequence[optuna.Study], regime: Regime, rng: np.random.Generator
) -> list[optuna.Study]:
    """Return studies of the same trials with the values that a regime makes of theirs."""
    noise = regime.conditions.noise
    if regime.alter is None and not noise:
        return list(studies)
    values = [np.array([t.value for t in study.trials], dtype=float) for study in studies]
    if regime.alter:
        values = regime.alter(values, rng)
    altered = []
    for study, y in zip(studies, values, strict=True):
        if noise:
            gap = family.load(study.study_name).gap()
            y = y + noise * gap * rng.standard_normal(len(y))
        trials = [
            create_trial(params=trial.params, distributions=trial.distributions, value=value)
            for trial, value in zip(study.trials, y.tolist(), strict=True)
        ]
        altered.append(_study(study.study_name, study.directions, trials))
    return altered


def _run(
    task: Task, sampler: optuna.samplers.BaseSampler, settings: PriorSettings
) -> optuna.Study:
    study = task.create_study(sampler)
    for _ in range(settings.trials):
        trial = study.ask()
        values = task.run(trial, task.suggest(trial)).values
        study.tell(trial, values, TrialState.PRUNED if values is None else None)
    return study


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
    trials = []
    for entry in record["trials"]:
        values = entry.get("values") or ([entry["value"]] if "value" in entry else None)
        trial = create_trial(
            params=entry["params"],
            distributions={key: distributions[key] for key in entry["params"]},
            values=values,
            state=TrialState.COMPLETE if values else TrialState.PRUNED,
            intermediate_values=dict(entry.get("curve", ())),
        )
        trials.append(trial)
    directions = [StudyDirection[word] for word in record["direction"].split(",")]
    return _study(name, directions, trials)

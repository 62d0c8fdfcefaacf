"""Prior studies of a target task, kept on disk, altered as a regime says, one factor at a time."""

from collections.abc import Callable
from collections.abc import Mapping
import json
import os
from pathlib import Path
from typing import Any
from typing import Literal
from typing import NamedTuple
import zlib

import numpy as np
import optuna
from optuna.distributions import distribution_to_json
from optuna.distributions import json_to_distribution

from benchmarks.tasks import base


SHARED = "shared"  # of methods that use no priors, whose rows count wherever the target is as ever
_NOISE = 0.05  # of the distance between a task's median and best value

Names = tuple[str, ...]
Values = list[base.Array]  # of the trials of each prior study, (n,) each


class Conditions(NamedTuple):
    given: int = 0  # random trials, the same for all methods, before the first that counts
    noise: float = 0.0  # standard deviation of what is added to values, in gaps of the task
    workers: int = 1  # trials that run at the same time


def _all(names: Names, rng: np.random.Generator) -> Names:
    return names


def _three(names: Names, rng: np.random.Generator) -> Names:
    chosen = set(rng.permutation(len(names))[:3].tolist())
    return tuple(name for i, name in enumerate(names) if i in chosen)


def _half_permuted(values: Values, rng: np.random.Generator) -> Values:
    noise = set(rng.permutation(len(values))[: len(values) // 2].tolist())
    return [rng.permutation(y) if i in noise else y for i, y in enumerate(values)]


class Regime(NamedTuple):
    choose: Callable[[Names, np.random.Generator], Names] = _all
    alter: Callable[[Values, np.random.Generator], Values] | None = None
    sampler: str = "tpe"  # that made the prior trials
    features: Literal["own", "permuted"] | None = None  # meta-features of whose data sets
    conditions: Conditions = Conditions()


def changes_target(regime: str) -> bool:
    """Return whether methods without priors must run in a regime: its new study is another one."""
    return regime != SHARED and REGIMES[regime].conditions != Conditions()


REGIMES: Mapping[str, Regime] = {
    "base": Regime(),
    "none": Regime(lambda names, rng: ()),
    "one": Regime(lambda names, rng: (names[rng.integers(len(names))],)),
    "three": Regime(_three),
    "random-priors": Regime(sampler="random"),
    "half-permuted": Regime(alter=_half_permuted),
    "permuted": Regime(alter=lambda values, rng: [rng.permutation(y) for y in values]),
    "negated": Regime(alter=lambda values, rng: [-y for y in values]),
    "features": Regime(features="own"),
    "features-permuted": Regime(features="permuted"),
    "given-5": Regime(conditions=Conditions(given=5)),
    "noise": Regime(conditions=Conditions(noise=_NOISE)),
    "workers-4": Regime(conditions=Conditions(workers=4)),
}


_SAMPLERS = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}


class PriorSettings(NamedTuple):
    trials: int  # of each
    limit: int  # studies of a target, at most
    cache: Path  # folder of the studies made before


def prior_studies(
    family: base.Family, target: str, regime: str, seed: int, settings: PriorSettings
) -> tuple[optuna.Study, ...]:
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
    family: base.Family, target: str, regime: str, seed: int, limit: int
) -> Mapping[str, Mapping[str, float]]:
    """Return the meta-features of the target and its prior tasks, by name, as a regime says."""
    kind = REGIMES[regime].features
    if kind is None or family.features is None:
        return {}
    names = owners = [target, *family.priors_of(target)[:limit]]
    if kind == "permuted":
        rng = np.random.default_rng(stable_seed("features", family.name, target, seed))
        owners = [names[i] for i in rng.permutation(len(names))]
    return {name: family.features(owner) for name, owner in zip(names, owners, strict=True)}


def record_features(study: optuna.Study, features: Mapping[str, float] | None) -> None:
    if features:
        from optuna_meta import record_meta_features  # which imports torch, needed here only

        record_meta_features(study, features)


def make_study(
    family: base.Family, name: str, sampler: str, seed: int, settings: PriorSettings
) -> optuna.Study:
    """Return the study of a prior task, read from the cache where it is there, else run."""
    folder = settings.cache / f"optuna-{optuna.__version__}" / family.name
    path = folder / f"{name}-{sampler}-{settings.trials}-{seed}.json"
    if not path.exists():
        task = family.load(name)
        sampler_seed = stable_seed("prior", family.name, name, seed)
        study = task.create_study(_SAMPLERS[sampler](seed=sampler_seed))
        for _ in range(min(settings.trials, task.size or settings.trials)):
            trial = study.ask()
            values = task.run(trial, task.suggest(trial)).values
            study.tell(trial, values, optuna.trial.TrialState.PRUNED if values is None else None)
        _write(path, study)
    return _read(path, name)


def stable_seed(*parts: object) -> int:
    """Return the same number for the same parts, in every process."""
    return zlib.crc32("/".join(map(str, parts)).encode())


def _altered(
    family: base.Family, studies: list[optuna.Study], regime: Regime, rng: np.random.Generator
) -> list[optuna.Study]:
    """Return studies of the same trials with the values that a regime makes of theirs."""
    noise = regime.conditions.noise
    if regime.alter is None and not noise:
        return studies
    values = [np.array([t.value for t in study.trials], dtype=float) for study in studies]
    values = regime.alter(values, rng) if regime.alter else values
    altered = []
    for study, y in zip(studies, values, strict=True):
        if noise:
            gap = family.load(study.study_name).gap()
            y = y + noise * gap * rng.standard_normal(len(y))
        trials = zip(study.trials, y.tolist(), strict=True)
        altered.append(optuna.create_study(study_name=study.study_name, direction=study.direction))
        altered[-1].add_trials(
            optuna.trial.create_trial(params=t.params, distributions=t.distributions, value=v)
            for t, v in trials
        )
    return altered


def _write(path: Path, study: optuna.Study) -> None:
    distributions: dict[str, str] = {}
    trials: list[dict[str, Any]] = []
    for t in study.trials:
        distributions |= {k: distribution_to_json(v) for k, v in t.distributions.items()}
        values = t.values if t.state == optuna.trial.TrialState.COMPLETE else None
        curve = list(t.intermediate_values.items())
        trials.append({"params": t.params, "values": values, "curve": curve})
    words = ",".join(direction.name for direction in study.directions)
    record = {"direction": words, "distributions": distributions, "trials": trials}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    partial.write_text(json.dumps(record))
    partial.replace(path)  # at once, as another process may be making the same study


def _read(path: Path, name: str) -> optuna.Study:
    record: dict[str, Any] = json.loads(path.read_text())
    distributions = {k: json_to_distribution(v) for k, v in record["distributions"].items()}
    directions = [optuna.study.StudyDirection[word] for word in record["direction"].split(",")]
    study = optuna.create_study(study_name=name, directions=directions)
    for entry in record["trials"]:
        # A single value in files of earlier versions.
        values = entry.get("values", [entry["value"]] if "value" in entry else None)
        trial = optuna.trial.create_trial(
            params=entry["params"],
            distributions={key: distributions[key] for key in entry["params"]},
            values=values,
            state=optuna.trial.TrialState.COMPLETE if values else optuna.trial.TrialState.PRUNED,
            intermediate_values=dict(entry.get("curve", ())),
        )
        study.add_trial(trial)
    return study

"""A study whose search space has changed -> a study of the new space, with the trials that fit it.

The old study stays as it is, and is no prior study of the new one: trials that both have would
count twice, as own ones and as what confirms the prior study.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import create_trial
from optuna.trial import FrozenTrial
from tqdm import tqdm

from optuna_meta._optuna import contains
from optuna_meta._optuna import metric_names
from optuna_meta._optuna import storage_of
from optuna_meta.space.dimension import choice_key
from optuna_meta.space.dimension import NOTHING
from optuna_meta.studies.outage import shown


__all__ = ["Migration", "SpaceChange", "migrate_study"]

# What samplers and pruners recorded of a trial or the study, under the old parameters.
_OF_THE_OLD = ("optuna_meta:plan", "optuna_meta:stopped", "optuna_meta:ended")
_SILENT_SECONDS = 2.0  # Before a bar shows how far copying is.


@dataclass(frozen=True)
class SpaceChange:
    """What has changed in an objective's search space.

    Args:
        ranges: New ranges and choices by name, also of parameters that are new; all others keep
            theirs.
        rename: New names of parameters by their old ones.
        defaults: Values that the old trials ran with, of parameters (by their new names) that
            they lack.
        dropped: Parameters that the objective no longer asks for, and the value that it uses now;
            ``NOTHING`` where its value made no difference.
    """

    ranges: Mapping[str, BaseDistribution] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    dropped: Mapping[str, Any] = field(default_factory=dict)

    def misfit(self, trial: FrozenTrial, known: Mapping[str, Any]) -> str:
        """Return why a trial is none of the new space; empty where it is one.

        Args:
            trial: A trial of the old study.
            known: The parameters that any of its trials has.
        """
        for name, value in self.dropped.items():
            is_other = value is not NOTHING and name in trial.params
            if is_other and choice_key(trial.params[name]) != choice_key(value):
                return f"{name} was {shown(trial.params[name])}, and is {shown(value)} now"
        params = self.params(trial)
        for name, distribution in self.ranges.items():
            if name not in params and self._is_new(name, known):
                return f"{name} is new, and no default says what it was"
            if name in params and not contains(distribution, params[name]):
                return f"{name} was {shown(params[name])}, outside of the new range"
        return ""

    def _is_new(self, name: str, known: Mapping[str, Any]) -> bool:
        return name not in {self.rename.get(old, old) for old in known}

    def params(self, trial: FrozenTrial) -> dict[str, Any]:
        """Return a trial's parameters under their new names, with the defaults."""
        kept = {n: v for n, v in trial.params.items() if n not in self.dropped}
        renamed = {self.rename.get(name, name): value for name, value in kept.items()}
        return {**self.defaults, **renamed}

    def moved(self, trial: FrozenTrial) -> FrozenTrial:
        """Return a trial that fits as one of the new space."""
        params = self.params(trial)
        old = {self.rename.get(n, n): d for n, d in trial.distributions.items()}
        distributions = {name: self.ranges.get(name) or old[name] for name in params}
        copy = create_trial(
            state=trial.state,
            values=trial.values,
            params=params,
            distributions=distributions,
            user_attrs=_kept(trial.user_attrs),
            system_attrs=trial.system_attrs,
            intermediate_values=trial.intermediate_values,
        )
        copy.datetime_start = trial.datetime_start
        copy.datetime_complete = trial.datetime_complete
        return copy

    def check(self, known: Mapping[str, Any]) -> None:
        """Refuse what cannot be meant.

        Raises:
            ValueError: A parameter is unknown, or a default has no range or lies outside of it.
        """
        if unknown := [n for n in (*self.rename, *self.dropped) if n not in known]:
            raise ValueError(
                f"The study has no parameter {', '.join(map(repr, unknown))}; it has "
                f"{', '.join(map(repr, sorted(known)))}."
            )
        for name, value in self.defaults.items():
            if name not in self.ranges or not contains(self.ranges[name], value):
                raise ValueError(
                    f"The default {name}={value!r} needs a new range in which it lies, got "
                    f"{self.ranges.get(name)}."
                )
        names = [self.rename.get(n, n) for n in known if n not in self.dropped]
        if len(set(names)) < len(names):
            raise ValueError(f"rename gives two parameters one name: {sorted(names)}.")


@dataclass(frozen=True)
class Migration:
    """A study of the new space.

    Args:
        study: The new study.
        carried: Numbers of the old study's trials that it has.
        left: Of the finished trials that it has not, by their numbers, why.
    """

    study: optuna.Study
    carried: tuple[int, ...]
    left: Mapping[int, str]


def migrate_study(study: optuna.Study, name: str, change: SpaceChange) -> Migration:
    """Copy a study under a new name, with those of its finished trials that fit the new space.

    The old study stays as it is. Go on without it among the prior studies, where trials that both
    have would count twice; others may be there.

    Args:
        study: The old study.
        name: Of the new one, in the same storage.
        change: What has changed.

    Raises:
        optuna.exceptions.DuplicatedStudyError: There is a study of this name.
        ValueError: The change cannot be meant.
    """
    trials = [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
    known = {n: d for trial in trials for n, d in trial.distributions.items()}
    change.check(known)
    misfits = {t.number: change.misfit(t, known) for t in trials}
    moved = [change.moved(t) for t in trials if not misfits[t.number]]
    new = optuna.create_study(
        storage=storage_of(study), study_name=name, directions=study.directions
    )
    for key, value in _kept(study.user_attrs).items():
        new.set_user_attr(key, value)
    if names := metric_names(study):
        new.set_metric_names(list(names))
    for trial in tqdm(moved, "Copying trials", leave=False, delay=_SILENT_SECONDS, disable=None):
        new.add_trial(trial)
    left = {number: reason for number, reason in misfits.items() if reason}
    return Migration(new, tuple(n for n, reason in misfits.items() if not reason), left)


def _kept(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes (of a trial or a study) without what was said of the old space."""
    return {key: value for key, value in attrs.items() if key not in _OF_THE_OLD}

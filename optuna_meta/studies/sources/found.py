"""Studies as a source tells them -> raw studies, with the ranges that their values show."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Any
from typing import TypedDict

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._spelling import named
from optuna_meta.features.record import clean_meta_features
from optuna_meta.outcomes.observations import objectives
from optuna_meta.outcomes.observations import observe
from optuna_meta.studies.mapping import ParameterMapping
from optuna_meta.studies.outage import cause_of
from optuna_meta.studies.sources.ranges import as_choice
from optuna_meta.studies.sources.ranges import RULE
from optuna_meta.studies.sources.ranges import shown_range
from optuna_meta.studies.sources.ranges import told
from optuna_meta.studies.task import RawStudy
from optuna_meta.studies.task import unreadable


__all__ = [
    "check_options",
    "direction_of",
    "FoundStudy",
    "FoundTrial",
    "logged_only",
    "raw_studies",
    "ReadOptions",
    "require_metric",
]

_logger = optuna.logging.get_logger("optuna.meta")
_FEW = 10  # Texts that never repeat name runs; of fewer trials they may be categories.


class ReadOptions(TypedDict, total=False):
    """What every reader of results understands.

    Args:
        parameters: Names of the parameters, where not all that looks like one is one.
        distributions: Ranges and choices by name, instead of those that the values show. A text
            that spells one of the choices is that choice; where ``None`` is one of them, an empty
            cell is it.
        rename: New names of parameters by their old ones.
        defaults: Values that studies without these parameters (by their new names) ran with.
        meta_features: Meta-features by study name.
    """

    parameters: Sequence[str] | None
    distributions: Mapping[str, BaseDistribution] | None
    rename: Mapping[str, str] | None
    defaults: Mapping[str, Any] | None
    meta_features: Mapping[str, Mapping[str, float]] | None


@dataclass(frozen=True)
class FoundTrial:
    """A trial as a source tells it.

    Args:
        params: Its parameters.
        values: Its values, one for each objective; none where it has none.
        state: How it ended.
        curve: Values by step, of which a pruned trial's final one is guessed.
        distributions: The ranges of its parameters, as far as the source knows them.
    """

    params: Mapping[str, Any]
    values: Sequence[float] = ()
    state: TrialState = TrialState.COMPLETE
    curve: Mapping[int, float] = field(default_factory=dict)
    distributions: Mapping[str, BaseDistribution] = field(default_factory=dict)

    def frozen(self, number: int, distributions: Mapping[str, BaseDistribution]) -> FrozenTrial:
        """Return Optuna's record of it."""
        # Not checked: values may lie outside of distributions that a user has given.
        trial = optuna.trial.create_trial(state=TrialState.FAIL)
        trial.number, trial.params = number, dict(self.params)
        trial.distributions = {name: distributions[name] for name in self.params}
        trial.intermediate_values = dict(self.curve)
        if self.state == TrialState.PRUNED:
            trial.state = self.state
        elif self.state == TrialState.COMPLETE and self.values:
            trial.values, trial.state = list(self.values), self.state
        return trial


@dataclass(frozen=True)
class FoundStudy:
    """A study as a source tells it.

    Args:
        name: Its name.
        trials: Its trials, in their order.
        directions: Of each objective.
        metric_names: Of each objective, where they are known.
        problem: Why it cannot be read; empty where it can.
    """

    name: str
    trials: Sequence[FoundTrial] = ()
    directions: Sequence[StudyDirection] = (StudyDirection.MINIMIZE,)
    metric_names: Sequence[str] | None = None
    problem: str = ""


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse options that no reader has: a misspelt one would change nothing, in silence.

    Raises:
        TypeError: There are such.
    """
    known = ReadOptions.__annotations__
    if unknown := [name for name in options if name not in known]:
        raise TypeError(
            f"This reader has no option {named(unknown[0], known)} beside its own. study_names= "
            "and where= are of from_storage: Prior.without(names) leaves studies out."
        )


def direction_of(direction: str | StudyDirection) -> StudyDirection:
    """Return the direction of a word.

    Raises:
        ValueError: It is neither of the two.
    """
    if direction in ("minimize", "maximize"):
        return StudyDirection[direction.upper()]
    if isinstance(direction, StudyDirection) and direction != StudyDirection.NOT_SET:
        return direction
    raise ValueError(f"direction must be 'minimize' or 'maximize', got {direction!r}.")


def require_metric(metric: str, known: Collection[str]) -> None:
    """Refuse a metric that no run has; where there is none at all, runs have told nothing yet.

    Raises:
        ValueError: It is none of those known.
    """
    if known and metric not in known:
        raise ValueError(f"No run has the metric {named(metric, known)}.")


def raw_studies(
    found: Sequence[FoundStudy], options: ReadOptions
) -> tuple[Iterator[RawStudy], ParameterMapping]:
    """Return the raw studies of those that a source tells, and what their parameters became.

    Raises:
        ValueError: The options name a parameter that no trial has.
    """
    mapping = ParameterMapping(options.get("rename") or {}, options.get("defaults") or {})
    given, features = options.get("distributions") or {}, options.get("meta_features") or {}
    studies = [_with_parameters(s, options.get("parameters"), given) for s in found]
    columns = _columns(studies)
    for wanted in (given, options.get("parameters") or ()):
        if absent := [name for name in wanted if name not in columns] if columns else []:
            raise ValueError(f"No trial has a parameter {absent}; there are {sorted(columns)}.")
    ranges = {name: given.get(name) or _shown(name, v) for name, v in columns.items()}
    _tell(studies, {n: d for n, d in ranges.items() if d is not None and n not in given})
    return (_raw(study, ranges, given, mapping, features) for study in studies), mapping


def logged_only(found: Sequence[FoundStudy], options: ReadOptions) -> list[FoundStudy]:
    """Leave out what a source logs beside parameters: what never varies, and names of runs.

    ``parameters=`` says what to keep instead.
    """
    given = {*(options.get("distributions") or {}), *(options.get("parameters") or ())}
    dropped, columns = [], _columns(found)
    for name, values in columns.items():
        different = {repr(value) for value in values}
        is_name = all(isinstance(value, str) for value in values) and len(values) > _FEW
        if len(different) == 1 < len(values) or (is_name and len(different) == len(values)):
            dropped.append(name)
    dropped = [name for name in dropped if name not in given]
    if dropped and options.get("parameters") is None:
        _logger.info(
            f"Left out, for they never vary or never repeat: {', '.join(sorted(dropped))}; "
            "parameters= names what to keep."
        )
    return [_restricted(study, columns.keys() - set(dropped)) for study in found]


def _columns(studies: Sequence[FoundStudy]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for trial in (trial for study in studies for trial in study.trials):
        for name, value in trial.params.items():
            columns.setdefault(name, [])
            if name not in trial.distributions:
                columns[name].append(value)
    return columns


def _shown(name: str, values: Sequence[Any]) -> BaseDistribution | None:
    return shown_range(name, values) if values else None


def _restricted(study: FoundStudy, names: Collection[str]) -> FoundStudy:
    trials = [
        replace(trial, params={n: v for n, v in trial.params.items() if n in names})
        for trial in study.trials
    ]
    return replace(study, trials=trials)


def _with_parameters(
    study: FoundStudy, names: Sequence[str] | None, given: Mapping[str, BaseDistribution]
) -> FoundStudy:
    """Return a study of some parameters alone, in which texts are the choices that they spell."""
    if names is not None:
        study = _restricted(study, names)
    if not given:
        return study
    known = {name for trial in study.trials for name in trial.params}
    nones = {n: None for n in known & given.keys() if None in getattr(given[n], "choices", ())}
    trials = [
        replace(
            t,
            params=nones
            | {n: as_choice(given[n], v) if n in given else v for n, v in t.params.items()},
        )
        for t in study.trials
    ]
    return replace(study, trials=trials)


def _tell(studies: Sequence[FoundStudy], ranges: Mapping[str, BaseDistribution]) -> None:
    directions = {d.name.lower() for study in studies for d in study.directions}
    if ranges:
        shown = "; ".join(told(name, distribution) for name, distribution in ranges.items())
        _logger.info(
            f"Ranges as the values show them: {shown}. ({RULE[0].upper()}{RULE[1:]}.) "
            f"Objectives: {' and '.join(sorted(directions))}."
        )


def _raw(
    study: FoundStudy,
    ranges: Mapping[str, BaseDistribution | None],
    given: Mapping[str, BaseDistribution],
    mapping: ParameterMapping,
    features: Mapping[str, Mapping[str, float]],
) -> RawStudy:
    own_features = clean_meta_features(features.get(study.name, {}))
    if study.problem:
        return unreadable(study.name, study.problem)
    shown = {name: d for name, d in ranges.items() if d is not None}
    trials = [
        trial.frozen(i, {**shown, **trial.distributions, **given})
        for i, trial in enumerate(study.trials)
    ]
    try:
        observed, dimensions = mapping.apply(observe(trials, study.directions))
    except (ValueError, TypeError, ArithmeticError) as error:
        return unreadable(study.name, f"reading it failed: {cause_of(error)}")
    names = objectives(len(study.directions), study.metric_names)
    return RawStudy(study.name, observed, names, dimensions, meta_features=own_features)

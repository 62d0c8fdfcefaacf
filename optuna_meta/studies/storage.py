"""Studies of an Optuna storage -> raw studies, each read once."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
import os
from typing import Any
import warnings

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.storages import BaseStorage

from optuna_meta._optuna import metric_names
from optuna_meta._optuna import study_user_attrs
from optuna_meta.features.record import read_meta_features
from optuna_meta.outcomes.observations import constraint_keys
from optuna_meta.outcomes.observations import fingerprint_of
from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.outcomes.observations import objectives
from optuna_meta.outcomes.observations import Observations
from optuna_meta.outcomes.observations import observe
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.space.dimension import Dimension
from optuna_meta.space.dimension import plain
from optuna_meta.studies.task import RawStudy
from optuna_meta.studies.task import unreadable


__all__ = ["open_storage", "ParameterMapping", "read_storage", "read_studies"]


@dataclass(frozen=True)
class ParameterMapping:
    """How earlier studies' parameters become today's.

    Args:
        rename: New names of parameters by their old ones.
        defaults: By new name, the value that the trials of a study without this parameter ran
            with; where some trials of a study have it, the others lack it for a reason.
    """

    rename: Mapping[str, str]
    defaults: Mapping[str, Any]
    _met: set[str] = field(default_factory=set, repr=False)

    def warn_of_unknown(self) -> None:
        """Warn of old names that no study read so far has."""
        if unknown := sorted(self.rename.keys() - self._met):
            warnings.warn(
                f"No prior study has a parameter named {', '.join(map(repr, unknown))}, which "
                "rename= names: check the spelling.",
                stacklevel=4,
            )

    def apply(self, observations: Observations) -> tuple[Observations, list[Dimension]]:
        """Give observations today's parameters; return them, and every range that these had."""
        names = {name for params in observations.params for name in params}
        self._met.update(names)
        if len({self.rename.get(name, name) for name in names}) < len(names):
            raise ValueError("rename gives two of its parameters one name")
        renamed = [
            {self.rename.get(name, name): value for name, value in params.items()}
            for params in observations.params
        ]
        known = {name for params in renamed for name in params}
        added = {n: plain(v) for n, v in self.defaults.items() if n not in known}
        dimensions = [
            *self._dimensions(observations),
            *(Dimension.spanning(n, [v]) for n, v in added.items()),
        ]
        return replace(observations, params=tuple(p | added for p in renamed)), dimensions

    def _dimensions(self, observations: Observations) -> Iterator[Dimension]:
        """Yield each trial's dimensions, renamed; the same range twice is one."""
        seen: dict[Any, tuple[str, BaseDistribution]] = {}
        for distributions in observations.distributions:
            for name, distribution in distributions.items():
                seen.setdefault((name, _identity(distribution)), (name, distribution))
        for name, distribution in seen.values():
            yield Dimension.from_distribution(self.rename.get(name, name), distribution)


def read_storage(
    storage: str | BaseStorage,
    study_names: Sequence[str] | None,
    where: Callable[[Any], bool] | None,
    mapping: ParameterMapping,
) -> Iterator[RawStudy]:
    """Read the chosen studies of a storage; see :meth:`optuna_meta.Prior.from_storage`."""
    opened = open_storage(storage)
    frozen = {study.study_name: study for study in opened.get_all_studies()}
    wanted = [study_names] if isinstance(study_names, str) else study_names
    names = list(frozen) if wanted is None else list(dict.fromkeys(wanted))
    if unknown := [name for name in names if name not in frozen]:
        known = ", ".join(map(repr, list(frozen)[:10])) or "no study at all"
        raise ValueError(
            f"The storage has no study named {', '.join(map(repr, unknown))}; it has {known}."
        )
    for name in names:
        if where is None or where(frozen[name]):
            yield _read_guarded(name, opened, mapping)


def read_studies(studies: Iterable[optuna.Study], mapping: ParameterMapping) -> Iterator[RawStudy]:
    """Read studies."""
    for study in studies:
        yield _read_guarded(study.study_name, study, mapping)


def _read_guarded(
    name: str, source: optuna.Study | BaseStorage, mapping: ParameterMapping
) -> RawStudy:
    try:
        if isinstance(source, BaseStorage):
            source = optuna.load_study(study_name=name, storage=source)
        return _read(source, mapping)
    except Exception as error:  # Whatever a broken study raises, it costs only that study.
        return unreadable(name, f"reading it failed: {error!r}")


def _read(study: optuna.Study, mapping: ParameterMapping) -> RawStudy:
    trials = study.get_trials(deepcopy=False, states=FINISHED)
    keys = constraint_keys(trials)
    observed = observe(trials, study.directions, keys)
    observations, dimensions = mapping.apply(observed)
    outcomes = [*objectives(len(study.directions), metric_names(study))]
    outcomes += [Outcome.constraint(key) for key in keys]
    raw = RawStudy(
        study.study_name, observations, outcomes, dimensions, fingerprint=fingerprint_of(trials)
    )
    return raw if raw.rejection_reason else replace(raw, meta_features=_meta_features(study))


def _meta_features(study: optuna.Study) -> dict[str, float]:
    try:
        return read_meta_features(study_user_attrs(study)) or {}
    except ValueError as error:
        warnings.warn(
            f"The meta-features of prior study {study.study_name!r} are not used: {error}",
            stacklevel=2,
        )
        return {}


def open_storage(storage: str | BaseStorage) -> BaseStorage:
    """Return a storage, of its URL too.

    Raises:
        ValueError: The URL is a file's name, or that of an SQLite file that does not exist.
    """
    if isinstance(storage, str):
        if os.path.isfile(storage) and not storage.endswith(".log"):
            raise ValueError(
                f"{storage!r} is a file, a storage URL is wanted: 'sqlite:///{storage}'."
            )
        _require_sqlite_file(storage)
    return optuna.storages.get_storage(storage)


def _require_sqlite_file(url: str) -> None:
    """Refuse a missing file: SQLAlchemy would create it, and a slip would read as "no priors"."""
    scheme, _, path = url.partition(":///")
    path = path.split("?")[0].removeprefix("file:")
    is_file = scheme.startswith("sqlite") and path not in ("", ":memory:")
    if is_file and not os.path.isfile(path):
        raise ValueError(
            f"No SQLite file at {path!r} (from the URL {url!r}, seen from {os.getcwd()!r}). "
            "Prior studies are read from an existing file: check the path."
        )


def _identity(distribution: BaseDistribution) -> Any:
    """Return a hashable that differs where the distributions do, also by choices 1 and True."""
    if isinstance(distribution, CategoricalDistribution):
        return repr(distribution.choices)
    return (type(distribution), *vars(distribution).values())

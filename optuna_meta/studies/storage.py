"""Studies of an Optuna storage -> raw studies, each read once, and none lost to an outage."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import partial
import hashlib
from typing import Any
import warnings

import optuna
from optuna.storages import BaseStorage
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from tqdm.auto import tqdm

from optuna_meta._optuna import metric_names
from optuna_meta._optuna import metric_names_in
from optuna_meta._optuna import storage_of
from optuna_meta._optuna import study_id_of
from optuna_meta._optuna import study_user_attrs
from optuna_meta._optuna_storages import database_of
from optuna_meta._optuna_storages import ended_by_study
from optuna_meta._optuna_storages import file_of
from optuna_meta._optuna_storages import origin_of
from optuna_meta._optuna_storages import storage_mark
from optuna_meta.features.record import META_FEATURES_KEY
from optuna_meta.features.record import read_meta_features
from optuna_meta.outcomes.observations import constraint_keys
from optuna_meta.outcomes.observations import fingerprint_of
from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.outcomes.observations import objectives
from optuna_meta.outcomes.observations import observe
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.studies.listing import BrokenStudy
from optuna_meta.studies.listing import listed
from optuna_meta.studies.mapping import ParameterMapping
from optuna_meta.studies.open_storage import opened
from optuna_meta.studies.outage import cause_of
from optuna_meta.studies.outage import Patience
from optuna_meta.studies.outage import shown
from optuna_meta.studies.outage import StorageOutage
from optuna_meta.studies.task import RawStudy
from optuna_meta.studies.task import unchanged
from optuna_meta.studies.task import unreadable


__all__ = ["Selection", "reached", "read_storage", "read_studies"]

_SILENT_SECONDS = 2.0  # Before a bar shows how far reading is.
_ADVICE = "Start it and read again, or give it more time with patience=."


@dataclass(frozen=True)
class Selection:
    """Which studies of a storage to read, and how.

    Args:
        study_names: Their names; all by default.
        where: Called with each study before its trials are read; true keeps the study.
        known: By origin, the versions of studies that need not be read again.
        patience: Seconds that the storage may leave a question unanswered.
    """

    study_names: Sequence[str] | None = None
    where: Callable[[Any], bool] | None = None
    known: Mapping[str, str] = field(default_factory=dict)
    patience: float = 30.0


@dataclass(frozen=True)
class _Source:
    """A study that can be read.

    Args:
        name: Its name.
        directions: Of each objective.
        metric_names: Of each objective, where they are set.
        user_attrs: Its user attributes.
        origin: What names it for good.
        trials: Reads its finished trials.
        ended: How many trials it has and when the last ended; empty where only its trials say so.
        number: The storage's own for it.
    """

    name: str
    directions: Sequence[StudyDirection]
    metric_names: Sequence[str] | None
    user_attrs: Mapping[str, Any]
    origin: str
    trials: Callable[[], list[FrozenTrial]]
    ended: str = ""
    number: Any = None

    def version(self, ended: str, mapping: ParameterMapping) -> str:
        """Return what differs once anything that was read of the study does."""
        features = self.user_attrs.get(META_FEATURES_KEY)
        rest = [self.directions, self.metric_names, features, mapping.rename, mapping.defaults]
        digest = hashlib.sha256(repr([self.name, *rest]).encode("utf-8", "backslashreplace"))
        return f"{ended}#{digest.hexdigest()[:16]}"


def reached(storage: str | BaseStorage, patience: float) -> BaseStorage:
    """Open a storage, waiting for one that does not answer yet."""
    try:
        # An SQLite database in memory is of one thread.
        remote = (
            is_remote(storage)
            if isinstance(storage, BaseStorage)
            else "sqlite" not in str(storage)
        )
        return Patience(patience, remote).answer(partial(opened, storage))
    except StorageOutage as outage:
        raise StorageOutage(f"The storage is unreachable ({outage}). {_ADVICE}") from outage


def read_storage(
    storage: BaseStorage, selection: Selection, mapping: ParameterMapping
) -> Iterator[RawStudy]:
    """Read the chosen studies of a storage; see :meth:`optuna_meta.Prior.from_storage`.

    Raises:
        ConnectionError: The storage was unreachable for longer than is waited for.
    """
    n_read, n_chosen = 0, "the"
    patience = Patience(selection.patience, is_remote(storage))
    try:
        sources = patience.answer(partial(_sources, storage, selection))
        n_chosen = str(len(sources))
        for source in tqdm(
            sources,
            "Reading prior studies",
            leave=False,
            unit="study",
            delay=_SILENT_SECONDS,
            disable=None,
        ):
            if isinstance(source, BrokenStudy):
                yield unreadable(source.study_name, source.problem)
                continue
            probe = partial(storage.get_study_user_attrs, source.number)
            read = partial(_read, source, mapping, selection.known)
            yield _read_guarded(source.name, read, probe, patience)
            n_read += 1
    except StorageOutage as outage:
        raise StorageOutage(
            f"Read {n_read} of {n_chosen} studies: the storage is unreachable ({outage}). "
            f"{_ADVICE}"
        ) from outage


def read_studies(studies: Iterable[optuna.Study], mapping: ParameterMapping) -> Iterator[RawStudy]:
    """Read studies.

    Raises:
        ConnectionError: A storage was unreachable for longer than is waited for.
    """
    for n_read, study in enumerate(studies):
        patience = Patience(Selection.patience, is_remote(storage_of(study)))
        read = partial(_read_study, study, mapping)
        try:
            yield _read_guarded(study.study_name, read, partial(study_user_attrs, study), patience)
        except StorageOutage as outage:
            raise StorageOutage(
                f"Read {n_read} studies: the storage of study {shown(study.study_name)} is "
                f"unreachable ({outage})."
            ) from outage


def is_remote(storage: BaseStorage) -> bool:
    """Tell whether a storage answers over a network, and may fall silent."""
    database = database_of(storage)
    if database is not None:
        return database.engine.dialect.name != "sqlite"
    return not isinstance(storage, InMemoryStorage) and file_of(storage) is None


def _sources(storage: BaseStorage, selection: Selection) -> list[_Source | BrokenStudy]:
    wanted = selection.study_names
    wanted = [wanted] if isinstance(wanted, str) else wanted
    studies = listed(storage, None if wanted is None else list(dict.fromkeys(wanted)))
    where = selection.where or (lambda study: True)
    mark, database = storage_mark(storage), database_of(storage)
    ended = ended_by_study(database, FINISHED) if selection.known and database else None
    chosen = [s for s in studies if isinstance(s, BrokenStudy) or where(s)]
    if studies and not chosen:
        warnings.warn(f"where= keeps none of {len(studies)} studies.", stacklevel=2)
    return [_source(storage, study, mark, ended) for study in chosen]


def _source(
    storage: BaseStorage, study: Any, mark: str, ended: Mapping[int, tuple[int, Any]] | None
) -> _Source | BrokenStudy:
    if isinstance(study, BrokenStudy):
        return study
    number = study_id_of(study)
    return _Source(
        study.study_name,
        study.directions,
        metric_names_in(study.system_attrs),
        study.user_attrs,
        f"{mark}#{number}",
        partial(storage.get_all_trials, number, deepcopy=False, states=FINISHED),
        "" if ended is None else _ended(*ended.get(number, (0, None))),
        number,
    )


def _read_guarded(
    name: str, read: Callable[[], RawStudy], probe: Callable[[], Any], patience: Patience
) -> RawStudy:
    """Read a study; a broken one costs only itself, an outage all or nothing.

    A study is broken if it cannot be read a second time, the storage having answered in between.
    """
    try:
        return patience.answer(read)
    except StorageOutage:
        raise
    except Exception:
        patience.answer(partial(_probed, probe))
    try:
        return patience.answer(read)
    except StorageOutage:
        raise
    except Exception as error:  # Whatever a broken study raises.
        return unreadable(name, f"reading it failed: {cause_of(error)}")


def _probed(probe: Callable[[], Any]) -> None:
    try:
        probe()
    except KeyError:  # It was deleted since: so the storage says.
        pass
    except Exception as error:
        raise TimeoutError(cause_of(error)) from error


def _read_study(study: optuna.Study, mapping: ParameterMapping) -> RawStudy:
    source = _Source(
        study.study_name,
        study.directions,
        metric_names(study),
        study_user_attrs(study),
        origin_of(study),
        partial(study.get_trials, deepcopy=False, states=FINISHED),
    )
    return _read(source, mapping, {})


def _read(source: _Source, mapping: ParameterMapping, known: Mapping[str, str]) -> RawStudy:
    if source.ended and known.get(source.origin) == source.version(source.ended, mapping):
        return unchanged(source.name, source.origin)
    trials = source.trials()
    ends = [trial.datetime_complete for trial in trials if trial.datetime_complete]
    version = source.version(_ended(len(trials), max(ends, default=None)), mapping)
    if known.get(source.origin) == version:
        return unchanged(source.name, source.origin)
    keys = constraint_keys(trials)
    observations, dimensions = mapping.apply(observe(trials, source.directions, keys))
    outcomes = [*objectives(len(source.directions), source.metric_names)]
    outcomes += [Outcome.constraint(key) for key in keys]
    raw = RawStudy(
        source.name,
        observations,
        outcomes,
        dimensions,
        fingerprint=fingerprint_of(trials),
        origin=source.origin,
        version=version,
    )
    return raw if raw.rejection_reason else replace(raw, meta_features=_meta_features(source))


def _ended(n_trials: int, last: Any) -> str:
    return f"{n_trials}@{last}"


def _meta_features(source: _Source) -> dict[str, float]:
    try:
        return read_meta_features(source.user_attrs) or {}
    except ValueError as error:
        warnings.warn(
            f"The meta-features of prior study {shown(source.name)} are not used: {error}",
            stacklevel=2,
        )
        return {}

"""A storage -> its studies; one by one where it cannot tell all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.storages import BaseStorage

from optuna_meta._optuna_storages import database_of
from optuna_meta._optuna_storages import names_in
from optuna_meta._optuna_storages import study_named
from optuna_meta.studies.outage import cause_of
from optuna_meta.studies.outage import is_outage
from optuna_meta.studies.outage import shown


__all__ = ["BrokenStudy", "listed"]


@dataclass(frozen=True)
class BrokenStudy:
    """A study whose description cannot be read.

    Args:
        study_name: Its name.
        problem: What was raised.
    """

    study_name: str
    problem: str


def listed(storage: BaseStorage, names: Sequence[str] | None) -> list[Any]:
    """Return what ``get_all_studies`` tells, and a :class:`BrokenStudy` for each that is broken.

    Args:
        storage: The storage.
        names: Of the wanted studies, where they are known.

    Raises:
        ValueError: One of the names is unknown, or nothing tells the names.
    """
    try:
        studies = list(storage.get_all_studies())
    except Exception as error:  # One broken study is enough, and some storages cannot at all.
        if is_outage(error):
            raise
        return [_found(storage, name) for name in _names(storage, names, error)]
    return studies if names is None else _chosen(studies, names)


def _names(storage: BaseStorage, names: Sequence[str] | None, error: Exception) -> Sequence[str]:
    database = database_of(storage)
    known = names if names is not None else names_in(database) if database else None
    if known is None:
        raise ValueError(
            f"The storage cannot list its studies ({cause_of(error)}): name them, "
            "study_names=[...]; MLflow's are read by Prior.from_mlflow(tracking_uri)."
        ) from error
    return known


def _found(storage: BaseStorage, name: str) -> Any:
    try:
        return study_named(storage, name)
    except Exception as error:  # Whatever a broken study raises.
        if is_outage(error):
            raise
        return BrokenStudy(name, f"reading it failed: {cause_of(error)}")


def _chosen(studies: Sequence[Any], names: Sequence[str]) -> list[Any]:
    known = {study.study_name: study for study in studies}
    if unknown := [name for name in names if name not in known]:
        others = ", ".join(map(shown, list(known)[:10])) or "no study at all"
        raise ValueError(
            f"The storage has no study named {', '.join(map(shown, unknown))}; it has {others}."
        )
    return [known[name] for name in names]

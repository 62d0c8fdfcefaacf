"""A study among the prior studies of its own storage: never its own prior."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from typing import TYPE_CHECKING

from optuna.trial import FrozenTrial

from optuna_meta._optuna import all_trials
from optuna_meta._optuna_storages import origin_of
from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.outcomes.observations import is_of_study
from optuna_meta.studies.task import Task


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["own_names"]


def own_names(
    tasks: Iterable[Task], study: Study, trials: Sequence[FrozenTrial]
) -> tuple[str, ...]:
    """Find the names under which a study with these trials is itself among prior studies."""
    # HyperbandPruner's wrapper shows some of the trials, perhaps not the first.
    finished = {t.number: t for t in all_trials(study, trials) if t.state in FINISHED}
    own = origin_of(study)
    storage = own[: own.index("#") + 1]
    return tuple(
        task.name
        for task in tasks
        # Two studies of one storage are two, however equal.
        if task.origin == own or not task.origin.startswith(storage)
        if is_of_study(task.fingerprint, finished)
    )

"""Prior studies as frozen records of arrays, in one encoded cube."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from itertools import compress
from pathlib import Path
from typing import Any
from typing import TYPE_CHECKING
from typing import Unpack

import numpy as np
import optuna
from optuna.storages import BaseStorage

from optuna_meta._optuna_storages import storage_mark
from optuna_meta.space.search_space import Space
from optuna_meta.studies.encoding import encoded
from optuna_meta.studies.encoding import joined
from optuna_meta.studies.mapping import ParameterMapping
from optuna_meta.studies.prior_file import read_prior
from optuna_meta.studies.prior_file import write_prior
from optuna_meta.studies.sources.csv_files import read_csv
from optuna_meta.studies.sources.dataframe import read_frame
from optuna_meta.studies.sources.found import check_options
from optuna_meta.studies.sources.found import direction_of
from optuna_meta.studies.sources.found import logged_only
from optuna_meta.studies.sources.found import raw_studies
from optuna_meta.studies.sources.found import ReadOptions
from optuna_meta.studies.sources.mlflow import read_mlflow
from optuna_meta.studies.sources.ray import read_ray
from optuna_meta.studies.sources.sklearn import read_searches
from optuna_meta.studies.sources.wandb import read_wandb
from optuna_meta.studies.storage import reached
from optuna_meta.studies.storage import read_storage
from optuna_meta.studies.storage import read_studies
from optuna_meta.studies.storage import Selection
from optuna_meta.studies.summary import PriorSummary
from optuna_meta.studies.summary import summarized
from optuna_meta.studies.task import Task


if TYPE_CHECKING:
    import pandas as pd


__all__ = ["name_set", "Prior"]


@dataclass(frozen=True)
class Prior:
    """The prior studies that can serve, in one encoded cube.

    Args:
        space: The union of the studies' search spaces.
        tasks: What the studies say: a task for each outcome of each study.
        versions: By the origin of each study that was read, what differs once it has changed.
        left_out: Studies that cannot serve, and why.
    """

    space: Space = field(default_factory=Space)
    tasks: tuple[Task, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict, repr=False)
    left_out: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the prior studies."""
        return tuple(dict.fromkeys(task.name for task in self.tasks))

    @classmethod
    def from_storage(
        cls,
        storage: str | BaseStorage,
        study_names: Sequence[str] | None = None,
        where: Callable[[Any], bool] | None = None,
        *,
        rename: Mapping[str, str] | None = None,
        defaults: Mapping[str, Any] | None = None,
        update: Prior | None = None,
        patience: float = 30.0,
    ) -> Prior:
        """Read prior studies from a storage, each once.

        A broken study is left out with a warning; a storage that does not answer is waited for.

        Args:
            storage: URL, path of a journal or of an SQLite file, or any Optuna storage object.
            study_names: The studies to read; all by default.
            where: Called with each study before its trials are read (an object with
                ``study_name``, ``directions`` and ``user_attrs``); true keeps the study.
            rename: New names of parameters by their old ones.
            defaults: Values that studies without these parameters (by their new names) ran with.
            update: What was read before, with the same ``rename`` and ``defaults``: only new and
                changed studies of this storage are read, those that it lacks now are forgotten,
                and those of other storages stay. On a relational database no trial of an
                unchanged study is read.
            patience: Seconds that the storage may leave a question unanswered.

        Raises:
            ConnectionError: The storage was unreachable for longer than that.
            ValueError: The file or one of ``study_names`` does not exist, or the file is damaged.
        """
        mapping = ParameterMapping(rename or {}, defaults or {})
        before = update or cls()
        known = before.space, before.tasks, before.versions, before.left_out
        reached_storage = reached(storage, patience)
        selection = Selection(study_names, where, before.versions, patience)
        raw = read_storage(reached_storage, selection, mapping)
        return cls(*encoded(raw, mapping, known, storage_mark(reached_storage)))

    @classmethod
    def from_studies(
        cls,
        studies: Iterable[optuna.Study],
        *,
        rename: Mapping[str, str] | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> Prior:
        """Read prior studies; one that cannot serve is left out with a warning.

        Args:
            studies: The studies; each objective and each constraint of one is learned from.
            rename: New names of parameters by their old ones.
            defaults: Values that studies without these parameters (by their new names) ran with.
        """
        mapping = ParameterMapping(rename or {}, defaults or {})
        return cls(*encoded(read_studies(studies, mapping), mapping))

    @classmethod
    def joined(cls, priors: Sequence[Prior] | Mapping[str, Prior]) -> Prior:
        """Return several priors as one, such as those of a storage, of a file and of MLflow.

        Args:
            priors: The priors; by labels, ``{"old": prior}``, each study is named ``old/study``
                (``find_checkpoints`` knows studies by their own names alone).

        Raises:
            ValueError: Two of them have studies of the same name.
        """
        if isinstance(priors, Mapping):
            priors = [prior._labelled(label) for label, prior in priors.items()]
        parts = [(p.space, p.tasks, dict(p.versions), dict(p.left_out)) for p in priors]
        return cls(*joined(parts))

    def _labelled(self, label: str) -> Prior:
        tasks = tuple(replace(task, name=f"{label}/{task.name}") for task in self.tasks)
        left_out = {f"{label}/{name}": reason for name, reason in self.left_out.items()}
        return replace(self, tasks=tasks, left_out=left_out)

    @classmethod
    def from_dataframe(
        cls,
        frame: pd.DataFrame,
        *,
        study: str | None = None,
        value: str | Sequence[str] | None = None,
        direction: str | Sequence[str] = "minimize",
        **options: Unpack[ReadOptions],
    ) -> Prior:
        """Read prior studies from a table of trials, also from what ``trials_dataframe`` returns.

        Ranges and choices are inferred from the values, by a rule that is logged with them.

        Args:
            frame: A row per trial. Its columns ``params_...`` are the parameters if there are
                any, else all but ``study`` and ``value``; an empty cell says that the trial did
                not have it.
            study: Column that names the prior study of a trial; without, all are one.
            value: Column with the objective value, or columns; ``value`` or ``values_...`` of an
                export.
            direction: ``"minimize"`` or ``"maximize"``, for all studies; or one for each value.
            **options: ``parameters``, the names of those columns that are ones; ``distributions``
                by name, instead of those that the columns show; ``rename`` and ``defaults`` as in
                :meth:`from_storage`; ``meta_features`` by study name.

        Raises:
            ValueError: A column is missing, or holds what would be misread.
        """
        check_options(options)
        found = read_frame(frame, study, value, direction, options)
        return cls(*encoded(*raw_studies(found, options)))

    @classmethod
    def from_csv(
        cls,
        paths: str | Path | Sequence[str | Path],
        *,
        value: str | Sequence[str] | None = None,
        direction: str | Sequence[str],
        study: str | None = None,
        **options: Unpack[ReadOptions],
    ) -> Prior:
        """Read CSV files as :meth:`from_dataframe` does; without ``study`` each is a study."""
        check_options(options)
        found = read_csv(paths, study, value, direction, options)
        return cls(*encoded(*raw_studies(found, options)))

    @classmethod
    def from_sklearn(
        cls, searches: Any, *, metric: str | None = None, **options: Unpack[ReadOptions]
    ) -> Prior:
        """Read prior studies from searches of scikit-learn, whose scores are maximised.

        Args:
            searches: A fitted search (grid, random or halving), its ``cv_results_``, also as a
                frame or the path of a CSV file; or several by the names of their studies.
            metric: The scorer's name, of a search with several.
            **options: As in :meth:`from_dataframe`.
        """
        check_options(options)
        return cls(*encoded(*raw_studies(read_searches(searches, metric), options)))

    @classmethod
    def from_mlflow(
        cls,
        tracking_uri: str,
        *,
        experiments: Sequence[str] | None = None,
        metric: str | None = None,
        direction: str | None = None,
        **options: Unpack[ReadOptions],
    ) -> Prior:
        """Read prior studies from MLflow (needs ``mlflow-skinny`` or ``mlflow``).

        Runs are the trials of their parent run, else of their experiment. Studies of Optuna tell
        metric and direction themselves.

        Args:
            tracking_uri: As ``mlflow.set_tracking_uri`` takes it.
            experiments: Their names; all active ones by default.
            metric: The metric that is the runs' value.
            direction: ``"minimize"`` or ``"maximize"``.
            **options: As in :meth:`from_dataframe`.

        Raises:
            ConnectionError: The server or its store cannot be read.
            ValueError: No run has the metric, there is no such experiment, or metric and direction
                of no study are known.
        """
        check_options(options)
        known = None if direction is None else direction_of(direction)
        found = read_mlflow(tracking_uri, experiments, metric, known)
        return cls(*encoded(*raw_studies(logged_only(found, options), options)))

    @classmethod
    def from_wandb(
        cls,
        runs: Any,
        *,
        metric: str,
        direction: str,
        study: str | None = None,
        **options: Unpack[ReadOptions],
    ) -> Prior:
        """Read prior studies from finished runs of Weights & Biases.

        Args:
            runs: ``"entity/project"`` (needs ``wandb``), runs of its API, a sweep, or a table of
                ``config`` and ``summary``; trials of their sweep, else group, else project.
            metric: Of the summary.
            direction: ``"minimize"`` or ``"maximize"``.
            study: Column of a table that names the study.
            **options: As in :meth:`from_dataframe`.

        Raises:
            ConnectionError: The server cannot be read.
            ValueError: No run has the metric, or a table lacks a column.
        """
        check_options(options)
        found = read_wandb(runs, metric, direction_of(direction), study)
        return cls(*encoded(*raw_studies(logged_only(found, options), options)))

    @classmethod
    def from_ray(
        cls, results: Any, *, metric: str, direction: str, **options: Unpack[ReadOptions]
    ) -> Prior:
        """Read prior studies from results of Ray Tune; trials that it stopped early are pruned.

        Args:
            results: A ``ResultGrid``, or the folder of one experiment or of several.
            metric: What the trials report.
            direction: ``"minimize"`` or ``"maximize"``.
            **options: As in :meth:`from_dataframe`.

        Raises:
            ValueError: No trial reports the metric, or there are no results.
        """
        check_options(options)
        found = read_ray(results, metric, direction_of(direction))
        return cls(*encoded(*raw_studies(logged_only(found, options), options)))

    def summary(self) -> PriorSummary:
        """Say what is in it: print it, or let a notebook show it."""
        return summarized(self.tasks, self.space.names, self.left_out)

    def __repr__(self) -> str:
        return repr(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def without(self, names: Iterable[str]) -> Prior:
        """Return the prior without the studies of these names.

        Its space lacks parameters that only those had; the ranges of the others stay. Names of no
        study change nothing.

        Raises:
            ValueError: A name comes alone, not in a list.
        """
        left_out = name_set(names)
        kept = tuple(t for t in self.tasks if t.name not in left_out)
        if len(kept) == len(self.tasks):
            return self
        tuned = np.any([task.tuned for task in kept], axis=0) if kept else np.zeros(0, dtype=bool)
        space = Space(tuple(compress(self.space.dimensions, tuned)))
        of_kept = tuple(replace(task, rows=task.rows[:, tuned]) for task in kept)
        return replace(self, space=space, tasks=of_kept)

    def save(self, path: str | Path) -> None:
        """Write the records to a file (safetensors; no pickle)."""
        write_prior(path, self.space, self.tasks, self.versions, self.left_out)

    @classmethod
    def load(cls, path: str | Path) -> Prior:
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is truncated, damaged, foreign or from a newer version.
        """
        return cls(*read_prior(path))


def name_set(names: Iterable[str]) -> set[str]:
    """Return names as a set; a text would be one of letters.

    Raises:
        ValueError: It is a text.
    """
    if isinstance(names, str):
        raise ValueError(f"Names of studies must come in a list, got {names!r}: pass [{names!r}].")
    return set(names)

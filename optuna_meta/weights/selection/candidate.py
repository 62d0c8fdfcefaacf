"""Checkpoints of prior studies to start from, the best of each study first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna import Study
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from optuna_meta._typing import Array
from optuna_meta.studies.open_storage import opened
from optuna_meta.studies.prior import Prior
from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.store.record import CheckpointRecord
from optuna_meta.weights.store.retention import signs_of
from optuna_meta.weights.store.store import CheckpointStore


__all__ = ["Candidate", "find_checkpoints"]


@dataclass(frozen=True)
class Candidate:
    """A checkpoint that a new study's models may start from.

    Args:
        record: The checkpoint.
        score: The share of its study's results that it beats, ties counted half: comparable
            across studies, whatever they measure and in which direction.
        store: Where it lies.
    """

    record: CheckpointRecord
    score: float
    store: CheckpointStore

    def load(self) -> Checkpoint:
        """Read it; see :meth:`CheckpointStore.load`."""
        return self.store.load(self.record)

    def __str__(self) -> str:
        return str(self.record)


def find_checkpoints(
    prior_studies: Iterable[Study] | Study | Prior | str | BaseStorage,
    store: CheckpointStore,
    *,
    storage: str | BaseStorage | None = None,
) -> list[Candidate]:
    """Return the checkpoints of prior studies, those best within their study first.

    Those without a finite value are left out: their trials failed or diverged. A checkpoint that
    several studies share, as copies do, comes once.

    Args:
        prior_studies: Other studies than the one that is to start from them: one that inherits
            from itself compares runs of different length. Or a storage, by its URL too, for all
            the studies in it; or a :class:`Prior`, for those of ``storage`` that it has.
        store: Where their checkpoints are.
        storage: Where the studies of a :class:`Prior` are, which has their numbers alone.

    Raises:
        ValueError: The prior studies are none, or a :class:`Prior` comes without a storage, or the
            store is none.
    """
    if not isinstance(store, CheckpointStore):
        raise ValueError(
            f"Wanted a CheckpointStore, got {type(store).__name__}: pass CheckpointStore(folder)."
        )
    candidates: dict[str, Candidate] = {}
    for study in _studies(prior_studies, storage):
        for candidate in _of_study(study, store):
            candidates.setdefault(candidate.record.weights.artifact_id, candidate)
    return sorted(candidates.values(), key=lambda candidate: -candidate.score)


def _studies(prior_studies: Any, storage: str | BaseStorage | None) -> list[Study]:
    """Return the studies, of whatever names them."""
    if isinstance(prior_studies, str | BaseStorage):
        storage = opened(prior_studies)
        names = optuna.get_all_study_names(storage)
        return [optuna.load_study(study_name=name, storage=storage) for name in names]
    if isinstance(prior_studies, Prior):
        if storage is None:
            raise ValueError(
                "A Prior has no checkpoints, only what trials came to: pass storage=, where its "
                "studies are, or the studies."
            )
        known = {study.study_name: study for study in _studies(storage, None)}
        return [known[name] for name in prior_studies.names if name in known]
    if isinstance(prior_studies, Study):
        return [prior_studies]
    studies = list(prior_studies) if isinstance(prior_studies, Iterable) else [prior_studies]
    for study in studies:
        if not isinstance(study, Study):
            raise ValueError(
                "Wanted studies, a storage or its URL, or a Prior, got "
                f"{type(study).__name__}: load a study with optuna.load_study."
            )
    return studies


def _of_study(study: Study, store: CheckpointStore) -> list[Candidate]:
    signs = signs_of(study)
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    results = signs * np.array([t.values for t in trials], dtype=float).reshape(-1, len(signs))
    places = {trial.number: place for place, trial in enumerate(trials)}
    candidates = []
    for record in store.records(study):
        place = places.get(record.trial)
        own = None if place is None else results[place]
        if len(signs) == 1 and record.value is not None:
            own = signs * record.value
        if own is not None and np.isfinite(own).all():
            others = results if place is None else np.delete(results, place, axis=0)
            candidates.append(Candidate(record, _score(own, others), store))
    return candidates


def _score(own: Array, others: Array) -> float:
    """Return the share of other values (n, K), lower is better, that are worse than own (K,).

    Of n + 1 values, that is, of which ties count half.

    A single trial has the score 1/2: nothing is known of it.
    """
    worse, better = (others > own).any(axis=1), (others < own).any(axis=1)
    # What is both is neither: it neither dominates nor is dominated, a tie.
    return 0.5 + 0.5 * (int(worse.sum()) - int(better.sum())) / (len(others) + 1)

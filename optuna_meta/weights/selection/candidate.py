"""The checkpoints of prior studies, each with how good it was within its own study."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from optuna import Study
from optuna.trial import TrialState

from optuna_meta._typing import Array
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


def find_checkpoints(prior_studies: Iterable[Study], store: CheckpointStore) -> list[Candidate]:
    """Return the checkpoints of prior studies, those best within their study first.

    Those without a finite value are left out: their trials failed or diverged. A checkpoint that
    several studies share, as copies do, comes once.

    Args:
        prior_studies: Other studies than the one that is to start from them: one that inherits
            from itself compares runs of different length.
        store: Where their checkpoints are.

    Raises:
        ValueError: The prior studies are none.
    """
    if not isinstance(prior_studies, Iterable):
        raise ValueError(
            f"Prior studies must be a list of optuna.Study, got {type(prior_studies).__name__}: "
            "load each with optuna.load_study."
        )
    candidates: dict[str, Candidate] = {}
    for study in prior_studies:
        for candidate in _of_study(study, store):
            candidates.setdefault(candidate.record.weights.artifact_id, candidate)
    return sorted(candidates.values(), key=lambda candidate: -candidate.score)


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

"""What curves of prior studies say of a trial's chance to end below the incumbent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

import numpy as np

from optuna_meta._typing import Array
from optuna_meta.pruning.expectation import expected_by_others
from optuna_meta.pruning.logistic import chance
from optuna_meta.pruning.logistic import fit_logistic
from optuna_meta.pruning.replay import Replay
from optuna_meta.pruning.replay import replayed
from optuna_meta.pruning.risk import Records
from optuna_meta.pruning.risk import stake
from optuna_meta.pruning.standing import N_COLUMNS
from optuna_meta.studies.task import Task
from optuna_meta.surrogate.fitted import FittedPrior


__all__ = ["CurveModel", "default_coefficients", "fit_curves", "records_of"]

_MOST_STUDIES = 64
_ORDERS = 48  # Of all prior studies together, at least _FEWEST each and no more than _MOST.
_FEWEST, _MOST = 3, 8
_FOLDS = 5
_PULL = 1.0
_ENOUGH = 20  # Different records.
_POSITIONS_OF_A_TRIAL = 4.0  # Its 12 positions, and its orders, tell no more than so many.


def default_coefficients() -> Array:
    """Return coefficients without any study: a chance falls with gap and rank, late more.  # (18,)

    They only order trials; how low a chance must be is always counted.
    """
    # (1, gap, rank, progress, expected, number of earlier trials) x (early, midway, late)
    coefficients = np.zeros((6, 3))
    coefficients[1] = -0.5, -1.5, -2.5
    coefficients[2] = coefficients[5] = -1.0
    return coefficients.ravel()


# A chance falls with gap, rank and number and rises with progress, at every stage.
_LOWER = np.repeat([-np.inf, -np.inf, -np.inf, 0.0, -np.inf, -np.inf], 3)
_UPPER = np.repeat([np.inf, 0.0, 0.0, np.inf, 0.0, 0.0], 3)


@dataclass(frozen=True)
class CurveModel:
    """Chances, and how they did where they were put to the test.

    Args:
        coefficients: Of the columns of ``standing``.  # (18,)
        records: Of each prior study, under chances that were learned from others.
        replay: The prior studies' trials; ``None`` without any.
        earliest: Share of the way before which no prior trial was seen.
    """

    coefficients: Array = field(default_factory=default_coefficients)
    records: tuple[Records, ...] = ()
    replay: Replay | None = field(default=None, repr=False)
    earliest: float = 0.0

    def count(self, X: Array, position: float) -> tuple[int, int]:
        """Count the prior trials that stood no better, and those of them that improved.

        Args:
            X: Where a trial stands, as columns.  # (18,)
            position: Share of the way that is done.
        """
        if self.replay is None:
            return 0, 0
        replay = self.replay
        column = np.argmin(np.abs(replay.positions - position), axis=1)
        rows = replay.X[np.arange(len(replay)), column]
        stood = rows @ self.coefficients <= X @ self.coefficients
        keys = np.stack([replay.studies, replay.trials], axis=1)
        improved = np.unique(keys[stood & replay.improved], axis=0)
        return len(np.unique(keys[stood], axis=0)), len(improved)


def fit_curves(
    tasks: Sequence[Task], n_objectives: int = 1, fitted: FittedPrior | None = None
) -> CurveModel:
    """Learn chances from prior studies; how they do is seen on studies that they do not know.

    Args:
        tasks: The prior studies.
        n_objectives: Of the target: those of as many serve.
        fitted: What predicts configurations, for those who know any.
    """
    studies = _studies(tasks, n_objectives)
    n_orders = int(np.clip(_ORDERS // max(len(studies), 1), _FEWEST, _MOST))
    played = [
        replayed(
            [t.curves for t in study if t.curves is not None],
            np.stack([t.values for t in study], axis=1),
            n_orders,
            i,
            expected_by_others(fitted, study[0]),
        )
        for i, study in enumerate(studies)
    ]
    replays = [replay for replay in played if replay is not None]
    if not replays:
        return CurveModel()
    joined = Replay.joined(replays)
    records = _records(replays, joined, of_top=True)
    if sum(r.n_trials for r in records) < _ENOUGH:
        records = _records(replays, joined, of_top=False)
    earliest = float(joined.positions.min())
    return CurveModel(_fitted(joined), records, joined, earliest)


def _studies(tasks: Sequence[Task], n_objectives: int) -> list[list[Task]]:
    """Return the studies whose every objective has curves, each as its tasks."""
    by_name: dict[str, list[Task]] = {}
    for task in tasks:
        has_curve = task.curves is not None and len(task.curves.steps) > 1
        if has_curve and task.outcome.n_objectives == n_objectives:
            by_name.setdefault(task.name, []).append(task)
    known = [study for _, study in sorted(by_name.items()) if len(study) == n_objectives]
    return known[:_MOST_STUDIES]


def _records(replays: Sequence[Replay], joined: Replay, of_top: bool) -> tuple[Records, ...]:
    """Return each study's records, under chances that were learned from others if there are any.

    A study's best trial is among its best; where too few are, all that improved stand for them.
    """
    found: list[Records] = []
    for group in (replays[i::_FOLDS] for i in range(min(_FOLDS, len(replays)))):
        own = [int(replay.studies[0]) for replay in group]
        kept = ~np.isin(joined.studies, own)
        coefficients = _fitted(joined.select(kept) if kept.any() else joined)
        found += [records_of(replay.records(of_top), coefficients) for replay in group]
    return tuple(found)


def records_of(records: Replay, coefficients: Array) -> Records:
    """Return what would have been at stake in stopping trials that are records."""
    stakes = stake(chance(records.X, coefficients), records.n_before[:, None])
    return Records(stakes.min(axis=1), len(np.unique(records.trials)))


def _fitted(replay: Replay) -> Array:
    q, n_positions = replay.positions.shape
    n_trials = len(np.unique(np.stack([replay.studies, replay.trials]), axis=1).T)
    weight = _POSITIONS_OF_A_TRIAL * n_trials / (q * n_positions)
    y = np.repeat(replay.improved, n_positions).astype(float)
    X = replay.X.reshape(-1, N_COLUMNS)
    weights = np.full(len(y), weight)
    return fit_logistic(X, y, weights, default_coefficients(), _PULL, _LOWER, _UPPER)

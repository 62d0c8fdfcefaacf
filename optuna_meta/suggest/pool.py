"""The rows that a search begins with, and which of a search's rows may be tried."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.outcomes.pareto import best_first
from optuna_meta.space.conditions import apply_conditions
from optuna_meta.space.rows import apart
from optuna_meta.space.rows import different
from optuna_meta.space.rows import enumerated
from optuna_meta.space.rows import fixed
from optuna_meta.space.rows import is_unseen
from optuna_meta.space.rows import positions
from optuna_meta.space.rows import repeats_of
from optuna_meta.space.rows import row_keys
from optuna_meta.space.rows import uniform
from optuna_meta.studies.prior import Prior
from optuna_meta.studies.task import Task
from optuna_meta.suggest.request import SuggestRequest
from optuna_meta.surrogate.kernel import design
from optuna_meta.surrogate.mixture_gp import Inputs
from optuna_meta.surrogate.transfer_model import OutcomePosterior
from optuna_meta.surrogate.transfer_model import TransferModel


__all__ = ["candidate_pool", "fresh_rows", "left_over", "Pool", "prior_pool", "seen", "SMALL"]

SMALL = 1000  # A space of no more rows is searched whole.
_SPREAD = 400  # Random rows of the pool, drawn once for a space.
_REMEMBERED = 300  # Best trials of the prior studies in the pool, at most ...
_OF_ONE = 15  # ... and of one study.
_OF_ONE_TRIAL = 0.05  # In ranges, by the root of the dimensions: what one of several takes.


@dataclass
class Pool:
    """Candidates that serve every trial of a study.

    Args:
        rows: The candidates, the prior studies' best trials first.  # (M, D)
        X: Their design.  # (M, W)
        n_remembered: How many of the rows are prior studies' best trials.
        Z: By outcome, what the prior studies expect, NaN for studies not asked so far.  # (M, T)
    """

    rows: Array
    X: Array
    n_remembered: int
    Z: dict[Outcome, Array] = field(default_factory=dict)

    def inputs(self, model: TransferModel, posterior: OutcomePosterior) -> Inputs:
        """Assemble what a posterior's model reads of the candidates, each study asked once."""
        if model.outcome not in self.Z:
            self.Z[model.outcome] = np.full((len(self.rows), len(model.fitted)), np.nan)
        Z, active = self.Z[model.outcome], posterior.active
        new = active[np.isnan(Z[0, active])]
        if len(new):
            Z[:, new] = model.fitted.select(new).predict(self.rows, posterior.space)
        return Inputs(Z[:, active], self.X)


def prior_pool(prior: Prior, request: SuggestRequest, rng: np.random.Generator) -> Pool:
    """Gather the prior studies' best trials and a spread over the request's space.

    Args:
        prior: The prior studies.
        request: Whose space, outcomes, conditions and fixed cells count.
        rng: Source of randomness.
    """
    space = request.space
    # Drawn first: whichever prior studies there are, the spread is the same.
    spread = enumerated(space) if space.size <= SMALL else uniform(_SPREAD, space, rng)
    remembered = space.translate(_best_rows(prior, request.outcomes), prior.space)
    unknown = np.isnan(remembered) | is_unseen(remembered, space)
    remembered = np.where(unknown, uniform(len(remembered), space, rng), remembered)
    rows = fixed(np.vstack([space.snap(remembered), spread]), request.fixed)
    rows = apply_conditions(rows, request.conditions)
    kept = different(rows)
    return Pool(rows[kept], design(rows[kept], space), int(np.sum(kept < len(remembered))))


def candidate_pool(request: SuggestRequest, candidates: Array) -> Pool:
    """Gather the candidates (C, D) that a user allows, in order."""
    return Pool(candidates, design(candidates, request.space), 0)


def _best_rows(prior: Prior, outcomes: Sequence[Outcome]) -> Array:
    """Return the best trials of the studies of these outcomes, in the prior's space.  # (B, D)"""
    by_study = _relevant_tasks(prior, outcomes)
    n_studies = len(by_study)
    of_one = min(_OF_ONE, max(1, _REMEMBERED // max(n_studies, 1)))
    chosen = np.linspace(0, n_studies - 1, min(n_studies, _REMEMBERED)).round().astype(int)
    studies = list(by_study.values())
    rows = [_best_of(studies[t])[:of_one] for t in chosen]
    return np.vstack([np.zeros((0, len(prior.space.dimensions))), *rows])


def _relevant_tasks(prior: Prior, outcomes: Sequence[Outcome]) -> dict[str, list[Task]]:
    """Return the tasks of these outcomes, by study, of those that share an objective."""
    by_study: dict[str, list[Task]] = {}
    for task in prior.tasks:
        if any(task.outcome.matches(outcome) for outcome in outcomes):
            by_study.setdefault(task.name, []).append(task)
    return {
        name: tasks
        for name, tasks in by_study.items()
        if not all(task.outcome.is_constraint for task in tasks)
    }


def _best_of(tasks: Sequence[Task]) -> Array:
    """Return the trials of one study, best first.  # (n, D)"""
    objectives = [task for task in tasks if not task.outcome.is_constraint]
    rows = objectives[0].rows  # All objectives of a study have the same trials.
    values = np.column_stack([task.values for task in objectives])
    bounds = np.full((len(rows), len(tasks) - len(objectives)), np.nan)
    for j, task in enumerate(t for t in tasks if t.outcome.is_constraint):
        where = positions(rows, task.rows)
        bounds[where >= 0, j] = task.values[where[where >= 0]]
    return np.asarray(rows[best_first(values, bounds)])


def seen(request: SuggestRequest) -> Callable[[Array], NDArray[np.bool_]]:
    """Return what tells which rows (M, D) a trial has run or is about to run."""
    failed = request.rows[:0] if request.failed is None else request.failed
    halves = [request.rows[~request.is_whole], request.pending, failed]
    known, repeats = set(row_keys(np.vstack(halves))), repeats_of(request.rows[request.is_whole])

    def is_seen(rows: Array) -> NDArray[np.bool_]:
        exactly = [key in known for key in row_keys(rows)] if known else [False] * len(rows)
        return np.asarray(repeats(rows) | np.array(exactly, dtype=bool))

    return is_seen


def fresh_rows(
    request: SuggestRequest,
    pool: Pool,
    is_seen: Callable[[Array], NDArray[np.bool_]],
    flat: tuple[Array, Array],
    is_tried: bool,
) -> NDArray[np.int64]:
    """Find the rows of the pool that may be suggested, by index; those tried before if so asked.

    Before trials tell, a configuration that a prior study has tried is safer than a new one.
    """
    if request.candidates is None:
        fresh = np.flatnonzero(~is_seen(pool.rows))
        fresh = fresh if len(fresh) else np.arange(len(pool.rows))
    else:
        fresh = np.flatnonzero(~request.tried | request.tried.all())
    if is_tried and (fresh < pool.n_remembered).any():
        fresh = fresh[fresh < pool.n_remembered]
    away = apart(pool.rows[fresh], *flat, request.space)
    return fresh[away] if away.any() else fresh


def left_over(scores: Array, rows: Array, request: SuggestRequest, is_tried: bool) -> Array:
    """Return the scores (M,) of rows (M, D) without what others choose before this trial.

    They score about the same rows by the same trials: each takes the best one and, where these are
    configurations that were tried before, what is near it. What is drawn anew differs enough.
    """
    radius = _OF_ONE_TRIAL * np.sqrt(rows.shape[1]) if is_tried else 0.0
    for _ in range(request.n_ahead):
        best = rows[None, int(np.argmax(scores))]
        far = apart(rows, best, np.array([radius]), request.space)
        scores = np.where(far, scores, -np.inf)
    return scores

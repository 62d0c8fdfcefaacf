"""Candidates that serve every trial of a study, with what the prior studies expect of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

import numpy as np

from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.outcomes.pareto import best_first
from optuna_meta.space.conditions import apply_conditions
from optuna_meta.space.rows import different
from optuna_meta.space.rows import enumerated
from optuna_meta.space.rows import fixed
from optuna_meta.space.rows import is_unseen
from optuna_meta.space.rows import positions
from optuna_meta.space.rows import uniform
from optuna_meta.studies.prior import Prior
from optuna_meta.studies.task import Task
from optuna_meta.suggest.request import SuggestRequest
from optuna_meta.surrogate.kernel import design
from optuna_meta.surrogate.mixture_gp import Inputs
from optuna_meta.surrogate.transfer_model import OutcomePosterior
from optuna_meta.surrogate.transfer_model import TransferModel


__all__ = ["Pool", "SMALL", "candidate_pool", "prior_pool"]

SMALL = 1000  # A space of no more rows is searched whole.
_SPREAD = 400  # Random rows of the pool, drawn once for a space.
_REMEMBERED = 300  # Best trials of the prior studies in the pool, at most ...
_OF_ONE = 15  # ... and of one study.


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

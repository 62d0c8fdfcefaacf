"""Candidates that serve every trial of a study, with what the prior studies expect of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.outcomes.outcome import Outcome
from optuna_meta.outcomes.pareto import best_first
from optuna_meta.space.conditions import apply_conditions
from optuna_meta.space.conditions import Condition
from optuna_meta.space.rows import is_unseen
from optuna_meta.space.rows import positions
from optuna_meta.space.rows import row_keys
from optuna_meta.space.sampling import enumerated
from optuna_meta.space.sampling import fixed
from optuna_meta.space.sampling import uniform
from optuna_meta.space.search_space import Space
from optuna_meta.studies.prior import Prior
from optuna_meta.studies.task import Task
from optuna_meta.surrogate.base_models import BaseModels
from optuna_meta.surrogate.kernel import design
from optuna_meta.surrogate.mixture_gp import Inputs
from optuna_meta.surrogate.transfer_model import TransferModel


__all__ = ["given_pool", "new_pool", "Pool", "SMALL"]

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

    @cached_property
    def keys(self) -> list[bytes]:
        """What tells the candidates apart."""
        return row_keys(self.rows)

    def inputs(self, model: TransferModel, space: Space, active: NDArray[np.int64]) -> Inputs:
        """What the model of a outcome reads of the candidates through the active studies."""
        if model.outcome not in self.Z:
            self.Z[model.outcome] = np.full((len(self.rows), len(model.fitted)), np.nan)
        Z = self.Z[model.outcome]
        new = active[np.isnan(Z[0, active])]
        if len(new):
            Z[:, new] = BaseModels(model.fitted.select(new), space).expectations(self.rows)
        return Inputs(Z[:, active], self.X)


def new_pool(
    prior: Prior,
    space: Space,
    decided: Array,
    conditions: Sequence[Condition],
    rng: np.random.Generator,
) -> Pool:
    """The prior studies' best trials and a spread over a space.

    Args:
        prior: The prior studies.
        space: The target's space.
        decided: Cells that all candidates have, NaN for the others.  # (D,)
        conditions: Which dimensions exist under which others.
        rng: Source of randomness.
    """
    # Drawn first: whichever prior studies there are, the spread is the same.
    spread = enumerated(space) if space.size <= SMALL else uniform(_SPREAD, space, rng)
    remembered = space.translate(_best_rows(prior), prior.space)
    unknown = np.isnan(remembered) | is_unseen(remembered, space)
    remembered = np.where(unknown, uniform(len(remembered), space, rng), remembered)
    rows = fixed(np.vstack([space.snap(remembered), spread]), decided)
    rows = apply_conditions(rows, conditions)
    return Pool(rows, design(rows, space), len(remembered))


def given_pool(space: Space, candidates: Array) -> Pool:
    """The candidates (C, D) that a user allows, in order."""
    return Pool(candidates, design(candidates, space), 0)


def _best_rows(prior: Prior) -> Array:
    """The best trials of the prior studies, in the prior's space.  # (B, D)"""
    n_studies = len(prior)
    of_one = min(_OF_ONE, max(1, _REMEMBERED // max(n_studies, 1)))
    chosen = np.linspace(0, n_studies - 1, min(n_studies, _REMEMBERED)).round().astype(int)
    names = set(np.array(prior.names)[chosen]) if n_studies else set()
    by_study: dict[str, list[Task]] = {}
    for task in prior.tasks:
        if task.name in names:
            by_study.setdefault(task.name, []).append(task)
    rows = [_best_of(tasks)[:of_one] for tasks in by_study.values()]
    return np.vstack([np.zeros((0, len(prior.space.dimensions))), *rows])


def _best_of(tasks: Sequence[Task]) -> Array:
    """The trials of one study, best first.  # (n, D)"""
    aims = [task for task in tasks if not task.outcome.is_constraint]
    if not aims:
        return np.zeros((0, tasks[0].rows.shape[1]))
    rows = aims[0].rows  # All objectives of a study have the same trials.
    values = np.column_stack([task.values for task in aims])
    constraint_values = np.full((len(rows), len(tasks) - len(aims)), np.nan)
    for j, task in enumerate(t for t in tasks if t.outcome.is_constraint):
        where = positions(rows, task.rows)
        constraint_values[where >= 0, j] = task.values[where[where >= 0]]
    best: Array = rows[best_first(values, constraint_values)]
    return best

"""Candidates that serve every trial of a study, with what the prior studies expect of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optuna_meta.candidates import enumerated
from optuna_meta.candidates import fixed
from optuna_meta.candidates import is_unseen
from optuna_meta.candidates import uniform
from optuna_meta.conditions import apply_conditions
from optuna_meta.conditions import Condition
from optuna_meta.lens import Lens
from optuna_meta.prior import Prior
from optuna_meta.space import Array
from optuna_meta.space import Space
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.kernel import design
from optuna_meta.surrogate.target import Inputs


__all__ = ["new_pool", "Pool", "SMALL"]

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
        Z: What the prior studies expect, NaN for studies not asked so far.  # (M, T)
        n_remembered: How many of the rows are prior studies' best trials.
    """

    rows: Array
    X: Array
    Z: Array
    n_remembered: int

    def inputs(self, fitted: FittedPrior, space: Space, active: NDArray[np.int64]) -> Inputs:
        """What the model reads of the candidates through the active studies."""
        new = active[np.isnan(self.Z[0, active])]
        if len(new):
            self.Z[:, new] = Lens(fitted.select(new), space).expectations(self.rows)
        return Inputs(self.Z[:, active], self.X)


def new_pool(
    fitted: FittedPrior,
    space: Space,
    decided: Array,
    conditions: Sequence[Condition],
    rng: np.random.Generator,
) -> Pool:
    """The prior studies' best trials and a spread over a space.

    Args:
        fitted: The prior studies.
        space: The target's space.
        decided: Cells that all candidates have, NaN for the others.  # (D,)
        conditions: Which dimensions exist under which others.
        rng: Source of randomness.
    """
    # Drawn first: whichever prior studies there are, the spread is the same.
    spread = enumerated(space) if space.size <= SMALL else uniform(_SPREAD, space, rng)
    remembered = space.translate(_best_rows(fitted.prior), fitted.space)
    unknown = np.isnan(remembered) | is_unseen(remembered, space)
    remembered = np.where(unknown, uniform(len(remembered), space, rng), remembered)
    rows = fixed(np.vstack([space.snap(remembered), spread]), decided)
    rows = apply_conditions(rows, conditions)
    Z = np.full((len(rows), len(fitted)), np.nan)
    return Pool(rows, design(rows, space), Z, len(remembered))


def _best_rows(prior: Prior) -> Array:
    """The best trials of the prior studies, in the prior's space.  # (B, D)"""
    n_tasks = len(prior)
    of_one = min(_OF_ONE, max(1, _REMEMBERED // max(n_tasks, 1)))
    chosen = np.linspace(0, n_tasks - 1, min(n_tasks, _REMEMBERED)).round().astype(int)
    tasks = [prior.tasks[t] for t in chosen]
    rows = [task.rows[np.argsort(task.values, kind="stable")[:of_one]] for task in tasks]
    return np.vstack([np.zeros((0, len(prior.space.dimensions))), *rows])

"""Branches: choices with parameters of their own, each a search space in itself.

What a model expects of a choice that was hardly tried is what it has seen elsewhere, on average:
nothing tells it what the best values of the choice's own parameters would bring. Expected
improvement then never returns to a learner whose first configuration was a bad one. So a branch
may claim some trials, as an arm of a bandit, each chosen as if the branch were all there is.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from optuna_meta.space.conditions import Condition
from optuna_meta.suggest.request import SuggestRequest


__all__ = ["Branch", "neglected_branch", "within"]

_FIRST = 4  # Trials of each branch, in turn: fewer do not show how far its values vary.
_CLAIM = 0.5  # Of a branch's fair share of the later trials, for as long as it may hold the best.
_EVERY = 2  # Trials: those between are nobody's.
_REACH = 2.0  # Of the distance from a branch's median to its best: so much below that may be.


class Branch(NamedTuple):
    """A choice with parameters of its own: a dimension, and its cell there."""

    parent: int
    cell: float


def neglected_branch(request: SuggestRequest, known: Collection[str] = ()) -> Branch | None:
    """Find the branch whose claim the next trial should meet, if any.

    Args:
        request: What is asked.
        known: Parameters whose choices prior studies have tried.
    """
    if request.candidates is not None or len(request.rows) % _EVERY:
        return None
    waiting = sorted(
        (n, branch) for n, branch in _claims(request, known) if _is_hopeful(request, branch)
    )
    return waiting[0][1] if waiting else None


def within(request: SuggestRequest, branch: Branch) -> SuggestRequest:
    """Return the request as if the branch were all there is."""
    fixed = request.fixed.copy()
    fixed[branch.parent] = branch.cell
    own = np.flatnonzero(request.rows[:, branch.parent] == branch.cell)
    pending = request.pending[request.pending[:, branch.parent] == branch.cell]
    return replace(request.of_trials(own), fixed=fixed, pending=pending)


def _claims(request: SuggestRequest, known: Collection[str]) -> Iterator[tuple[int, Branch]]:
    """Yield branches that have had less than they may claim, and how many trials they had.

    Later claims are met as they grow: what is not hopeful then need not be asked at each trial.
    """
    rows, failed = np.vstack([request.rows, request.pending]), request.failed
    failed = rows[:0] if failed is None else failed
    has_own = _with_own_parameters(request.conditions)
    for parent, dimension in enumerate(request.space.dimensions):
        if not dimension.is_categorical or not np.isnan(request.fixed[parent]):
            continue
        n_all = np.sum(~np.isnan(rows[:, parent])) + np.sum(~np.isnan(failed[:, parent]))
        fair = (n_all + np.array([1.0 - _EVERY, 1.0])) / dimension.size
        before, now = np.floor(np.maximum(np.minimum(_FIRST, fair), _CLAIM * fair))
        is_due = now > before or now <= _FIRST
        for cell in dimension.ladder.tolist():
            n, n_failed = (int(np.sum(cells[:, parent] == cell)) for cells in (rows, failed))
            # Of a choice that was never tried nobody knows whether it has parameters of its own.
            is_unknown = n == 0 and n_failed < _FIRST and dimension.name not in known
            if (is_unknown and _CLAIM * fair[1] >= 1.0) or (
                is_due and n + n_failed < now and (parent, cell) in has_own
            ):
                yield n, Branch(parent, cell)


def _with_own_parameters(conditions: Sequence[Condition]) -> set[tuple[int, float]]:
    return {
        (condition.parent, cell)
        for condition in conditions
        for cell, is_active in zip(condition.cells, condition.active, strict=True)
        if is_active
    }


def _is_hopeful(request: SuggestRequest, branch: Branch) -> bool:
    """Tell whether a branch may hold the best value of an objective, by how far its own vary."""
    own = request.values[request.rows[:, branch.parent] == branch.cell]  # (n, K)
    if len(own) < _FIRST:
        return True
    lowest = own.min(axis=0)
    reach = lowest - _REACH * (np.median(own, axis=0) - lowest)
    return bool((reach <= request.values.min(axis=0)).any())

"""The search for the best row: the pool, then rounds of local search around the best."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.outcomes.pareto import best_first
from optuna_meta.space.conditions import apply_conditions
from optuna_meta.space.rows import apart
from optuna_meta.space.rows import row_keys
from optuna_meta.space.rows import unseen
from optuna_meta.space.rows import unseen_keys
from optuna_meta.space.sampling import fixed
from optuna_meta.space.sampling import neighbours
from optuna_meta.suggest.acquisition import AcquisitionFunction
from optuna_meta.suggest.novelty import log_novelty
from optuna_meta.suggest.novelty import persistence
from optuna_meta.suggest.novelty import plateaus
from optuna_meta.suggest.pool import Pool
from optuna_meta.suggest.pool import SMALL
from optuna_meta.suggest.request import SuggestRequest
from optuna_meta.surrogate.fitted import representative
from optuna_meta.surrogate.mixture_gp import Inputs


__all__ = ["search", "thinned"]

Zones: TypeAlias = tuple[tuple[Array, float | Array], ...]

_LOCAL = 80  # Rows of one round of local search.
_LOCAL_ALONE = 200  # Where the prior studies need not be asked about each of them.
_STEPS = ((0.01, 0.3), (0.01, 0.3), (0.01, 0.3), (0.002, 0.03))  # Of its rounds.
_STARTS = 3  # Best trials from which it starts; more of them where the best are a front.
_MOST_TRIALS = 200  # Of the target, in the model: its price grows with their cube.
_THINNED_EVERY = 20  # Trials: what the first of them tell is learned once, not at each trial.
_APART = 0.05  # Of a range, for each root of the dimensions: between running trials.


def search(
    goal: AcquisitionFunction,
    request: SuggestRequest,
    seen: Array,
    pool: Pool,
    inputs: Sequence[Inputs],
    rng: np.random.Generator,
) -> tuple[Array, int]:
    """The best row of the pool and, once there are trials, around its best and the best trials.

    Returns:
        The row (D,), and where in the pool it is, if it is there.
    """
    space, zones = request.space, _zones(request)
    fresh, novelty = _fresh(request, seen, pool, zones), _novelty(request)
    rows = pool.rows[fresh]
    scores = goal.scores([i.select(fresh) for i in inputs]) + novelty(rows)
    is_local = len(request.rows) and space.size > SMALL and request.candidates is None
    trials = request.rows[best_first(request.values, request.constraint_values)]
    trials = trials[: _STARTS * request.values.shape[1]]
    n_local = _LOCAL if goal.asks_priors else _LOCAL_ALONE
    for steps in _STEPS if is_local else ():
        starts = np.vstack([rows[np.argsort(-scores, kind="stable")[:4]], trials])
        local = fixed(neighbours(starts, n_local, space, rng, steps), request.fixed)
        local = apply_conditions(local, request.conditions)
        local = local[unseen(local, seen, or_all=False)]
        for others, radius in zones:
            local = local[apart(local, others, space, radius)]
        if not len(local):
            break
        rows = np.vstack([rows, local])
        scores = np.concatenate([scores, goal.scores(goal.inputs(local)) + novelty(local)])
    best = int(np.argmax(scores))
    return rows[best], int(fresh[best]) if best < len(fresh) else -1


def _fresh(request: SuggestRequest, seen: Array, pool: Pool, zones: Zones) -> NDArray[np.int64]:
    """Where in the pool the rows are that may be suggested."""
    if request.candidates is None:
        fresh = unseen_keys(pool.keys, set(row_keys(seen)))
    else:
        fresh = np.flatnonzero(~request.tried | request.tried.all())
    if len(request.rows) == 0 and (fresh < pool.n_remembered).any():
        # Before any trial a configuration that a prior study has tried is safer than a new one.
        fresh = fresh[fresh < pool.n_remembered]
    for rows, radius in zones:
        away = apart(pool.rows[fresh], rows, request.space, radius)
        fresh = fresh[away] if away.any() else fresh
    return fresh


def _zones(request: SuggestRequest) -> Zones:
    """Rows (m, D) to keep away from, and how far: running trials, then known plateaus.

    The values of running trials unknown, they do not tell the model to look elsewhere. On a
    plateau, such as the nearest point of a grid makes, there is nothing to find either.
    """
    space, known = request.space, request.of_measured()
    radii = plateaus(known.rows, known.values, space)
    flat = radii > 0.0
    running = _APART * np.sqrt(len(space.dimensions))
    return (request.pending, running), (known.rows[flat], radii[flat])


def _novelty(request: SuggestRequest) -> Callable[[Array], Array]:
    """What to add to the scores of rows (M, D), so that none is a known value once more."""
    known, space = thinned(request).of_measured(), request.space
    scale = persistence(known.rows, known.values, space) if request.candidates is None else 0.0
    if not scale:
        return lambda rows: np.zeros(len(rows))
    return lambda rows: log_novelty(rows, known.rows, space, scale)


def thinned(request: SuggestRequest) -> SuggestRequest:
    """The request with the trials that the models learn from.

    Of many, the latest and representative ones of those before, which stay the same for some
    trials.
    """
    n = len(request.rows)
    if n <= _MOST_TRIALS:
        return request
    settled = n - n % _THINNED_EVERY
    order = best_first(request.values[:settled], request.constraint_values[:settled])
    places = np.empty(settled)
    places[order] = np.arange(settled)
    spread = representative(places, _MOST_TRIALS - _THINNED_EVERY)
    return request.of_trials(np.append(spread, np.arange(settled, n)))

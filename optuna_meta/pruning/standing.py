"""Where a running trial stands at a step: numbers that compare across studies.

Values are used only beside other trials' values at the same step, in units of these trials' own
spread, so that scales, metrics and shapes of curves need not be the same in two studies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.outcomes.pareto import is_on_front


__all__ = [
    "N_COLUMNS",
    "columns",
    "filled",
    "first_of_window",
    "front_of",
    "improves",
    "levels",
    "looks",
    "standing",
    "step_before",
]

_FARTHEST = (-4.0, 6.0)  # Of hyperbolic sines of spreads: what is beyond is as good, or as bad.
_MOST_LOOKS = 12  # At a trial.
N_COLUMNS = 18  # An intercept and five numbers, each at three stages of the way.


def first_of_window(index: int) -> int:
    """Return the index of the first of the reports of which the best counts at one."""
    return index - max(index // 2, 1) if index else 0


def levels(values: Array) -> Array:
    """Return the best report of the later half of the way to each, of values (n, S, K).

    One report is mostly noise, and one spike is no level.
    """
    windows = [values[:, first_of_window(i) : i + 1] for i in range(values.shape[1])]
    return np.stack([np.fmin.reduce(window, axis=1) for window in windows], axis=1)


def filled(values: Array) -> Array:
    """Return values (n, S, K) with each trial's last report in the steps after it."""
    last = np.where(np.isnan(values), 0, np.arange(values.shape[1])[:, None])
    return np.take_along_axis(values, np.maximum.accumulate(last, axis=1), axis=1)


def step_before(index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices of the steps from which progress is measured: two thirds of the way."""
    return np.maximum(index - np.maximum(index // 3, 1), 0)


def looks(n_steps: int) -> NDArray[np.int64]:
    """Return the indices of the steps, of n, at which trials are looked at: dense early.

    What is counted in prior studies holds for as many looks, no matter how often a trial reports.
    """
    if n_steps < 2:
        return np.zeros(0, dtype=np.int64)
    along = np.linspace(0.0, 1.0, _MOST_LOOKS) ** 2
    return np.unique((along * (n_steps - 2)).round().astype(np.int64))


def front_of(finals: Array) -> NDArray[np.int64]:
    """Return the trials that ended best, by their final values (n, K): one, or a front."""
    if finals.shape[1] == 1:
        return np.array([np.argmin(finals[:, 0])])
    return np.flatnonzero(is_on_front(finals))


def improves(final: Array, finals: Array) -> bool:
    """Tell whether no one of finals (n, K) is as good as a final (K,) in every objective."""
    return not (finals <= final).all(axis=1).any()


def standing(
    now: Array,
    before: Array,
    front: Array,
    others: Array,
    reached: NDArray[np.bool_],
    expected: float = 0.0,
) -> Array:
    """Tell where a trial stands at P steps.  # (P, 5)

    Args:
        now: Its values, lower is better.  # (P, K)
        before: Its values some steps earlier.  # (P, K)
        front: Those of the f trials that ended best, at the same steps.  # (f, P, K)
        others: Those of the m earlier trials, these included; each one's last if it was stopped
            before.  # (m, P, K)
        reached: Which of them came that far.  # (m, P)
        expected: How much worse its configuration is expected to end than the best trial's.

    Returns:
        How far it is behind, in every objective, the trial of the front that is farthest ahead of
        it, in units of the spread of good trials; the log odds of the share of trials that are
        better; the progress in the same units; what is expected; and the logarithm of the number
        of earlier trials, since of m + 1 trials one is the best.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        best = front.min(axis=0)
        unit = _spread(np.abs(others - best))
        gap = np.abs(now - best)
        unit = np.where(unit > 0.0, unit, np.where(np.isfinite(gap) & (gap > 0.0), gap, 1.0))
        behind = _drawn_in((now - front) / unit).min(axis=2).max(axis=0)
        progress = _drawn_in((before - now) / unit).mean(axis=1)
    better = (others <= now).all(axis=2) & (others < now).any(axis=2)
    rank = (np.sum(reached & better, axis=0) + 0.5) / (len(others) + 1.0)
    odds = np.log(rank / (1.0 - rank))
    met = np.full(len(now), np.log(len(others)))
    return np.stack([behind, odds, progress, np.full(len(now), expected), met], axis=-1)


def columns(standings: Array, positions: Array) -> Array:
    """Return what chances are linear in: standings, each changing along the way.  # (..., 18)

    Args:
        standings: The numbers of ``standing``.  # (..., 5)
        positions: Share of the way that is done, in (0, 1].  # (...,)
    """
    u = np.sqrt(positions)[..., None]  # Most happens early.
    # Bernstein's polynomials: none is negative, so a falling chance is one of no positive number.
    along = np.concatenate([(1.0 - u) ** 2, 2.0 * u * (1.0 - u), u**2], axis=-1)
    ones = np.ones_like(standings[..., :1])
    crossed = np.concatenate([ones, standings], axis=-1)[..., :, None] * along[..., None, :]
    return np.asarray(crossed.reshape(*standings.shape[:-1], N_COLUMNS))


def _spread(distances: Array) -> Array:
    """Return the lower quartile or, if 0, the mean of the finite distances (m, ...).

    How far apart good trials are is what matters; the bad ones may be anywhere.
    """
    known = np.where(np.isfinite(distances), distances, np.nan)
    n = np.maximum(np.sum(~np.isnan(known), axis=0), 1)
    ordered = np.sort(known, axis=0)  # NaN last.
    quartile = np.take_along_axis(ordered, (-(-(n - 1) // 4))[None], axis=0)[0]
    return np.asarray(np.where(quartile > 0.0, quartile, np.nansum(known, axis=0) / n))


def _drawn_in(spreads: Array) -> Array:
    """Draw in spreads, of either sign; two infinite values are the same."""
    return np.asarray(np.clip(np.nan_to_num(np.arcsinh(spreads), nan=0.0), *_FARTHEST))

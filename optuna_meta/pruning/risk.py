"""How small a chance must be for a trial to be stopped, so that few studies lose their best.

The best trial of a study improves on all before it. Among trials that did so in the studies that
are known, the share that a threshold would have stopped is therefore the share of studies whose
best trial it loses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array


__all__ = ["Records", "allowed_stake", "expected_loss", "stake"]

_LEAST, _N_STAKES = 1e-4, 60  # Thresholds to choose from.
_JEFFREYS = 0.5  # Losses, and as many successes, that are taken for granted.
_FEWEST, _MOST = 2.0, 30.0  # Own trials by which what other studies say is outweighed.


@dataclass(frozen=True)
class Records:
    """Trials of one study that improved on all before them, in one or another order.

    Args:
        lowest: The lowest stake that each ever had.  # (r,)
        n_trials: How many different trials these are.
    """

    lowest: Array  # (r,)
    n_trials: int

    def lost(self, stakes: Array) -> Array:
        """Return the share that thresholds (c,) would have stopped.  # (c,)"""
        if not len(self.lowest):
            return np.zeros(len(stakes))
        return np.searchsorted(np.sort(self.lowest), stakes, side="left") / len(self.lowest)


def expected_loss(stakes: Array, prior: Sequence[Records], own: Records) -> Array:
    """Return the share of records that thresholds (c,) are expected to stop.  # (c,)

    Studies differ: their shares are drawn from a beta distribution with the mean and the spread
    that the prior studies show, which the own trials then update.
    """
    counts = np.array([records.n_trials for records in prior], dtype=float)
    shares = np.array([records.lost(stakes) for records in prior]).reshape(len(prior), len(stakes))
    total = counts.sum()
    mean = (counts @ shares + _JEFFREYS) / (total + 2.0 * _JEFFREYS)
    concentration = np.full(len(stakes), 2.0 * _JEFFREYS)
    if total:
        between = counts @ (shares - mean) ** 2 / total
        within = mean * (1.0 - mean)
        concentration = np.clip(within / np.maximum(between, 1e-12) - 1.0, _FEWEST, _MOST)
    n = own.n_trials
    return np.asarray((n * own.lost(stakes) + concentration * mean) / (n + concentration))


def stake(chance: Array | float, n_before: NDArray[np.int64] | int) -> Array:
    """Return what counts of chances: how much of a study's best trial each puts at risk.

    A late trial has less of a chance to be the best so far than an early one, but more of one to
    stay it. Thresholds on chances alone would lose late ones, on shares of 1 / n early ones.

    Args:
        chance: That a trial ends below the best so far.  # (...,)
        n_before: How many trials it met.  # (...,)
    """
    return np.asarray(chance * np.sqrt(np.add(n_before, 1.0)))


def allowed_stake(prior: Sequence[Records], own: Records, max_loss: float) -> float:
    """Return the largest threshold that loses no more than ``max_loss``; 0 where none does."""
    stakes = np.geomspace(min(_LEAST, max_loss), 1.0, _N_STAKES)
    too_much = np.flatnonzero(expected_loss(stakes, prior, own) > max_loss)
    n = int(too_much[0]) if len(too_much) else _N_STAKES
    return float(stakes[n - 1]) if n else 0.0

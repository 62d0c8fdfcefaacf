"""Studies played again in other orders: what their trials looked like on the way to what ended.

Each trial but the first meets an incumbent, the best end so far. Whether it ended below that, and
where it stood at each step, is what chances are learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.outcomes.curves import Curves
from optuna_meta.outcomes.pareto import best_first
from optuna_meta.pruning.standing import columns
from optuna_meta.pruning.standing import filled
from optuna_meta.pruning.standing import front_of
from optuna_meta.pruning.standing import improves
from optuna_meta.pruning.standing import levels
from optuna_meta.pruning.standing import looks
from optuna_meta.pruning.standing import standing
from optuna_meta.pruning.standing import step_before


__all__ = ["Replay", "replayed"]

_MOST_TRIALS = 40  # Of one order.
_POSITIONS = 12  # Steps of a way at which trials are looked at.
_EARLIEST = 3  # Trials before one that counts: to be better than one or two is no record.
_TOP = 0.1  # Share of a study's trials that are like its best one.


@dataclass(frozen=True)
class Replay:
    """What q trials, of one or of several studies, looked like at P positions each.

    Args:
        X: What chances are linear in.  # (q, P, 18)
        positions: Share of the way that was done.  # (q, P)
        improved: Which ended below the best before them.  # (q,)
        trials: Which trial each was, in the order of the studies' trials.  # (q,)
        n_before: How many trials came before each.  # (q,)
        studies: Which study each was of.  # (q,)
        top: Which are among the best of all trials of their study.  # (q,)
    """

    X: Array  # (q, P, 18)
    positions: Array  # (q, P)
    improved: NDArray[np.bool_]  # (q,)
    trials: NDArray[np.int64]  # (q,)
    n_before: NDArray[np.int64]  # (q,)
    studies: NDArray[np.int64]  # (q,)
    top: NDArray[np.bool_]  # (q,)

    def __len__(self) -> int:
        return len(self.improved)

    def records(self, of_top: bool) -> Replay:
        """Return the trials that improved on several; of the best alone if so asked."""
        return self.select(
            self.improved & (self.n_before >= _EARLIEST) & (self.top | (not of_top))
        )

    def select(self, kept: NDArray[np.bool_]) -> Replay:
        """Return some of the trials, by a mask (q,)."""
        return Replay(*(array[kept] for array in vars(self).values()))

    @staticmethod
    def joined(replays: Sequence[Replay]) -> Replay:
        """Join replays of one or more."""
        return Replay(*map(np.concatenate, zip(*(vars(r).values() for r in replays), strict=True)))


def replayed(
    curves: Sequence[Curves],
    finals: Array,
    n_orders: int,
    study: int = 0,
    expected: Array | None = None,
) -> Replay | None:
    """Play a study again; ``None`` where it has no two complete trials with curves.

    Args:
        curves: Its trials' curves, of each of K objectives.
        finals: Their final values, lower is better.  # (n, K)
        n_orders: In how many orders.
        study: Its index.
        expected: What others expect of its trials' configurations; nothing by default.  # (n,)
    """
    S, values = len(curves[0].steps), np.stack([c.values for c in curves], axis=-1)
    known = np.flatnonzero(curves[0].complete & ~np.isnan(values).all(axis=(1, 2)))
    if S < 2 or len(known) < 2:
        return None
    values = filled(levels(values[known]))
    index = looks(S)
    # All studies have as many positions: those of a short one come several times.
    spread = np.linspace(0, len(index) - 1, _POSITIONS).round().astype(np.int64)
    positions = ((index + 1) / S)[spread]
    expected = np.zeros(len(finals)) if expected is None else expected
    trials = _Trials(
        values[:, index], values[:, step_before(index)], finals[known], expected[known]
    )
    rng, met = np.random.default_rng(0), []
    for _ in range(n_orders):
        order = rng.permutation(len(known))[:_MOST_TRIALS]
        for k in range(1, len(order)):
            met.append((order[k], k, *trials.met(order[:k], order[k])))
    places, n_before, improved, standings = (np.array(column) for column in zip(*met, strict=True))
    standings, positions = standings[:, spread], np.tile(positions, (len(met), 1))
    X = columns(standings, positions)
    studies = np.full(len(met), study)
    ranks = best_first(finals[known], np.zeros((len(known), 0))).argsort()
    top = ranks[places] < max(1.0, _TOP * len(known))
    return Replay(X, positions, improved, known[places], n_before, studies, top)


@dataclass(frozen=True)
class _Trials:
    """The n trials of one study, at P steps.

    Args:
        now: Their values.  # (n, P, K)
        before: Their values some steps earlier.  # (n, P, K)
        finals: Their final values.  # (n, K)
        expected: What is expected of their configurations.  # (n,)
    """

    now: Array  # (n, P, K)
    before: Array  # (n, P, K)
    finals: Array  # (n, K)
    expected: Array  # (n,)

    def met(self, earlier: NDArray[np.int64], trial: int) -> tuple[bool, Array]:
        """Tell whether a trial improved on earlier ones, and where it stood.  # (P, 5)"""
        front = earlier[front_of(self.finals[earlier])]
        others = self.now[earlier]
        stood = standing(
            self.now[trial],
            self.before[trial],
            self.now[front],
            others,
            np.asarray(~np.isnan(others).any(axis=2)),
            float(self.expected[trial] - self.expected[front].min()),
        )
        return improves(self.finals[trial], self.finals[earlier]), stood

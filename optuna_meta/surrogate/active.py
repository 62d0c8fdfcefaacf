"""Which prior studies to ask, and what these expect of the target's trials.

Of many prior studies only a few are asked at each trial, so that a suggestion costs the same with
24 and with 1,000 of them: before any trial those of the greatest weight, later those that agree
with the target's trials.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.space.search_space import Space
from optuna_meta.surrogate.fitted import FittedPrior


__all__ = ["Expectations", "MOST_ACTIVE", "active_tasks"]

MOST_ACTIVE = 24  # Prior studies asked at one trial: the price of a suggestion grows with them.
_MOST_KNOWN = 5_000_000  # Expectations that are kept, 40 MB ...
_KNOWN_TRIALS = (500, 5000)  # ... of so many trials: at once fewer are asked about.
_GOLDEN = 0.6180339887498949  # Multiples of it modulo 1 are spread evenly, in no order.
_ENOUGH_TO_TELL = 3  # Trials: two values always lie on a line.


@dataclass
class Expectations:
    """What the studies expect of the trials of one target, each asked once about each.

    Args:
        fitted: The studies' surrogates.
        weights: Weight of each study before any trial.  # (T,)
    """

    fitted: FittedPrior
    weights: Array  # (T,)
    # Of the latest space only: by row, NaN for the studies that were not asked.
    _known: tuple[str, dict[bytes, Array]] = field(default_factory=lambda: ("", {}), repr=False)

    def copy(self) -> Expectations:
        """Return what is known so far; what is asked later does not reach this one."""
        known = {key: found.copy() for key, found in self._known[1].items()}
        return replace(self, _known=(self._known[0], known))

    def of_active(self, space: Space, rows: Array, y: Array) -> tuple[NDArray[np.int64], Array]:
        """Choose the active studies, and return what they expect of the trials.  # (t,), (n, t)

        Args:
            space: The target's space.
            rows: The trials.  # (n, D)
            y: Their values.  # (n,)
        """
        if _tell(y):
            Z = self._asked(space, rows, None)
            active = active_tasks(self.weights, Z, y)
            return active, Z[:, active]
        # No study agrees more than another, whatever they expect: most need not say it.
        active = active_tasks(self.weights, np.zeros((len(y), len(self.fitted))), y)
        return active, self._asked(space, rows, active)

    def _asked(self, space: Space, rows: Array, some: NDArray[np.int64] | None) -> Array:
        """Return what all studies or some (t,) expect of trials (n, D).  # (n, t)"""
        n_tasks, keys = len(self.fitted), [row.tobytes() for row in rows]
        known = self._known[1] if self._known[0] == repr(space) else {}
        if len(known) > np.clip(_MOST_KNOWN // max(n_tasks, 1), *_KNOWN_TRIALS):
            known = {key: known[key] for key in keys if key in known}
        self._known = repr(space), known
        nothing, tasks = np.full(n_tasks, np.nan), slice(None) if some is None else some
        every = [known.setdefault(key, nothing.copy()) for key in keys]
        new = [i for i, z in enumerate(every) if np.isnan(z[tasks]).any()]
        if new:
            fitted = self.fitted if some is None else self.fitted.select(some)
            for i, z in zip(new, fitted.predict(rows[new], space), strict=True):
                every[i][tasks] = z
        return np.vstack([nothing[None, tasks][:0], *(z[tasks] for z in every)])


def active_tasks(weights: Array, Z: Array, y: Array) -> NDArray[np.int64]:
    """Choose the prior studies to ask, in order: all of a few, of many the most promising.

    Args:
        weights: Weight of each study before any trial.  # (T,)
        Z: What each expects of the target's trials.  # (n, T)
        y: The trials' values.  # (n,)
    """
    n_tasks = len(weights)
    if n_tasks <= MOST_ACTIVE:
        return np.arange(n_tasks)
    scores = np.round(np.log(np.maximum(weights, 1e-300)) + _log_agreement(Z, y), 6)
    best = np.flatnonzero(scores >= np.partition(scores, -MOST_ACTIVE)[-MOST_ACTIVE])
    # Equal scores are told apart by a scattered number, or the first studies would always win.
    scatter = ((best + 1) * _GOLDEN) % 1.0
    return np.sort(best[np.lexsort((scatter, -scores[best]))[:MOST_ACTIVE]])


def _log_agreement(Z: Array, y: Array) -> Array:
    """Return the gain in log likelihood (T,) of a rising line through z_t over a constant."""
    n = len(y)
    if not _tell(y):
        return np.zeros(Z.shape[1])
    centred, response = Z - Z.mean(axis=0), y - y.mean()
    norms = np.sqrt(np.einsum("nt,nt->t", centred, centred)) * np.linalg.norm(response)
    correlation = np.maximum(response @ centred / np.maximum(norms, 1e-12), 0.0)
    return np.asarray(-0.5 * (n - 2) * np.log1p(-(np.minimum(correlation, 0.999) ** 2)))


def _tell(y: Array) -> bool:
    """Tell whether trials of these values (n,) can speak for one study more than for another."""
    return len(y) >= _ENOUGH_TO_TELL and bool(np.ptp(y) > 0.0)

"""How far to trust the prior studies before the target's first trial.

Each prior study in turn plays the target: given a few of its own trials, does the mixture believe
that the other studies inform it? Studies that do not even inform each other will hardly inform a
new one.
"""

from __future__ import annotations

import numpy as np

from optuna_meta.scaling import warp
from optuna_meta.space import Array
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.kernel import column_owners
from optuna_meta.surrogate.kernel import design
from optuna_meta.surrogate.mixture import components
from optuna_meta.surrogate.target import condition
from optuna_meta.surrogate.target import Inputs


__all__ = ["initial_trust", "typical_roots"]

_UNINFORMED = 0.7  # With one prior study there is nobody to ask.
_PSEUDO_STUDIES = 2.0
_MOST_STUDIES = 32
_MOST_TRIALS = 12


def initial_trust(fitted: FittedPrior) -> float:
    """Probability in (0, 1) that the prior studies inform a further study of their kind."""
    if len(fitted) < 2:
        return _UNINFORMED
    asked = np.linspace(0, len(fitted) - 1, min(len(fitted), _MOST_STUDIES)).round().astype(int)
    answers = [_trust_of_others(fitted, int(t)) for t in asked]
    total = sum(answers) + _PSEUDO_STUDIES * _UNINFORMED
    return float(total / (len(answers) + _PSEUDO_STUDIES))


def typical_roots(fitted: FittedPrior) -> Array:
    """Inverse length scale of each dimension: the median of the studies that tuned it.  # (D,)"""
    precisions = fitted.parameters.precisions
    known = np.where(precisions > 0, precisions, np.nan)
    default = 8.0 / max(precisions.shape[1], 1)
    medians = [np.nanmedian(k) if np.isfinite(k).any() else default for k in known.T]
    roots: Array = np.sqrt(np.array(medians))
    return roots


def _trust_of_others(fitted: FittedPrior, t: int) -> float:
    task = fitted.prior.tasks[t]
    n = len(task.values)
    trials = np.linspace(0, n - 1, min(n, _MOST_TRIALS)).round().astype(int)
    rows = task.rows[trials]
    others = np.delete(np.arange(len(fitted)), t)
    X = design(rows, fitted.space) * typical_roots(fitted)[column_owners(fitted.space)]
    inputs = Inputs(fitted.predict(rows)[:, others], X)
    uniform = np.full(len(others), 1.0 / len(others))
    return condition(components(0.5), inputs, warp(task.values[trials]), uniform).trust

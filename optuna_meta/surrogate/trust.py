"""How far to trust the prior studies before the target's first trial.

Each prior study in turn plays the target: given a few of its own trials, does the mixture believe
that the other studies inform it? Studies that do not even inform each other will hardly inform a
new one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_meta.scaling import signed
from optuna_meta.scaling import warp
from optuna_meta.space import Array
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.kernel import column_owners
from optuna_meta.surrogate.kernel import design
from optuna_meta.surrogate.mixture import components
from optuna_meta.surrogate.own import own_precisions
from optuna_meta.surrogate.target import condition
from optuna_meta.surrogate.target import Inputs
from optuna_meta.surrogate.target import Scales


__all__ = ["initial_trust", "residual_scales", "typical_precisions"]

_UNINFORMED = 0.7  # With one prior study there is nobody to ask.
_PSEUDO_STUDIES = 2.0
_MOST_STUDIES = 32
_MOST_TRIALS = 12


def initial_trust(fitted: FittedPrior) -> float:
    """Probability in [0, 1) that the prior studies inform a further study of their kind."""
    if len(fitted) == 0:
        return 0.0
    if len(fitted) == 1:
        return _UNINFORMED
    asked = np.linspace(0, len(fitted) - 1, min(len(fitted), _MOST_STUDIES)).round().astype(int)
    few = fitted.select(asked)
    answers = [_trust_of_others(few, t) for t in range(len(few))]
    total = sum(answers) + _PSEUDO_STUDIES * _UNINFORMED
    return float(total / (len(answers) + _PSEUDO_STUDIES))


def typical_precisions(fitted: FittedPrior) -> Array:
    """Precision of each dimension: the median of the studies that tuned it.  # (D,)"""
    precisions = fitted.parameters.precisions
    known = np.where(precisions > 0, precisions, np.nan)
    default = 8.0 / max(precisions.shape[1], 1)
    medians = [np.nanmedian(k) if np.isfinite(k).any() else default for k in known.T]
    return np.array(medians)


def residual_scales(X: Array, y: Array, owners: NDArray[np.int64], precisions: Array) -> Scales:
    """The residual's length scales: the priors' precisions (D,), and those y (n,) shows at X."""
    default = np.full(len(precisions), 8.0 / max(len(precisions), 1))
    own = own_precisions(X, y, owners, default)
    return Scales(np.sqrt(precisions)[owners], np.sqrt(own)[owners])


def _trust_of_others(fitted: FittedPrior, t: int) -> float:
    task = fitted.prior.tasks[t]
    n = len(task.values)
    trials = np.linspace(0, n - 1, min(n, _MOST_TRIALS)).round().astype(int)
    rows = task.rows[trials]
    y = (signed if task.measure.is_constraint else warp)(task.values[trials])
    others = np.delete(np.arange(len(fitted)), t)
    inputs = Inputs(fitted.predict(rows)[:, others], design(rows, fitted.space))
    uniform = np.full(len(others), 1.0 / len(others))
    scales = residual_scales(inputs.X, y, column_owners(fitted.space), typical_precisions(fitted))
    return condition(components(0.5), inputs, y, uniform, scales).trust

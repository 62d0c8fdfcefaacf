"""A prior's tasks -> arrays of one length, of the trials that say most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.outcomes.transforms import rank_normal
from optuna_meta.outcomes.transforms import warp_constraint
from optuna_meta.studies.prior import Prior
from optuna_meta.surrogate.base_gps import PaddedTasks
from optuna_meta.surrogate.kernel import column_owners
from optuna_meta.surrogate.kernel import design


__all__ = ["padded", "representative"]

_MOST_TRIALS = 200  # Of one study; a Gaussian process's price grows with their cube.


def padded(prior: Prior) -> PaddedTasks:
    """Return the tasks' trials as designs and comparable values."""
    owners = column_owners(prior.space)
    kept = [representative(task.values, _MOST_TRIALS) for task in prior.tasks]
    longest = max((len(k) for k in kept), default=0)
    n_tasks = len(prior.tasks)
    designs = np.zeros((n_tasks, longest, len(owners)))
    values = np.zeros((n_tasks, longest))
    mask = np.zeros((n_tasks, longest), dtype=bool)
    tuned = np.zeros((n_tasks, len(prior.space.dimensions)), dtype=bool)
    for t, (task, trials) in enumerate(zip(prior.tasks, kept, strict=True)):
        n = len(trials)
        designs[t, :n] = design(task.rows[trials], prior.space)
        comparable = warp_constraint if task.outcome.is_constraint else rank_normal
        values[t, :n] = comparable(task.values)[trials]
        mask[t, :n] = True
        tuned[t] = task.tuned
    return PaddedTasks(designs, values, mask, tuned, owners)


def representative(values: Array, most: int) -> NDArray[np.int64]:
    """Choose trials to learn from: all or, of many, the best half and an even spread of ranks.

    Args:
        values: The trials' values.  # (n,)
        most: How many at most.

    Returns:
        Their indices, in order.
    """
    order = np.argsort(values, kind="stable")
    if len(values) <= most:
        return np.arange(len(values))
    best, rest = order[: most // 2], order[most // 2 :]
    spread = np.linspace(0, len(rest) - 1, most - len(best)).round().astype(int)
    return np.sort(np.concatenate([best, rest[spread]]))

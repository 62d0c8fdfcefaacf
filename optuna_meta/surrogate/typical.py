"""What is typical of a study's good configurations."""

from __future__ import annotations

import numpy as np

from optuna_meta._typing import Array
from optuna_meta.space.search_space import Space


__all__ = ["typical_row"]

_BEST = 5  # A fifth of a study's trials say what is typical of its good configurations.


def typical_row(rows: Array, values: Array, space: Space) -> Array:
    """Return the best trials' median or, of choices, the commonest; NaN for what none has.  # (D,)

    Args:
        rows: The study's trials.  # (n, D)
        values: Their values, lower is better.  # (n,)
        space: Their space.
    """
    rows = rows[np.argsort(values, kind="stable")[: max(1, len(values) // _BEST)]]
    typical = np.full(len(space.dimensions), np.nan)
    for i, dimension in enumerate(space.dimensions):
        cells = rows[~np.isnan(rows[:, i]), i]
        if len(cells) and dimension.is_categorical:
            known, counts = np.unique(cells, return_counts=True)
            typical[i] = known[counts.argmax()]
        elif len(cells):
            typical[i] = np.median(cells)
    return typical

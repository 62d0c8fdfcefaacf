"""How much each prior study should weigh before the target has any trial.

The weights are soft: nearest neighbours on raw meta-features were fragile in every study we know
(Feurer et al., 2015, dropped theirs later), so that half of the weight stays uniform and a feature
that is missing, constant or heavy-tailed cannot decide alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from optuna_meta.space import Array


__all__ = ["prior_weights"]

_UNIFORM_SHARE = 0.5
_FAREST = 3.0  # Standardised features are clipped there: one outlier must not make a neighbour.


def prior_weights(
    features: Sequence[Mapping[str, float]], target: Mapping[str, float] | None
) -> Array:
    """Weights (T,) of T prior studies, sum 1.

    Args:
        features: Meta-features of each prior study; empty where none are known.
        target: Meta-features of the target; ``None`` where none are known.

    Returns:
        Uniform weights where nothing compares; else half uniform, half a Gaussian of the distance
        of standardised features. A study without features weighs like the middle one.
    """
    n = len(features)
    uniform = np.full(n, 1.0 / max(n, 1))
    names = [name for name in target or {} if any(name in f for f in features)]
    if not names or n < 2:
        return uniform
    table = np.array([[f.get(name, np.nan) for name in names] for f in (*features, target or {})])
    squared = _squared_distances(_standardised(table))
    known = np.isfinite(squared)
    if known.sum() < 2 or squared[known].max() <= 0.0:
        return uniform
    middle = float(np.median(squared[known]))
    closeness = np.exp(-np.where(known, squared, middle) / max(middle, 1e-12))
    weights: Array = _UNIFORM_SHARE * uniform + (1 - _UNIFORM_SHARE) * closeness / closeness.sum()
    return weights


def _standardised(table: Array) -> Array:
    """Columns on a log-like scale, centred and scaled robustly; constant ones become missing."""
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.sign(table) * np.log1p(np.abs(table))
    columns = []
    for column in scaled.T:
        known = column[np.isfinite(column)]
        spread = np.ptp(known) if len(known) else 0.0
        deviation = np.median(np.abs(known - np.median(known))) if spread > 1e-12 else 0.0
        unit = 1.4826 * deviation or spread / 2.0
        if spread <= 1e-12:
            columns.append(np.full(len(column), np.nan))
        else:
            columns.append(np.clip((column - np.median(known)) / unit, -_FAREST, _FAREST))
    return np.array(columns).T


def _squared_distances(table: Array) -> Array:
    """Mean squared difference (T,) of each row to the last, over what both know; NaN for none."""
    differences = (table[:-1] - table[-1]) ** 2
    counts = np.isfinite(differences).sum(axis=1)
    sums = np.nansum(differences, axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)

"""The attributes of a data set as one matrix of numbers, for learners that know nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.measures import standardise


__all__ = ["make_design"]

_MAX_CODED = 50
_MAX_CATEGORIES = 8


def make_design(z: NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns a matrix of shape (m, d) without missing cells.

    Numbers that are missing are the mean of their column. Each of the eight most frequent
    categories of the first 50 categorical columns has an indicator column, which is standardised.

    Args:
        z: Standardised numeric columns of shape (m, a), NaN where missing.
        codes: Categorical columns of shape (m, c), -1 where missing.
    """
    return np.hstack([np.nan_to_num(z), _one_hot(codes)])


def _one_hot(codes: NDArray[np.int64]) -> NDArray[np.float64]:
    columns = [np.empty((len(codes), 0))]
    for column in codes.T[:_MAX_CODED]:
        counts = np.bincount(column[column >= 0])
        frequent = np.argsort(-counts, kind="stable")[:_MAX_CATEGORIES]
        columns.append((column[:, None] == frequent).astype(np.float64))
    return standardise(np.hstack(columns))

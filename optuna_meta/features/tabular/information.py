"""Information measures of a data set: how much columns and target tell, alone and together.

Michie, Spiegelhalter and Taylor (1994), "Machine Learning, Neural and Statistical
Classification", section 7.3.3; concentration after Kalousis and Hilario (2001), "Model selection
via meta-learning". All entropies are in bits.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from optuna_meta.features.measures import contingency
from optuna_meta.features.measures import entropy
from optuna_meta.features.measures import mean
from optuna_meta.features.measures import ratio
from optuna_meta.features.measures import sd


__all__ = ["describe_columns", "relate_columns"]

_MAX_CONCENTRATION_COLUMNS = 12
# Less than this is what rounding makes of none.
_LEAST_INFORMATION = 1e-12


def describe_columns(columns: Sequence[NDArray[np.int64]]) -> dict[str, float]:
    """Returns what the columns tell by themselves and of each other: attr_ent and attr_conc.

    Args:
        columns: Codes of shape (m,) each, -1 where a cell is missing.
    """
    counts = [np.bincount(column[column >= 0]) for column in columns]
    entropies = np.array([entropy(c) for c in counts if c.size])
    # Evenly spaced, since the number of pairs grows with the square.
    some = np.linspace(0, len(columns) - 1, min(len(columns), _MAX_CONCENTRATION_COLUMNS))
    pairs = permutations(np.round(some).astype(int).tolist(), 2)
    concentrations = _known(_concentration(contingency(columns[i], columns[j])) for i, j in pairs)
    return {
        "attr_ent.mean": mean(entropies),
        "attr_ent.sd": sd(entropies),
        "attr_conc.mean": mean(concentrations),
    }


def relate_columns(
    columns: Sequence[NDArray[np.int64]], classes: NDArray[np.int64]
) -> dict[str, float]:
    """Returns what the columns tell of the target; empty where no row has both.

    Args:
        columns: Codes of shape (m,) each, -1 where a cell is missing.
        classes: Codes of shape (m,), of classes or of the bins of a number.
    """
    tables = [contingency(column, classes) for column in columns]
    tables = [table for table in tables if table.size]
    if not tables:
        return {}
    attribute, joint = np.array([(entropy(t.sum(axis=1)), entropy(t.ravel())) for t in tables]).T
    mutual = attribute + [entropy(t.sum(axis=0)) for t in tables] - joint
    mutual = np.where(mutual < _LEAST_INFORMATION, 0.0, mutual)
    class_ent = entropy(np.bincount(classes[classes >= 0]))
    return {
        "joint_ent.mean": mean(joint),
        "mut_inf.mean": mean(mutual),
        "mut_inf.sd": sd(mutual),
        "mut_inf.max": float(mutual.max()),
        "class_conc.mean": mean(_known(_concentration(table) for table in tables)),
        "eq_num_attr": ratio(len(tables) * class_ent, mutual.sum()),
        "ns_ratio": ratio((attribute - mutual).sum(), mutual.sum()),
    }


def _concentration(table: NDArray[np.int64]) -> float:
    """Returns Goodman and Kruskal's tau of the rows' variable, given that of the columns."""
    if np.count_nonzero(table.sum(axis=1)) < 2:
        return np.nan
    joint = table / table.sum()
    rows, columns = (joint.sum(axis=1) ** 2).sum(), joint.sum(axis=0)
    explained = (joint[:, columns > 0] ** 2 / columns[columns > 0]).sum()
    return float((explained - rows) / (1.0 - rows))


def _known(values: Iterable[float]) -> NDArray[np.float64]:
    return np.array([value for value in values if not np.isnan(value)])

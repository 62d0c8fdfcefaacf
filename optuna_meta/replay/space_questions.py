"""An objective's questions, asked as a study's space and conditions say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.trial import Trial

from optuna_meta._typing import Array
from optuna_meta.space.conditions import Condition
from optuna_meta.space.search_space import Space


__all__ = ["suggested_row"]


def suggested_row(trial: Trial, space: Space, conditions: Sequence[Condition]) -> Array:
    """Ask a trial for the parameters of a space, and encode them.  # (D,)

    Args:
        trial: The trial.
        space: The parameters.
        conditions: Which of them exist under which others, parents before children.
    """
    row = np.full(len(space.dimensions), np.nan)
    by_child = {condition.child: condition for condition in conditions}
    free = [i for i in range(len(row)) if i not in by_child]
    for i in [*free, *by_child]:
        condition = by_child.get(i)
        if condition and not condition.holds(row[[condition.parent]])[0]:
            continue
        dimension = space.dimensions[i]
        value = _suggested(trial, dimension.name, dimension.distribution())
        row[i] = dimension.encode([value])[0]
    return row


def _suggested(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    match distribution:
        case FloatDistribution(low=low, high=high, log=log, step=step):
            return trial.suggest_float(name, low, high, log=log, step=step)
        case IntDistribution(low=low, high=high, log=log, step=step):
            return trial.suggest_int(name, low, high, log=log, step=step)
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(name, choices)
    raise ValueError(f"Parameter {name!r} has an unknown distribution {distribution!r}.")

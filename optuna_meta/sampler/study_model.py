"""What a sampler makes of a study at one moment, for figures and reports: models and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import Any

import numpy as np

from optuna_meta._typing import Array
from optuna_meta.sampler.weights_source import SCRATCH
from optuna_meta.suggest.request import SuggestRequest
from optuna_meta.suggest.suggester import Suggester
from optuna_meta.surrogate.transfer_model import OutcomePosterior
from optuna_meta.surrogate.transfer_model import TransferModel


__all__ = ["StudyModel"]


@dataclass(frozen=True)
class StudyModel:
    """The prior studies' models, and the study's finished trials as the next one sees them.

    Args:
        suggester: What would answer the next trial; not to be asked, for it would remember.
        request: What the next trial asks.
        candidates: The only configurations that may be tried; ``None`` for all.
        starts: What the trials' models started from, by the numbers that the request has of it.
    """

    suggester: Suggester
    request: SuggestRequest
    candidates: Sequence[Mapping[str, Any]] | None = None
    starts: tuple[str, ...] = (SCRATCH,)

    def transfer(self, objective: int = 0) -> TransferModel:
        """Return what the prior studies say of an objective."""
        return self.suggester.model(self.request.outcomes[objective])

    def started_from(self, start: str) -> StudyModel:
        """Return what the sampler makes of those trials alone that have this start."""
        alike = np.flatnonzero(self.request.started == self.starts.index(start))
        return replace(self, request=self.request.of_trials(alike))

    def values(self, objective: int = 0) -> Array:
        """Return the finished trials' values, lower is better.  # (n,)"""
        return np.asarray(self.request.values[:, objective])

    def posterior(self, objective: int = 0) -> OutcomePosterior:
        """Condition a copy of an objective's model on the finished trials."""
        rows = self.request.rows
        model = self.transfer(objective).copy()
        off = None if self.request.deviations is None else self.request.deviations[:, objective]
        values = self.values(objective)
        return model.condition(self.request.space, rows, values, rows[:0], off)

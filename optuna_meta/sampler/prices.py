"""What the sampler's next trials will cost, and how much that counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
import math

import numpy as np
from optuna.trial import FrozenTrial

from optuna_meta._typing import Array
from optuna_meta.outcomes.full_costs import cost_of
from optuna_meta.outcomes.full_costs import full_costs
from optuna_meta.outcomes.full_costs import seconds_of
from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.pruning.costs import Costs
from optuna_meta.pruning.costs import fit_costs
from optuna_meta.pruning.costs import log_costs
from optuna_meta.pruning.costs import prior_costs
from optuna_meta.space.search_space import Space
from optuna_meta.studies.prior import Prior
from optuna_meta.suggest.request import SuggestRequest


__all__ = ["Prices"]

_LOGS = (-700.0, 700.0)  # Of numbers that JSON and every database take.
_EXPONENT = 0.5  # Of the cost, where no budget says how much of it is left.


@dataclass(frozen=True)
class Prices:
    """Makes dear configurations less attractive, the less the nearer the end of the budget is.

    Args:
        prior: The prior studies.
        budget: What all trials may cost; unknown if ``None``.
        name: User attribute that holds a trial's cost; the seconds that it ran if ``None``.
    """

    prior: Prior
    budget: float | None = None
    name: str | None = None

    def priced(self, request: SuggestRequest, trials: Sequence[FrozenTrial]) -> SuggestRequest:
        """Return a request that counts improvement by its cost.

        Args:
            request: The request.
            trials: The target's trials.
        """
        exponent = self.exponent(trials)
        model = fit_costs(self._prior_costs(), self._own(request.space, trials))

        def penalty(rows: Array) -> Array:
            return exponent * model.log_cost(rows, request.space)

        return replace(request, penalty=penalty)

    def forecast(
        self, request: SuggestRequest, trials: Sequence[FrozenTrial], row: Array
    ) -> float | None:
        """Return what a row (D,) will cost; ``None`` before any trial shows the target's scale."""
        own = self._own(request.space, trials)
        if np.isnan(own.logs).all():
            return None
        model = fit_costs(self._prior_costs(), own)
        return float(np.exp(np.clip(model.log_cost(row[None], request.space)[0], *_LOGS)))

    def exponent(self, trials: Sequence[FrozenTrial]) -> float:
        """Return the power of the cost by which improvement is divided."""
        if self.budget is None:
            return _EXPONENT
        spent = sum(cost for t in trials if math.isfinite(cost := self._cost(t)) and cost > 0.0)
        return max(0.0, 1.0 - spent / self.budget)

    def _prior_costs(self) -> Costs:
        return prior_costs(self.prior.tasks, self.prior.space, self.name)

    def _own(self, space: Space, trials: Sequence[FrozenTrial]) -> Costs:
        ended = [t for t in trials if t.state in FINISHED]
        logs = log_costs(full_costs(ended, self.name))
        return Costs(space, space.rows([t.params for t in ended]), logs)

    def _cost(self, trial: FrozenTrial) -> float:
        return seconds_of(trial) if self.name is None else cost_of(trial, self.name)

"""One suggestion: candidates, their score under the target's models, the best of them."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

import numpy as np

from optuna_meta._typing import Array
from optuna_meta.outcomes.outcome import Outcome
from optuna_meta.outcomes.pareto import feasible
from optuna_meta.suggest.acquisition import AcquisitionFunction
from optuna_meta.suggest.pool import given_pool
from optuna_meta.suggest.pool import new_pool
from optuna_meta.suggest.pool import Pool
from optuna_meta.suggest.request import MOST_AHEAD
from optuna_meta.suggest.request import Suggestion
from optuna_meta.suggest.request import SuggestRequest
from optuna_meta.suggest.search import search
from optuna_meta.suggest.search import thinned
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.mixture_gp import Inputs
from optuna_meta.surrogate.transfer_model import new_transfer_model
from optuna_meta.surrogate.transfer_model import TransferModel


__all__ = ["Suggester"]


_MOST_POOLS = 8
_FEW = 8  # Prior studies.


@dataclass
class Suggester:
    """Answers questions from a trained prior; keeps the candidates of each space.

    Args:
        fitted: The prior studies' surrogates.
        features: The target's meta-features.
    """

    fitted: FittedPrior
    features: Mapping[str, float] | None = None
    _models: dict[Outcome, TransferModel] = field(default_factory=dict, repr=False)
    _pools: dict[str, Pool] = field(default_factory=dict, repr=False)

    def copy(self) -> Suggester:
        """A suggester that answers alike; what it draws anew does not reach this one."""
        models = {outcome: model.copy() for outcome, model in self._models.items()}
        return replace(self, _models=models, _pools=dict(self._pools))

    def without(self, name: str) -> Suggester:
        """A suggester that a prior study never reached.

        Few others are asked again what they say of each other, many are not: it costs most.
        """
        fitted = self.fitted.without([name])
        models = {}
        for outcome, model in self._models.items():
            names = np.array(model.fitted.names)
            if len(names) > _FEW:
                reliability = model.reliability.without(np.flatnonzero(names == name))
                models[outcome] = new_transfer_model(fitted, outcome, self.features, reliability)
        return Suggester(fitted, self.features, models)

    def model(self, outcome: Outcome) -> TransferModel:
        """What the prior studies say of a outcome."""
        if outcome not in self._models:
            self._models[outcome] = new_transfer_model(self.fitted, outcome, self.features)
        return self._models[outcome]

    def suggest(self, request: SuggestRequest, rng: np.random.Generator) -> Suggestion:
        """The best candidate; in a space with unseen rows, one of those.

        Workers that ask at the same moment would all get the same answer: each leaves the best
        ones to the trials ahead of it.
        """
        if not request.space.dimensions:  # Nothing has been asked for yet that anyone knows of.
            return self._nothing(request)
        for _ in range(min(request.ahead, MOST_AHEAD)):
            taken = self._best(request, rng)
            request = request.after(taken)
        return self._best(request, rng)

    def _nothing(self, request: SuggestRequest) -> Suggestion:
        aims = [self.model(m) for m in request.outcomes if not m.is_constraint]
        nothing = np.zeros(len(self.fitted.prior))
        trust = _mean([aim.trust for aim in aims])
        return Suggestion(np.zeros(0), trust, nothing, nothing, nothing)

    def _best(self, request: SuggestRequest, rng: np.random.Generator) -> Suggestion:
        seen = np.vstack([request.rows, request.pending])
        pool = self._pool(request, rng)
        goal, inputs = self._goal(thinned(request), pool)
        row, place = search(goal, request, seen, pool, inputs, rng)
        said = self._explained(row, request, goal, inputs)
        return said if request.candidates is None else replace(said, candidate=place)

    def _goal(
        self, request: SuggestRequest, pool: Pool
    ) -> tuple[AcquisitionFunction, list[Inputs]]:
        """What to look for after the request's trials, and what the pool's inputs are."""
        space, n_aims = request.space, request.values.shape[1]
        views, inputs = [], []
        columns = np.hstack([request.values, request.constraint_values]).T
        for outcome, values in zip(request.outcomes, columns, strict=True):
            model, told = self.model(outcome), ~np.isnan(values)
            view = model.view(space, request.rows[told], values[told], request.pending)
            inputs.append(pool.inputs(model, space, view.active))
            views.append(view if outcome.is_constraint else view.testing_if_due(inputs[-1]))
        return AcquisitionFunction(
            tuple(views), n_aims, feasible(request.constraint_values)
        ), inputs

    def _explained(
        self,
        row: Array,
        request: SuggestRequest,
        goal: AcquisitionFunction,
        inputs: Sequence[Inputs],
    ) -> Suggestion:
        aims = goal.views[: goal.n_objectives]
        index = {name: t for t, name in enumerate(self.fitted.prior.names)}
        said = np.zeros((3, len(index)))
        for view, candidates, outcome in zip(aims, inputs, request.outcomes, strict=False):
            model, coefficients = self.model(outcome), view.full.coefficients()
            advantage = candidates.Z.mean(axis=0) - view.base_models.expectations(row[None])[0]
            told = [index[name] for name in model.fitted.names]
            said[0, told] += model.weights / len(aims)
            active = np.array(told, dtype=np.int64)[view.active]
            said[1, active] += coefficients / len(aims)
            said[2, active] += coefficients * advantage / len(aims)
        tests = any(view.tests for view in aims)
        trust = _mean([view.trust for view in aims])
        return Suggestion(row, trust, said[0], said[1], said[2], tests)

    def _pool(self, request: SuggestRequest, rng: np.random.Generator) -> Pool:
        key = repr((request.space, request.conditions, request.fixed.tolist()))
        if request.candidates is not None:
            key += repr(request.candidates.tobytes())
        if key not in self._pools:
            while len(self._pools) >= _MOST_POOLS:
                self._pools.pop(next(iter(self._pools)))
            self._pools[key] = self._new_pool(request, rng)
        self._pools[key] = self._pools.pop(key)  # The least recently used one goes first.
        return self._pools[key]

    def _new_pool(self, request: SuggestRequest, rng: np.random.Generator) -> Pool:
        space, decided = request.space, request.fixed
        if request.candidates is not None:
            return given_pool(space, request.candidates)
        relevant = self.fitted.prior.of(request.outcomes)
        return new_pool(relevant, space, decided, request.conditions, rng)


def _mean(values: Sequence[float]) -> float:
    return float(sum(values) / len(values))

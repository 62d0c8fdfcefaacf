"""One suggestion: candidates, their score under the target's models, the best of them."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

import numpy as np

from optuna_meta._typing import Array
from optuna_meta.outcomes.outcome import Measure
from optuna_meta.outcomes.pareto import feasible
from optuna_meta.suggest.acquisition import Goal
from optuna_meta.suggest.pool import given_pool
from optuna_meta.suggest.pool import new_pool
from optuna_meta.suggest.pool import Pool
from optuna_meta.suggest.request import MOST_AHEAD
from optuna_meta.suggest.request import Question
from optuna_meta.suggest.request import Suggestion
from optuna_meta.suggest.search import search
from optuna_meta.suggest.search import thinned
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.mixture_gp import Inputs
from optuna_meta.surrogate.transfer_model import new_outlook
from optuna_meta.surrogate.transfer_model import Outlook


__all__ = ["Planner"]


_MOST_POOLS = 8
_FEW = 8  # Prior studies.


@dataclass
class Planner:
    """Answers questions from a trained prior; keeps the candidates of each space.

    Args:
        fitted: The prior studies' surrogates.
        features: The target's meta-features.
    """

    fitted: FittedPrior
    features: Mapping[str, float] | None = None
    _outlooks: dict[Measure, Outlook] = field(default_factory=dict, repr=False)
    _pools: dict[str, Pool] = field(default_factory=dict, repr=False)

    def copy(self) -> Planner:
        """A planner that answers alike; what it draws anew does not reach this one."""
        outlooks = {measure: outlook.copy() for measure, outlook in self._outlooks.items()}
        return replace(self, _outlooks=outlooks, _pools=dict(self._pools))

    def without(self, name: str) -> Planner:
        """A planner that a prior study never reached.

        Few others are asked again what they say of each other, many are not: it costs most.
        """
        fitted = self.fitted.without([name])
        outlooks = {}
        for measure, outlook in self._outlooks.items():
            names = np.array(outlook.fitted.names)
            if len(names) > _FEW:
                standing = outlook.standing.without(np.flatnonzero(names == name))
                outlooks[measure] = new_outlook(fitted, measure, self.features, standing)
        return Planner(fitted, self.features, outlooks)

    def outlook(self, measure: Measure) -> Outlook:
        """What the prior studies say of a measure."""
        if measure not in self._outlooks:
            self._outlooks[measure] = new_outlook(self.fitted, measure, self.features)
        return self._outlooks[measure]

    def suggest(self, question: Question, rng: np.random.Generator) -> Suggestion:
        """The best candidate; in a space with unseen rows, one of those.

        Workers that ask at the same moment would all get the same answer: each leaves the best
        ones to the trials ahead of it.
        """
        if not question.space.dimensions:  # Nothing has been asked for yet that anyone knows of.
            return self._nothing(question)
        for _ in range(min(question.ahead, MOST_AHEAD)):
            taken = self._best(question, rng)
            question = question.after(taken)
        return self._best(question, rng)

    def _nothing(self, question: Question) -> Suggestion:
        aims = [self.outlook(m) for m in question.measures if not m.is_constraint]
        nothing = np.zeros(len(self.fitted.prior))
        trust = _mean([aim.trust for aim in aims])
        return Suggestion(np.zeros(0), trust, nothing, nothing, nothing)

    def _best(self, question: Question, rng: np.random.Generator) -> Suggestion:
        seen = np.vstack([question.rows, question.pending])
        pool = self._pool(question, rng)
        goal, inputs = self._goal(thinned(question), pool)
        row, place = search(goal, question, seen, pool, inputs, rng)
        said = self._explained(row, question, goal, inputs)
        return said if question.candidates is None else replace(said, candidate=place)

    def _goal(self, question: Question, pool: Pool) -> tuple[Goal, list[Inputs]]:
        """What to look for after the question's trials, and what the pool's inputs are."""
        space, n_aims = question.space, question.values.shape[1]
        views, inputs = [], []
        columns = np.hstack([question.values, question.limits]).T
        for measure, values in zip(question.measures, columns, strict=True):
            outlook, told = self.outlook(measure), ~np.isnan(values)
            view = outlook.view(space, question.rows[told], values[told], question.pending)
            inputs.append(pool.inputs(outlook, space, view.active))
            views.append(view if measure.is_constraint else view.testing_if_due(inputs[-1]))
        return Goal(tuple(views), n_aims, feasible(question.limits)), inputs

    def _explained(
        self, row: Array, question: Question, goal: Goal, inputs: Sequence[Inputs]
    ) -> Suggestion:
        aims = goal.views[: goal.n_objectives]
        index = {name: t for t, name in enumerate(self.fitted.prior.names)}
        said = np.zeros((3, len(index)))
        for view, candidates, measure in zip(aims, inputs, question.measures, strict=False):
            outlook, coefficients = self.outlook(measure), view.full.coefficients()
            advantage = candidates.Z.mean(axis=0) - view.lens.expectations(row[None])[0]
            told = [index[name] for name in outlook.fitted.names]
            said[0, told] += outlook.weights / len(aims)
            active = np.array(told, dtype=np.int64)[view.active]
            said[1, active] += coefficients / len(aims)
            said[2, active] += coefficients * advantage / len(aims)
        tests = any(view.tests for view in aims)
        trust = _mean([view.trust for view in aims])
        return Suggestion(row, trust, said[0], said[1], said[2], tests)

    def _pool(self, question: Question, rng: np.random.Generator) -> Pool:
        key = repr((question.space, question.conditions, question.fixed.tolist()))
        if question.candidates is not None:
            key += repr(question.candidates.tobytes())
        if key not in self._pools:
            while len(self._pools) >= _MOST_POOLS:
                self._pools.pop(next(iter(self._pools)))
            self._pools[key] = self._new_pool(question, rng)
        self._pools[key] = self._pools.pop(key)  # The least recently used one goes first.
        return self._pools[key]

    def _new_pool(self, question: Question, rng: np.random.Generator) -> Pool:
        space, decided = question.space, question.fixed
        if question.candidates is not None:
            return given_pool(space, question.candidates)
        relevant = self.fitted.prior.of(question.measures)
        return new_pool(relevant, space, decided, question.conditions, rng)


def _mean(values: Sequence[float]) -> float:
    return float(sum(values) / len(values))

"""One suggestion: candidates, their score under the target's model, the best of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

import numpy as np

from optuna_meta.acquisition import mixture_score
from optuna_meta.candidates import enumerated
from optuna_meta.candidates import fixed
from optuna_meta.candidates import neighbours
from optuna_meta.candidates import uniform
from optuna_meta.candidates import unseen
from optuna_meta.conditions import apply_conditions
from optuna_meta.conditions import Condition
from optuna_meta.scaling import warp
from optuna_meta.similarity import prior_weights
from optuna_meta.space import Array
from optuna_meta.space import Dimension
from optuna_meta.space import Space
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.kernel import column_owners
from optuna_meta.surrogate.kernel import design
from optuna_meta.surrogate.mixture import components
from optuna_meta.surrogate.target import condition
from optuna_meta.surrogate.target import Inputs
from optuna_meta.surrogate.target import TargetModel
from optuna_meta.surrogate.trust import initial_trust
from optuna_meta.surrogate.trust import typical_roots


__all__ = ["Planner", "Question", "Suggestion", "new_planner"]

_SPREAD = 400  # Random rows of the pool, drawn once for a space.
_REMEMBERED = 15  # Best trials of each prior study in the pool.
_LOCAL = 80  # Rows of one round of local search.
_ROUNDS = 3
_MOST_POOLS = 8
_MOST_AHEAD = 8
_SMALL = 1000  # A space of no more rows is searched whole.


@dataclass(frozen=True)
class Question:
    """Everything a suggestion depends on, as arrays.

    Args:
        space: The target's space.
        rows: The finished trials.  # (n, D)
        values: Their values, lower is better, finite.  # (n,)
        pending: Running trials.  # (p, D)
        fixed: Cells that are already decided, NaN for the others.  # (D,)
        conditions: Which dimensions exist under which others.
        ahead: Running trials whose configuration is not known yet.
    """

    space: Space
    rows: Array  # (n, D)
    values: Array  # (n,)
    pending: Array  # (p, D)
    fixed: Array  # (D,)
    conditions: tuple[Condition, ...] = ()
    ahead: int = 0


@dataclass(frozen=True)
class Suggestion:
    """A chosen configuration and why.

    Args:
        row: Its cells in the question's space.  # (D,)
        trust: Posterior probability that the prior studies inform the target.
        coefficients: Signed weight of each prior study in the posterior mean.  # (T,)
        contributions: Each study's part of the predicted advantage over the average candidate,
            in the priors' units.  # (T,)
    """

    row: Array  # (D,)
    trust: float
    coefficients: Array  # (T,)
    contributions: Array  # (T,)


@dataclass(frozen=True)
class _Pool:
    rows: Array  # (M, D)
    inputs: Inputs
    n_remembered: int  # The first rows are the prior studies' best trials.


@dataclass
class Planner:
    """Answers questions from a trained prior; keeps the candidates of each space.

    Args:
        fitted: The prior studies' surrogates.
        weights: Weight of each prior study, sum 1.  # (T,)
        trust: Probability, before any trial, that the prior studies inform the target.
        features: The target's meta-features.
    """

    fitted: FittedPrior
    weights: Array  # (T,)
    trust: float
    features: Mapping[str, float] | None = None
    _pools: dict[str, _Pool] = field(default_factory=dict, repr=False)

    def copy(self) -> Planner:
        """A planner that answers alike and shares no pool with this one from now on."""
        return replace(self, _pools=dict(self._pools))

    def distance(self, a: Array, b: Array, space: Space) -> float:
        """Distance of two rows (D,) of a space, in length scales."""
        difference = design(np.array([a]), space) - design(np.array([b]), space)
        return float(np.linalg.norm(difference * self._roots(space)[column_owners(space)]))

    def model(self, question: Question) -> TargetModel:
        """The target's model after the question's trials."""
        return condition(
            components(self.trust),
            self._inputs(question.rows, question.space),
            warp(question.values),
            self.weights,
            self._inputs(question.pending, question.space) if len(question.pending) else None,
        )

    def suggest(self, question: Question, rng: np.random.Generator) -> Suggestion:
        """The best candidate; in a space with unseen rows, one of those.

        Workers that ask at the same moment would all get the same answer: each leaves the best
        ones to the trials ahead of it.
        """
        for _ in range(min(question.ahead, _MOST_AHEAD)):
            taken = self._best(question, rng).row
            question = replace(question, pending=np.vstack([question.pending, taken]))
        return self._best(question, rng)

    def _best(self, question: Question, rng: np.random.Generator) -> Suggestion:
        model = self.model(question)
        space, seen = question.space, np.vstack([question.rows, question.pending])
        pool = self._pool(question, rng)
        fresh = unseen(pool.rows, seen)
        if not len(seen):
            fresh = fresh[fresh < pool.n_remembered]
        rows, inputs = pool.rows[fresh], pool.inputs.select(fresh)
        scores = _scores(model, inputs)
        pool_mean = inputs.Z.mean(axis=0)
        for _ in range(_ROUNDS if len(seen) and space.size > _SMALL else 0):
            start = self._starts(rows, scores, question)
            local = fixed(neighbours(start, _LOCAL, space, rng), question.fixed)
            local = apply_conditions(local, question.conditions)
            local = local[unseen(local, seen)]
            local_scores = _scores(model, self._inputs(local, space))
            rows, scores = np.vstack([rows, local]), np.concatenate([scores, local_scores])
        best = rows[int(np.argmax(scores))]
        coefficients = model.coefficients()
        advantage = coefficients * (pool_mean - self._inputs(best[None], space).Z[0])
        return Suggestion(best, model.trust, coefficients, advantage)

    def _starts(self, rows: Array, scores: Array, question: Question) -> Array:
        """Where to search locally: the best-scored candidates and the best trials."""
        scored = rows[np.argsort(-scores, kind="stable")[:4]]
        observed = question.rows[np.argsort(question.values, kind="stable")[:3]]
        return np.vstack([scored, observed])

    def _inputs(self, rows: Array, space: Space) -> Inputs:
        absent = np.array([name not in space.names for name in self.fitted.space.names])
        Z = self.fitted.predict(self.fitted.space.translate(rows, space), absent)
        return Inputs(Z, design(rows, space) * self._roots(space)[column_owners(space)])

    def _roots(self, space: Space) -> Array:
        """Inverse length scales of the residual, in the target's units.  # (D,)"""
        cube, known = self.fitted.space, typical_roots(self.fitted)
        roots = np.full(len(space.dimensions), np.sqrt(8.0 / max(len(space.dimensions), 1)))
        for i, dimension in enumerate(space.dimensions):
            if dimension.name in cube.names:
                d = cube.index(dimension.name)
                roots[i] = known[d] * _range_ratio(dimension, cube.dimensions[d])
        return roots

    def _pool(self, question: Question, rng: np.random.Generator) -> _Pool:
        """Candidates that serve every trial of a study, with what the priors say of them."""
        key = repr((question.space, question.conditions, question.fixed.tolist()))
        if key not in self._pools:
            while len(self._pools) >= _MOST_POOLS:
                self._pools.pop(next(iter(self._pools)))
            self._pools[key] = self._new_pool(question, rng)
        return self._pools[key]

    def _new_pool(self, question: Question, rng: np.random.Generator) -> _Pool:
        space = question.space
        bests = [
            task.rows[np.argsort(task.values, kind="stable")[:_REMEMBERED]]
            for task in self.fitted.prior.tasks
        ]
        remembered = space.translate(np.vstack(bests), self.fitted.space)
        unknown = np.isnan(remembered) | (remembered < 0)
        remembered = np.where(unknown, uniform(len(remembered), space, rng), remembered)
        spread = enumerated(space) if space.size <= _SMALL else uniform(_SPREAD, space, rng)
        rows = fixed(np.vstack([space.snap(remembered), spread]), question.fixed)
        rows = apply_conditions(rows, question.conditions)
        return _Pool(rows, self._inputs(rows, space), len(remembered))


def new_planner(fitted: FittedPrior, features: Mapping[str, float] | None = None) -> Planner:
    """The planner of a target with these meta-features."""
    weights = prior_weights([task.meta_features for task in fitted.prior.tasks], features)
    return Planner(fitted, weights, initial_trust(fitted), features)


def _scores(model: TargetModel, inputs: Inputs) -> Array:
    p = model.predict(inputs)
    return mixture_score(p.means, p.deviations, p.incumbents, p.weights)


def _range_ratio(target: Dimension, cube: Dimension) -> float:
    """Length of the target's range in units of the cube's."""
    if target.is_categorical or cube.is_categorical or target.log != cube.log:
        return 1.0
    return target.width / (cube.width or 1.0) or 1.0

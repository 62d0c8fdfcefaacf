"""One suggestion: candidates, their score under the target's models, the best of them."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from optuna_meta.candidates import apart
from optuna_meta.candidates import fixed
from optuna_meta.candidates import neighbours
from optuna_meta.candidates import row_keys
from optuna_meta.candidates import unseen
from optuna_meta.candidates import unseen_keys
from optuna_meta.conditions import apply_conditions
from optuna_meta.conditions import Condition
from optuna_meta.goal import Goal
from optuna_meta.measure import Measure
from optuna_meta.outlook import new_outlook
from optuna_meta.outlook import Outlook
from optuna_meta.pareto import best_first
from optuna_meta.pareto import feasible
from optuna_meta.plateaus import log_novelty
from optuna_meta.plateaus import persistence
from optuna_meta.plateaus import plateaus
from optuna_meta.pool import given_pool
from optuna_meta.pool import new_pool
from optuna_meta.pool import Pool
from optuna_meta.pool import SMALL
from optuna_meta.space import Array
from optuna_meta.space import Space
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.fitted import representative
from optuna_meta.surrogate.target import Inputs


__all__ = ["MOST_AHEAD", "Planner", "Question", "Suggestion"]

Zones: TypeAlias = tuple[tuple[Array, float | Array], ...]

_LOCAL = 80  # Rows of one round of local search.
_LOCAL_ALONE = 200  # Where the prior studies need not be asked about each of them.
_STEPS = ((0.01, 0.3), (0.01, 0.3), (0.01, 0.3), (0.002, 0.03))  # Of its rounds.
_STARTS = 3  # Best trials from which it starts; more of them where the best are a front.
_MOST_POOLS = 8
MOST_AHEAD = 8
_MOST_TRIALS = 200  # Of the target, in the model: its price grows with their cube.
_THINNED_EVERY = 20  # Trials: what the first of them tell is learned once, not at each trial.
_FEW = 8  # Prior studies.
_APART = 0.05  # Of a range, for each root of the dimensions: between running trials.


@dataclass(frozen=True)
class Question:
    """Everything a suggestion depends on, as arrays.

    Args:
        space: The target's space.
        rows: The finished trials.  # (n, D)
        values: Their objective values, lower is better, finite.  # (n, K)
        pending: Running trials.  # (p, D)
        fixed: Cells that are already decided, NaN for the others.  # (D,)
        conditions: Which dimensions exist under which others.
        ahead: Running trials whose configuration is not known yet.
        limits: The trials' constraint values, NaN where one reports none.  # (n, J)
        measures: The K objectives, then the J constraints.
        candidates: The only rows that may be suggested; ``None`` for all.  # (C, D)
        choices: Index of each candidate in the user's list.  # (C,)
        tried: Which of the candidates an earlier trial has run or will run.  # (C,)
        measured: Which values trials came to, and not only what is likely of them; all if
            ``None``.  # (n,)
    """

    space: Space
    rows: Array  # (n, D)
    values: Array  # (n, K)
    pending: Array  # (p, D)
    fixed: Array  # (D,)
    conditions: tuple[Condition, ...] = ()
    ahead: int = 0
    limits: Array = field(default_factory=lambda: np.zeros((0, 0)))  # (n, J)
    measures: tuple[Measure, ...] = (Measure(),)
    candidates: Array | None = None  # (C, D)
    choices: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # (C,)
    tried: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))  # (C,)
    measured: NDArray[np.bool_] | None = None  # (n,)

    def __post_init__(self) -> None:
        n_constraints = len(self.measures) - self.values.shape[1]
        if self.limits.shape != (len(self.rows), n_constraints):
            assert n_constraints == 0, "Each constraint needs a column of limits."
            object.__setattr__(self, "limits", np.zeros((len(self.rows), 0)))

    def after(self, taken: Suggestion) -> Question:
        """The question when another trial has been given a suggestion."""
        tried = self.tried.copy()
        if self.candidates is not None:
            tried[taken.candidate] = True
        return replace(self, pending=np.vstack([self.pending, taken.row]), tried=tried)

    def of_trials(self, kept: NDArray[np.int64]) -> Question:
        """The question with some of the finished trials."""
        rows, values, limits = self.rows[kept], self.values[kept], self.limits[kept]
        measured = None if self.measured is None else self.measured[kept]
        return replace(self, rows=rows, values=values, limits=limits, measured=measured)

    def of_measured(self) -> Question:
        """The question with those trials alone that came to their values."""
        return self if self.measured is None else self.of_trials(np.flatnonzero(self.measured))


@dataclass(frozen=True)
class Suggestion:
    """A chosen configuration and why; what is said of prior studies is a mean over objectives.

    Args:
        row: Its cells in the question's space.  # (D,)
        trust: Posterior probability that the prior studies inform the target.
        weights: Weight of each prior study before any trial.  # (T,)
        coefficients: Signed weight of each prior study in the posterior mean.  # (T,)
        contributions: Each study's part of the predicted advantage over the average candidate,
            in the priors' units.  # (T,)
        tests: Whether the components that doubt them chose it, to test what the prior studies say.
        candidate: Its index among the question's candidates; -1 where there are none.
    """

    row: Array  # (D,)
    trust: float
    weights: Array  # (T,)
    coefficients: Array  # (T,)
    contributions: Array  # (T,)
    tests: bool = False
    candidate: int = -1


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
        goal, inputs = self._goal(_thinned(question), pool)
        row, place = _search(goal, question, seen, pool, inputs, rng)
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


def _thinned(question: Question) -> Question:
    """The question with the trials that the models learn from.

    Of many, the latest and representative ones of those before, which stay the same for some
    trials.
    """
    n = len(question.rows)
    if n <= _MOST_TRIALS:
        return question
    settled = n - n % _THINNED_EVERY
    order = best_first(question.values[:settled], question.limits[:settled])
    places = np.empty(settled)
    places[order] = np.arange(settled)
    spread = representative(places, _MOST_TRIALS - _THINNED_EVERY)
    return question.of_trials(np.append(spread, np.arange(settled, n)))


def _zones(question: Question) -> Zones:
    """Rows (m, D) to keep away from, and how far: running trials, then known plateaus.

    The values of running trials unknown, they do not tell the model to look elsewhere. On a
    plateau, such as the nearest point of a grid makes, there is nothing to find either.
    """
    space, known = question.space, question.of_measured()
    radii = plateaus(known.rows, known.values, space)
    flat = radii > 0.0
    running = _APART * np.sqrt(len(space.dimensions))
    return (question.pending, running), (known.rows[flat], radii[flat])


def _fresh(question: Question, seen: Array, pool: Pool, zones: Zones) -> NDArray[np.int64]:
    """Where in the pool the rows are that may be suggested."""
    if question.candidates is None:
        fresh = unseen_keys(pool.keys, set(row_keys(seen)))
    else:
        fresh = np.flatnonzero(~question.tried | question.tried.all())
    if len(question.rows) == 0 and (fresh < pool.n_remembered).any():
        # Before any trial a configuration that a prior study has tried is safer than a new one.
        fresh = fresh[fresh < pool.n_remembered]
    for rows, radius in zones:
        away = apart(pool.rows[fresh], rows, question.space, radius)
        fresh = fresh[away] if away.any() else fresh
    return fresh


def _novelty(question: Question) -> Callable[[Array], Array]:
    """What to add to the scores of rows (M, D), so that none is a known value once more."""
    known, space = _thinned(question).of_measured(), question.space
    scale = persistence(known.rows, known.values, space) if question.candidates is None else 0.0
    if not scale:
        return lambda rows: np.zeros(len(rows))
    return lambda rows: log_novelty(rows, known.rows, space, scale)


def _search(
    goal: Goal,
    question: Question,
    seen: Array,
    pool: Pool,
    inputs: Sequence[Inputs],
    rng: np.random.Generator,
) -> tuple[Array, int]:
    """The best row of the pool and, once there are trials, around its best and the best trials.

    Returns:
        The row (D,), and where in the pool it is, if it is there.
    """
    space, zones = question.space, _zones(question)
    fresh, novelty = _fresh(question, seen, pool, zones), _novelty(question)
    rows = pool.rows[fresh]
    scores = goal.scores([i.select(fresh) for i in inputs]) + novelty(rows)
    is_local = len(question.rows) and space.size > SMALL and question.candidates is None
    trials = question.rows[best_first(question.values, question.limits)]
    trials = trials[: _STARTS * question.values.shape[1]]
    n_local = _LOCAL if goal.asks_priors else _LOCAL_ALONE
    for steps in _STEPS if is_local else ():
        starts = np.vstack([rows[np.argsort(-scores, kind="stable")[:4]], trials])
        local = fixed(neighbours(starts, n_local, space, rng, steps), question.fixed)
        local = apply_conditions(local, question.conditions)
        local = local[unseen(local, seen, or_all=False)]
        for others, radius in zones:
            local = local[apart(local, others, space, radius)]
        if not len(local):
            break
        rows = np.vstack([rows, local])
        scores = np.concatenate([scores, goal.scores(goal.inputs(local)) + novelty(local)])
    best = int(np.argmax(scores))
    return rows[best], int(fresh[best]) if best < len(fresh) else -1

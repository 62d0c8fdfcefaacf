"""One suggestion: candidates, their score under the target's model, the best of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optuna_meta.acquisition import mixture_score
from optuna_meta.candidates import apart
from optuna_meta.candidates import fixed
from optuna_meta.candidates import neighbours
from optuna_meta.candidates import unseen
from optuna_meta.conditions import apply_conditions
from optuna_meta.conditions import Condition
from optuna_meta.lens import active_tasks
from optuna_meta.lens import Lens
from optuna_meta.lens import MOST_ACTIVE
from optuna_meta.pool import new_pool
from optuna_meta.pool import Pool
from optuna_meta.pool import SMALL
from optuna_meta.scaling import warp
from optuna_meta.similarity import prior_weights
from optuna_meta.space import Array
from optuna_meta.space import Space
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.fitted import representative
from optuna_meta.surrogate.mixture import components
from optuna_meta.surrogate.target import condition
from optuna_meta.surrogate.target import Inputs
from optuna_meta.surrogate.target import Scales
from optuna_meta.surrogate.target import TargetModel
from optuna_meta.surrogate.trust import initial_trust
from optuna_meta.surrogate.trust import signal_weights
from optuna_meta.surrogate.trust import standing_of


__all__ = ["MOST_AHEAD", "Planner", "Question", "Suggestion", "new_planner"]

_LOCAL = 80  # Rows of one round of local search.
_LOCAL_ALONE = 200  # Where the prior studies need not be asked about each of them.
_STEPS = ((0.01, 0.3), (0.01, 0.3), (0.01, 0.3), (0.002, 0.03))  # Of its rounds.
_MOST_POOLS = 8
MOST_AHEAD = 8
_MOST_ANSWERS = 5000
_MOST_TRIALS = 200  # Of the target, in the model: its price grows with their cube.
_TEST_EVERY = 5
_CLEARLY = 1.0  # In normal quantiles of the ranks.
_ENOUGH_TESTS = 2
_INDIFFERENT = 0.2  # Prior studies that expect the same everywhere say nothing to test.
_APART = 0.05  # Of a range, for each root of the dimensions: between running trials.


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
        tests: Whether the cold arm chose it, to test what the prior studies say.
    """

    row: Array  # (D,)
    trust: float
    coefficients: Array  # (T,)
    contributions: Array  # (T,)
    tests: bool = False


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
    _pools: dict[str, Pool] = field(default_factory=dict, repr=False)
    _answers: dict[str, Array] = field(default_factory=dict, repr=False)
    _learned: dict[str, Scales] = field(default_factory=dict, repr=False)

    def copy(self) -> Planner:
        """A planner that answers alike; what it draws anew does not reach this one."""
        return replace(self, _pools=dict(self._pools), _answers=dict(self._answers), _learned={})

    def suggest(self, question: Question, rng: np.random.Generator) -> Suggestion:
        """The best candidate; in a space with unseen rows, one of those.

        Workers that ask at the same moment would all get the same answer: each leaves the best
        ones to the trials ahead of it.
        """
        if not question.space.dimensions:  # Nothing has been asked for yet that anyone knows of.
            nothing = np.zeros(len(self.weights))
            return Suggestion(np.zeros(0), self.trust, nothing, nothing)
        for _ in range(min(question.ahead, MOST_AHEAD)):
            taken = self._best(question, rng).row
            question = replace(question, pending=np.vstack([question.pending, taken]))
        return self._best(question, rng)

    def _best(self, question: Question, rng: np.random.Generator) -> Suggestion:
        seen = np.vstack([question.rows, question.pending])
        kept = representative(question.values, _MOST_TRIALS)
        question = replace(question, rows=question.rows[kept], values=question.values[kept])
        y = warp(question.values)
        active = self._active(question, y)
        lens = Lens(self._selected(active), question.space)
        weights = self.weights[active] / (self.weights[active].sum() or 1.0)
        model = self._model(lens, weights, question, y, self._trust_in(question.space))
        pool = self._pool(question, rng)
        inputs = pool.inputs(self.fitted, question.space, active)
        m = model.observed.Z[: len(y)] @ weights
        tests = model.trust > 0.5 and _is_untested(m, float(np.ptp(inputs.Z @ weights)))
        arm = model.cold_arm() if tests else model
        row = _search(arm, lens, question, seen, pool, inputs, rng)
        coefficients, contributions = np.zeros((2, len(self.weights)))
        coefficients[active] = model.coefficients()
        advantage = inputs.Z.mean(axis=0) - lens.expectations(row[None])[0]
        contributions[active] = coefficients[active] * advantage
        return Suggestion(row, model.trust, coefficients, contributions, tests)

    def _trust_in(self, space: Space) -> float:
        """Trust before any trial; none where the target shares no parameter with any prior."""
        return 0.0 if set(space.names).isdisjoint(self.fitted.space.names) else self.trust

    def _model(
        self, lens: Lens, weights: Array, question: Question, y: Array, trust: float
    ) -> TargetModel:
        """The target's model after the question's trials."""
        observed = lens.inputs(question.rows)
        pending = lens.inputs(question.pending) if len(question.pending) else None
        scales = self._scales(lens, question, observed.X)
        return condition(components(trust), observed, y, weights, scales, pending)

    def _scales(self, lens: Lens, question: Question, X: Array) -> Scales:
        """Length scales that the first trials show; later ones are waited for until they tell."""
        n = _last_milestone(len(X))
        values = question.values[:n]
        key = repr((question.space, lens.fitted.names)) + repr((X[:n].tobytes(), values.tobytes()))
        if key not in self._learned:
            self._learned.clear()  # Only the latest is asked for again.
            self._learned[key] = lens.scales(X[:n], warp(values))
        return self._learned[key]

    def _selected(self, active: NDArray[np.int64]) -> FittedPrior:
        return self.fitted if len(active) == len(self.fitted) else self.fitted.select(active)

    def _active(self, question: Question, y: Array) -> NDArray[np.int64]:
        """The prior studies to ask; of many, all are asked about each trial once."""
        if len(self.fitted) <= MOST_ACTIVE:
            return np.arange(len(self.fitted))
        lens, Z = Lens(self.fitted, question.space), []
        if len(self._answers) > _MOST_ANSWERS:
            self._answers.clear()
        for row in question.rows:
            key = repr((question.space, row.tolist()))
            if key not in self._answers:
                self._answers[key] = lens.expectations(row[None])[0]
            Z.append(self._answers[key])
        return active_tasks(self.weights, np.array(Z).reshape(len(Z), len(self.fitted)), y)

    def _pool(self, question: Question, rng: np.random.Generator) -> Pool:
        key = repr((question.space, question.conditions, question.fixed.tolist()))
        if key not in self._pools:
            while len(self._pools) >= _MOST_POOLS:
                self._pools.pop(next(iter(self._pools)))
            self._pools[key] = new_pool(
                self.fitted, question.space, question.fixed, question.conditions, rng
            )
        self._pools[key] = self._pools.pop(key)  # The least recently used one goes first.
        return self._pools[key]


def new_planner(fitted: FittedPrior, features: Mapping[str, float] | None = None) -> Planner:
    """The planner of a target with these meta-features."""
    weights = prior_weights([task.meta_features for task in fitted.prior.tasks], features)
    standing = standing_of(fitted)
    weights = weights * signal_weights(standing)
    return Planner(fitted, weights / (weights.sum() or 1.0), initial_trust(standing), features)


def _is_untested(m: Array, spread: float) -> bool:
    """Whether the next trial is due to test the prior studies.

    Trials that the prior studies all call good cannot refute them: were they wrong, their choices
    would be equally bad. So every fifth trial is the cold arm's, until two trials are among
    those that the prior studies call clearly worse.

    Args:
        m: What the prior studies expect of the trials so far.  # (n,)
        spread: How far apart they expect the best and the worst candidates to be.
    """
    n = len(m)
    if n == 0 or n % _TEST_EVERY != 0 or spread < _INDIFFERENT:
        return False
    clearly = min(_CLEARLY, 0.5 * spread)
    return int(np.sum(m > m.min() + clearly)) < _ENOUGH_TESTS


def _search(
    model: TargetModel,
    lens: Lens,
    question: Question,
    seen: Array,
    pool: Pool,
    inputs: Inputs,
    rng: np.random.Generator,
) -> Array:
    """The best row of the pool and, once there are trials, around its best and the best trials."""
    space, n_trials = question.space, len(question.rows)
    fresh = unseen(pool.rows, seen)
    if n_trials == 0 and (fresh < pool.n_remembered).any():
        # Before any trial a configuration that a prior study has tried is safer than a new one.
        fresh = fresh[fresh < pool.n_remembered]
    # Their values unknown, running trials do not tell the model to look elsewhere: they are kept
    # at a distance.
    radius = _APART * np.sqrt(len(space.dimensions))
    away = apart(pool.rows[fresh], question.pending, space, radius)
    fresh = fresh[away] if away.any() else fresh
    rows, scores = pool.rows[fresh], _scores(model, inputs.select(fresh))
    trials = question.rows[np.argsort(question.values, kind="stable")[:3]]
    asked = model.asks_priors()
    n_local, read = (_LOCAL, lens.inputs) if asked else (_LOCAL_ALONE, lens.without_priors)
    for step in _STEPS if n_trials and space.size > SMALL else ():
        starts = np.vstack([rows[np.argsort(-scores, kind="stable")[:4]], trials])
        local = fixed(neighbours(starts, n_local, space, rng, step), question.fixed)
        local = apply_conditions(local, question.conditions)
        local = local[unseen(local, seen, or_all=False)]
        local = local[apart(local, question.pending, space, radius)]
        if not len(local):
            break
        rows = np.vstack([rows, local])
        scores = np.concatenate([scores, _scores(model, read(local))])
    best: Array = rows[int(np.argmax(scores))]
    return best


def _scores(model: TargetModel, inputs: Inputs) -> Array:
    p = model.predict(inputs)
    return mixture_score(p.means, p.deviations, p.incumbents, p.weights)


def _last_milestone(n: int) -> int:
    """The last number of trials up to n after which length scales are learned: by tenths."""
    milestone = n
    while milestone > 10 and milestone % max(1, milestone // 10) != 0:
        milestone -= 1
    return milestone

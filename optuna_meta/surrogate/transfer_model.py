"""What the prior studies say of one outcome of the target, corrected by the target's trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.features.similarity import learned_similarity
from optuna_meta.features.similarity import Similarity
from optuna_meta.features.similarity import uniform_similarity
from optuna_meta.outcomes.outcome import Outcome
from optuna_meta.outcomes.transforms import warp_constraint
from optuna_meta.outcomes.transforms import warp_objective
from optuna_meta.space.search_space import Space
from optuna_meta.surrogate.base_models import active_tasks
from optuna_meta.surrogate.base_models import BaseModels
from optuna_meta.surrogate.components import Component
from optuna_meta.surrogate.components import components
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.kernel import design
from optuna_meta.surrogate.mixture_gp import condition
from optuna_meta.surrogate.mixture_gp import Inputs
from optuna_meta.surrogate.mixture_gp import MixtureGP
from optuna_meta.surrogate.mixture_gp import Scales
from optuna_meta.surrogate.reliability import initial_trust
from optuna_meta.surrogate.reliability import Reliability
from optuna_meta.surrogate.reliability import reliability_of
from optuna_meta.surrogate.reliability import signal_weights


__all__ = ["TransferModel", "OutcomePosterior", "is_untested", "new_transfer_model"]

_MOST_ANSWERS = 5000
_ENOUGH_TO_DROP = 20  # Trials after which components that they speak against are left out ...
_NEGLIGIBLE = 1e-3  # ... if they are this unlikely, in units of the likeliest.
_TEST_EVERY = 5
_CLEARLY = 1.0  # In normal quantiles of the ranks.
_ENOUGH_TESTS = 2
_MOST_TEACHERS = 48  # Prior studies from which the relevance of meta-features is learned ...
_TAUGHT = 15  # ... by what they expect of the best trials of each.
_INDIFFERENT = 0.2  # Prior studies that expect the same everywhere say nothing to test.


@dataclass(frozen=True)
class OutcomePosterior:
    """One outcome of the target after its trials.

    Args:
        model: The mixture that chooses the next trial.
        full: The mixture after the trials: the same, unless the next trial is a test.
        base_models: How the studies that are asked see the target's space.
        active: These studies, by their index among all.
    """

    model: MixtureGP
    full: MixtureGP
    base_models: BaseModels
    active: NDArray[np.int64]

    @property
    def trust(self) -> float:
        """Posterior probability that the prior studies inform the outcome."""
        return self.full.trust

    @property
    def tests(self) -> bool:
        """Whether the next trial is to test what the prior studies say."""
        return self.model is not self.full

    def testing_if_due(self, candidates: Inputs) -> OutcomePosterior:
        """The view of the components that doubt the prior studies, if a test of these is due."""
        model, w = self.model, self.model.task_weights
        m = model.observed.Z[: model.n_trials] @ w
        if not model.has_doubt:  # The trials have refuted it: they were test enough.
            return self
        if self.trust <= 0.5 or not is_untested(m, float(np.ptp(candidates.Z @ w))):
            return self
        return replace(self, model=model.doubt())


@dataclass(frozen=True)
class _Learned:
    """What holds until the next milestone: length scales, and components that still matter."""

    scales: Scales
    parts: tuple[Component, ...]


@dataclass
class TransferModel:
    """The prior studies' surrogates of one outcome, and how far they are believed.

    Args:
        outcome: The target's.
        fitted: The surrogates of the T tasks that outcome the same.
        weights: Weight of each task, sum 1.  # (T,)
        trust: Probability, before any trial, that they inform the target.
        similarity: What the weights owe to meta-features.
        reliability: What the studies say of each other.
    """

    outcome: Outcome
    fitted: FittedPrior
    weights: Array  # (T,)
    trust: float
    similarity: Similarity
    reliability: Reliability
    _answers: dict[str, dict[bytes, Array]] = field(default_factory=dict, repr=False)
    _learned: dict[str, _Learned] = field(default_factory=dict, repr=False)

    def copy(self) -> TransferModel:
        """An model that says the same; what it learns does not reach this one."""
        answers = {space: dict(known) for space, known in self._answers.items()}
        return replace(self, _answers=answers, _learned={})

    def view(self, space: Space, rows: Array, values: Array, pending: Array) -> OutcomePosterior:
        """The outcome after the target's trials.

        Args:
            space: The target's space.
            rows: Finished trials that report the outcome.  # (n, D)
            values: What they report, lower is better.  # (n,)
            pending: Running trials.  # (p, D)
        """
        Z, X = self._expected(space, rows), design(rows, space)
        learned = self._learn(space, Z, X, values)
        active = active_tasks(self.weights, Z, self._scaled(values))
        base_models = BaseModels(self._selected(active), space)
        waiting = base_models.inputs(pending) if len(pending) else None
        model = self._model(learned, active, Inputs(Z[:, active], X), values, waiting)
        return OutcomePosterior(model, model, base_models, active)

    def _model(
        self,
        learned: _Learned,
        active: NDArray[np.int64],
        observed: Inputs,
        values: Array,
        pending: Inputs | None = None,
    ) -> MixtureGP:
        weights = self.weights[active] / (self.weights[active].sum() or 1.0)
        y = self._scaled(values)
        return condition(learned.parts, observed, y, weights, learned.scales, pending)

    def _scaled(self, values: Array) -> Array:
        return warp_constraint(values) if self.outcome.is_constraint else warp_objective(values)

    def _trust_in(self, space: Space) -> float:
        """Trust before any trial; none where the target shares no parameter with any prior."""
        return 0.0 if set(space.names).isdisjoint(self.fitted.space.names) else self.trust

    def _learn(self, space: Space, Z: Array, X: Array, values: Array) -> _Learned:
        """What the first trials tell; later ones are waited for until they can tell more.

        Args:
            space: The target's space.
            Z: What all studies expect of the trials.  # (n, T)
            X: The trials' design.  # (n, W)
            values: Their values.  # (n,)
        """
        n = _last_milestone(len(values))
        Z, X, values = Z[:n], X[:n], values[:n]
        key = repr(space) + repr((X.tobytes(), values.tobytes()))
        if key not in self._learned:
            y = self._scaled(values)
            scales = BaseModels(self.fitted, space).scales(X, y)
            learned = _Learned(scales, components(self._trust_in(space)))
            if n >= _ENOUGH_TO_DROP:
                active = active_tasks(self.weights, Z, y)
                weights = self._model(learned, active, Inputs(Z[:, active], X), values).weights
                kept = np.flatnonzero(weights >= _NEGLIGIBLE * weights.max())
                learned = _Learned(scales, tuple(learned.parts[k] for k in kept))
            self._learned.clear()  # Only the latest is asked for again.
            self._learned[key] = learned
        return self._learned[key]

    def _selected(self, active: NDArray[np.int64]) -> FittedPrior:
        return self.fitted if len(active) == len(self.fitted) else self.fitted.select(active)

    def _expected(self, space: Space, rows: Array) -> Array:
        """What all studies expect of the target's trials (n, D), each asked once.  # (n, T)"""
        key = repr(space)
        if key not in self._answers:
            self._answers.clear()  # Only the latest space is asked for again.
        answers = self._answers.setdefault(key, {})
        if len(answers) > _MOST_ANSWERS:
            answers.clear()
        keys = [row.tobytes() for row in rows]
        new = [i for i, key in enumerate(keys) if key not in answers]
        if new:
            found = BaseModels(self.fitted, space).expectations(rows[new])
            answers.update(zip((keys[i] for i in new), found, strict=True))
        return np.array([answers[key] for key in keys]).reshape(len(rows), len(self.fitted))


def new_transfer_model(
    fitted: FittedPrior,
    outcome: Outcome,
    features: Mapping[str, float] | None = None,
    reliability: Reliability | None = None,
) -> TransferModel:
    """The model on a outcome of a target with these meta-features.

    Args:
        fitted: The surrogates of all outcomes.
        outcome: The target's.
        features: The target's meta-features, where they are known.
        reliability: What the studies of the outcome say of each other, where it is known.
    """
    own = fitted.of(outcome)
    reliability = reliability_of(own) if reliability is None else reliability
    similarity = _similarity(own, reliability, features)
    weights = similarity.weights * signal_weights(reliability)
    weights = weights / (weights.sum() or 1.0)
    return TransferModel(
        outcome, own, weights, initial_trust(reliability), similarity, reliability
    )


def _similarity(
    fitted: FittedPrior, reliability: Reliability, features: Mapping[str, float] | None
) -> Similarity:
    """What meta-features say; learned from studies that are no noise, an even spread of many."""
    known = [task.meta_features for task in fitted.prior.tasks]
    if not features or not any(known):
        return uniform_similarity(len(known))
    sound = np.flatnonzero((reliability.signal > 0.5) & np.array([bool(f) for f in known]))
    spread = np.linspace(0, len(sound) - 1, min(len(sound), _MOST_TEACHERS)).round().astype(int)
    teachers = sound[spread]
    tasks = [fitted.prior.tasks[t] for t in teachers]
    best = [task.rows[np.argsort(task.values, kind="stable")[:_TAUGHT]] for task in tasks]
    rows = np.vstack([np.zeros((0, len(fitted.space.dimensions))), *best])
    owners = np.repeat(np.arange(len(tasks)), [len(b) for b in best])
    Z = fitted.select(teachers).predict(rows)
    return learned_similarity(known, features, teachers, Z, owners)


def is_untested(m: Array, spread: float) -> bool:
    """Whether the next trial is due to test the prior studies.

    Trials that the prior studies all call good cannot refute them: were they wrong, their choices
    would be equally bad. So every fifth trial is chosen by the components that doubt them, until
    two trials are among those that the prior studies call clearly worse.

    Args:
        m: What the prior studies expect of the trials so far.  # (n,)
        spread: How far apart they expect the best and the worst candidates to be.
    """
    n = len(m)
    if n == 0 or n % _TEST_EVERY != 0 or spread < _INDIFFERENT:
        return False
    clearly = min(_CLEARLY, 0.5 * spread)
    return int(np.sum(m > m.min() + clearly)) < _ENOUGH_TESTS


def _last_milestone(n: int) -> int:
    """The last number of trials up to n after which length scales are learned: by tenths."""
    milestone = n
    while milestone > 10 and milestone % max(1, milestone // 10) != 0:
        milestone -= 1
    return milestone

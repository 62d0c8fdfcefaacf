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
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.outcomes.transforms import log_slopes
from optuna_meta.outcomes.transforms import warp_constraint
from optuna_meta.outcomes.transforms import warp_objective
from optuna_meta.outcomes.transforms import warped_deviations
from optuna_meta.space.search_space import Space
from optuna_meta.surrogate.active import Expectations
from optuna_meta.surrogate.components import Component
from optuna_meta.surrogate.components import components
from optuna_meta.surrogate.fitted import FittedPrior
from optuna_meta.surrogate.kernel import column_owners
from optuna_meta.surrogate.kernel import design
from optuna_meta.surrogate.kernel import residual_scales
from optuna_meta.surrogate.kernel import Scales
from optuna_meta.surrogate.mixture_gp import condition
from optuna_meta.surrogate.mixture_gp import Inputs
from optuna_meta.surrogate.mixture_gp import MixtureGP
from optuna_meta.surrogate.reliability import initial_trust
from optuna_meta.surrogate.reliability import Reliability
from optuna_meta.surrogate.reliability import signal_weights


__all__ = ["OutcomePosterior", "TransferModel", "is_untested", "transfer_model"]

_ENOUGH_TO_DROP = 20  # Trials after which components that they speak against are left out ...
_NEGLIGIBLE = 1e-3  # ... if they are this unlikely, in units of the likeliest.
_TEST_EVERY = 5  # Trials: a fifth of the price at most, while nothing can refute the studies.
_SURE = 0.99  # Trust that no test could change much.
_CLEARLY = 1.0  # In normal quantiles of the ranks.
_ENOUGH_TESTS = 2  # One could be noise.
_MOST_TEACHERS = 48  # Prior studies from which the relevance of meta-features is learned ...
_TAUGHT = 15  # ... by what they expect of the best trials of each.
_ENOUGH_TO_TELL = 3  # Trials: two values always lie on a line.
_LEAST_TRUST = 0.3  # Below it the target is more likely like none of the prior studies.
# What of the values' bad tail counts by its distance: the trials tell. After good trials and a bad
# one the shortest unit would have small differences look large, against what is known of them.
_TAILS: tuple[float, ...] = (0.0, 0.5, 1.0)
_ENOUGH_TO_BEND = 10  # Trials: near the best of so many all is straight, to any model.
_INDIFFERENT = 0.2  # Prior studies that expect the same everywhere say nothing to test.


@dataclass(frozen=True)
class OutcomePosterior:
    """One outcome of the target after its trials.

    Args:
        model: The mixture that chooses the next trial.
        full: The mixture after the trials: the same, unless the next trial is a test.
        fitted: The surrogates of the prior studies that are asked.
        active: These studies, by their index among all.
        space: The target's space.
        tail: How the trials' values were warped; see ``warp_objective``.
    """

    model: MixtureGP
    full: MixtureGP
    fitted: FittedPrior
    active: NDArray[np.int64]
    space: Space
    tail: float = 0.0

    @property
    def trust(self) -> float:
        """Posterior probability that the prior studies inform the outcome."""
        return self.full.trust

    @property
    def is_probe(self) -> bool:
        """Whether the next trial is to test what the prior studies say."""
        return self.model is not self.full

    @property
    def is_undecided(self) -> bool:
        """Whether the target may be like any one prior study, and trials cannot tell which yet.

        Where the studies inform each other, what they share is the better guide.
        """
        is_early = 1 <= self.full.n_trials < _ENOUGH_TO_TELL
        return is_early and _LEAST_TRUST < self.trust <= 0.5 and len(self.active) > 1

    def inputs(self, rows: Array) -> Inputs:
        """Assemble what the model reads of rows (M, D), as far as it reads it."""
        if self.model.asks_priors():
            return _inputs(self.fitted, rows, self.space)
        return Inputs(np.zeros((len(rows), len(self.fitted))), design(rows, self.space))

    def probing_if_due(self, candidates: Inputs) -> OutcomePosterior:
        """Leave it to the components that doubt the prior studies, if a test of these is due."""
        model, w = self.model, self.model.task_weights
        # Running trials too: else all workers that ask at once would test.
        m = model.observed.Z @ w if model.n_trials else np.zeros(0)
        if not model.has_doubt or self.trust > _SURE:  # The trials were test enough.
            return self
        if self.trust <= 0.5 or not is_untested(m, float(np.ptp(candidates.Z @ w))):
            return self
        return replace(self, model=model.doubt())

    def would_test(self, candidates: Inputs) -> NDArray[np.bool_]:
        """Tell which candidates would test the prior studies and could still be good ones.  # (M,)

        That are those which these expect to be clearly worse than the best trial, and no worse
        than middling: what they call the worst of all would hardly win if they were wrong.
        """
        w, n = self.full.task_weights, self.full.n_trials
        m, best = candidates.Z @ w, (self.full.observed.Z[:n] @ w).min(initial=0.0)
        return np.asarray((m > best + _CLEARLY) & (m <= 0.0))


@dataclass(frozen=True)
class _Learned:
    """What holds until the next milestone: length scales, and components that still matter.

    Args:
        tail: How values are warped.
        log_evidence: Of the values before they are warped, up to a constant.
    """

    scales: Scales
    components: tuple[Component, ...]
    tail: float
    log_evidence: float


@dataclass
class TransferModel:
    """The prior studies' surrogates of one outcome, and how far they are believed.

    Args:
        outcome: The target's.
        fitted: The surrogates of the T tasks of the same outcome.
        weights: Weight of each task, sum 1.  # (T,)
        trust: Probability, before any trial, that they inform the target.
        reliability: What the studies say of each other.
        similarity: What the weights owe to meta-features, where these are known.
    """

    outcome: Outcome
    fitted: FittedPrior
    weights: Array  # (T,)
    trust: float
    reliability: Reliability
    similarity: Similarity | None
    _expected: Expectations = field(init=False, repr=False)
    _learned: tuple[str, _Learned] | None = field(default=None, repr=False)  # The latest only.

    def __post_init__(self) -> None:
        self._expected = Expectations(self.fitted, self.weights)

    def copy(self) -> TransferModel:
        """Return a model that says the same; what it learns does not reach this one."""
        copied = replace(self, _learned=None)
        copied._expected = self._expected.copy()
        return copied

    def condition(
        self,
        space: Space,
        rows: Array,
        values: Array,
        pending: Array,
        deviations: Array | None = None,
    ) -> OutcomePosterior:
        """Condition on the target's trials.

        Args:
            space: The target's space.
            rows: Finished trials that report the outcome.  # (n, D)
            values: What they report, lower is better.  # (n,)
            pending: Running trials.  # (p, D)
            deviations: How far the values may be off, where they are only likely.  # (n,)
        """
        off = np.zeros(len(values)) if deviations is None else deviations
        learned = self._learn(space, rows, values, off)
        y = self._warp(values, learned.tail)
        active, Z = self._expected.of_active(space, rows, y)
        fitted = self.fitted if len(active) == len(self.fitted) else self.fitted.select(active)
        waiting = _inputs(fitted, pending, space) if len(pending) else None
        noises = self._warp_deviations(values, off, learned.tail)
        observed = Inputs(Z, design(rows, space))
        model = self._mixture(learned, active, observed, y, noises, waiting)
        return OutcomePosterior(model, model, fitted, active, space, learned.tail)

    def _mixture(
        self,
        learned: _Learned,
        active: NDArray[np.int64],
        observed: Inputs,
        y: Array,
        noises: Array,
        pending: Inputs | None = None,
    ) -> MixtureGP:
        weights = self.weights[active] / (self.weights[active].sum() or 1.0)
        scales = learned.scales
        return condition(learned.components, observed, y, weights, scales, pending, noises)

    def _warp(self, values: Array, tail: float) -> Array:
        if self.outcome.is_constraint:
            return warp_constraint(values)
        return warp_objective(values, tail)

    def _warp_deviations(self, values: Array, deviations: Array, tail: float) -> Array:
        is_certain = self.outcome.is_constraint or not deviations.any()
        return np.zeros(len(values)) if is_certain else warped_deviations(values, deviations, tail)

    def _trust_in(self, space: Space) -> float:
        """Return the trust before any trial; none where no parameter is shared with any prior."""
        return 0.0 if set(space.names).isdisjoint(self.fitted.space.names) else self.trust

    def _learn(self, space: Space, rows: Array, values: Array, off: Array) -> _Learned:
        """Learn what the first trials tell; later ones are waited for until they can tell more.

        Args:
            space: The target's space.
            rows: The trials.  # (n, D)
            values: Their values.  # (n,)
            off: How far these may be off.  # (n,)
        """
        n = _last_milestone(len(values))
        rows, values, off = rows[:n], values[:n], off[:n]
        key = repr(space) + repr((rows.tobytes(), values.tobytes(), off.tobytes()))
        if self._learned is None or self._learned[0] != key:
            # By their ends: the difference of the largest floats overflows.
            differ = n >= _ENOUGH_TO_TELL and values.min() < values.max()
            tells = differ and self._trust_in(space) > 0.0
            n_tails = len(_TAILS) if n <= _ENOUGH_TO_BEND else 2
            tails = _TAILS[: n_tails if tells and not self.outcome.is_constraint else 1]
            found = [self._learn_with(tail, space, rows, values, off) for tail in tails]
            self._learned = key, max(found, key=lambda learned: learned.log_evidence)
        return self._learned[1]

    def _learn_with(
        self, tail: float, space: Space, rows: Array, values: Array, off: Array
    ) -> _Learned:
        """Learn what trials tell if their values are warped in one way."""
        y, X, owners = self._warp(values, tail), design(rows, space), column_owners(space)
        scales = residual_scales(X, y, owners, self.fitted.precisions(space))
        learned = _Learned(scales, components(self._trust_in(space)), tail, 0.0)
        if len(y) < _ENOUGH_TO_TELL or values.min() == values.max():
            return learned
        active, Z = self._expected.of_active(space, rows, y)
        noises = self._warp_deviations(values, off, tail)
        mixture, kept = self._mixture(learned, active, Inputs(Z, X), y, noises), learned.components
        if len(y) >= _ENOUGH_TO_DROP:
            likely = mixture.weights >= _NEGLIGIBLE * mixture.weights.max()
            kept = tuple(h for h, is_likely in zip(kept, likely, strict=True) if is_likely)
        slopes = 0.0 if self.outcome.is_constraint else log_slopes(values, tail)
        return _Learned(scales, kept, tail, mixture.log_evidence + slopes)


def transfer_model(
    fitted: FittedPrior,
    outcome: Outcome,
    features: Mapping[str, float] | None = None,
    reliability: Reliability | None = None,
) -> TransferModel:
    """Make the model of an outcome of a target with these meta-features.

    Args:
        fitted: The surrogates of all outcomes.
        outcome: The target's.
        features: The target's meta-features, where they are known.
        reliability: What the studies of the outcome say of each other, where it is known.
    """
    of_outcome = fitted.of(outcome)
    reliability = fitted.reliability(outcome) if reliability is None else reliability
    similarity = _similarity(of_outcome, reliability, features)
    n_tasks = len(of_outcome)
    alike = np.full(n_tasks, 1.0 / max(n_tasks, 1))
    weights = (similarity.weights if similarity else alike) * signal_weights(reliability)
    weights = weights / (weights.sum() or 1.0)
    return TransferModel(
        outcome, of_outcome, weights, initial_trust(reliability), reliability, similarity
    )


def _inputs(fitted: FittedPrior, rows: Array, space: Space) -> Inputs:
    return Inputs(fitted.predict(rows, space), design(rows, space))


def _similarity(
    fitted: FittedPrior, reliability: Reliability, features: Mapping[str, float] | None
) -> Similarity | None:
    """Learn what meta-features say from studies that are no noise, an even spread of many."""
    known = [task.meta_features for task in fitted.prior.tasks]
    if not features or not any(known):
        return None
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
    """Tell whether the next trial is due to test the prior studies.

    Trials that the prior studies all call good cannot refute them: were they wrong, their choices
    would be equally bad. So every fifth trial is chosen by the components that doubt them, until
    two trials are among those that the prior studies call clearly worse.

    Args:
        m: What the prior studies expect of the trials so far, running ones among them.  # (n,)
        spread: How far apart they expect the best and the worst candidates to be.
    """
    n = len(m)
    if n == 0 or n % _TEST_EVERY != 0 or spread < _INDIFFERENT:
        return False
    clearly = min(_CLEARLY, 0.5 * spread)
    return int(np.sum(m > m.min() + clearly)) < _ENOUGH_TESTS


def _last_milestone(n: int) -> int:
    """Return the last number of trials, up to n, when length scales are learned: by tenths."""
    milestone = n
    while milestone > 10 and milestone % max(1, milestone // 10) != 0:
        milestone -= 1
    return milestone

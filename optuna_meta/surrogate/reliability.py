"""How far to trust the prior studies before the target's first trial.

Each prior study in turn plays the target. Given its trials, are its values noise? Then it has
nothing to say. Given some of them, does the mixture believe that the other studies inform it?
Studies that do not even inform each other will hardly inform a new one. Only some, as trust is for
a target's first trials: of a smooth function that has shown all of itself, no other is needed.
"""

from __future__ import annotations

from typing import NamedTuple
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optuna_meta._typing import Array
from optuna_meta.outcomes.transforms import warp_constraint
from optuna_meta.outcomes.transforms import warp_objective
from optuna_meta.space.search_space import Space
from optuna_meta.studies.prior import Prior
from optuna_meta.surrogate.components import components
from optuna_meta.surrogate.kernel import column_owners
from optuna_meta.surrogate.kernel import design
from optuna_meta.surrogate.kernel import residual_scales
from optuna_meta.surrogate.kernel import Scales
from optuna_meta.surrogate.mixture_gp import condition
from optuna_meta.surrogate.mixture_gp import Inputs
from optuna_meta.surrogate.mixture_gp import MixtureGP


__all__ = ["Reliability", "initial_trust", "reliability_of", "signal_weights"]

_UNINFORMED = 0.8  # With one prior study there is nobody to ask.
_PSEUDO_STUDIES = 4.0  # Whose answers would be that: few real ones must not decide alone.
_MOST_STUDIES = 32  # That play the target; the answers of more would hardly move the means.
_MOST_TRIALS = 50  # Of each of them: enough to tell noise from signal.
_SOME_TRIALS = 4  # For each dimension: about what a function takes to show its shape.
_LEAST_SIGNAL = 1e-3  # Were all studies noise, they would weigh alike.


class Surrogates(Protocol):
    """What is asked of a ``FittedPrior``, which keeps the answers."""

    @property
    def prior(self) -> Prior: ...

    def predict(self, rows: Array) -> Array: ...

    def select(self, tasks: NDArray[np.int64]) -> Surrogates: ...

    def precisions(self, space: Space) -> Array: ...


class Reliability(NamedTuple):
    """What the prior studies say of each other.

    Args:
        signal: Probability that a study's values are not all noise.  # (T,)
        informed: Probability that the others inform it.  # (T,)
    """

    signal: Array  # (T,)
    informed: Array  # (T,)

    def without(self, left_out: NDArray[np.int64]) -> Reliability:
        """Return what the others of many say without some, by index (t,): about the same."""
        return Reliability(np.delete(self.signal, left_out), np.delete(self.informed, left_out))


def reliability_of(fitted: Surrogates) -> Reliability:
    """Ask every prior study; of many an even spread, whose mean answer the others get."""
    n_tasks = len(fitted.prior.tasks)
    probed = np.unique(
        np.linspace(0, n_tasks - 1, min(n_tasks, _MOST_STUDIES)).round().astype(int)
    )
    few = fitted.select(probed)
    precisions = few.precisions(few.prior.space)
    tasks = range(len(probed))
    whole = [_as_target(few, t, precisions, _MOST_TRIALS) for t in tasks]
    alike = np.ones(len(probed))
    signal = np.array([1.0 - _given(p, alike, t).noise for t, p in enumerate(whole)])
    some = min(_SOME_TRIALS * len(fitted.prior.space.dimensions), _MOST_TRIALS)
    is_whole = some == _MOST_TRIALS
    begun = whole if is_whole else [_as_target(few, t, precisions, some) for t in tasks]
    informed = np.array([_given(p, signal, t).trust for t, p in enumerate(begun)])
    if n_tasks == 1:
        informed = np.array([_UNINFORMED])
    means = np.array([signal.mean(), informed.mean()]) if n_tasks else np.zeros(2)
    reliability = Reliability(*(np.full(n_tasks, mean) for mean in means))
    reliability.signal[probed], reliability.informed[probed] = signal, informed
    return reliability


def signal_weights(reliability: Reliability) -> Array:
    """Return the weights (T,) of the prior studies, sum 1: none for noise."""
    weights = _LEAST_SIGNAL + reliability.signal
    return np.asarray(weights / (weights.sum() or 1.0))


def initial_trust(reliability: Reliability) -> float:
    """Return the probability in [0, 1) that the prior studies inform another of their kind.

    That is the share of the informed ones among those that are not noise, times the probability
    that what speaks for the prior studies is no noise itself.
    """
    signal, informed = reliability
    if len(signal) == 0:
        return 0.0
    probed = min(len(signal), _MOST_STUDIES) / len(signal)  # The others' answers are no evidence.
    share = probed * float(signal @ informed) + _PSEUDO_STUDIES * _UNINFORMED
    share /= probed * float(signal.sum()) + _PSEUDO_STUDIES
    return share * float(signal_weights(reliability) @ signal)


class _Played(NamedTuple):
    """A prior study in the role of the target."""

    inputs: Inputs
    y: Array  # (n,)
    scales: Scales


def _as_target(fitted: Surrogates, t: int, precisions: Array, most: int) -> _Played:
    task = fitted.prior.tasks[t]
    n = len(task.values)
    trials = np.linspace(0, n - 1, min(n, most)).round().astype(int)
    rows = task.rows[trials]
    y = (warp_constraint if task.outcome.is_constraint else warp_objective)(task.values[trials])
    inputs = Inputs(fitted.predict(rows), design(rows, fitted.prior.space))
    owners = column_owners(fitted.prior.space)
    return _Played(inputs, y, residual_scales(inputs.X, y, owners, precisions))


def _given(played: _Played, weights: Array, t: int) -> MixtureGP:
    """Condition the mixture on study t, given what the others of these weights expect."""
    others = np.delete(np.arange(len(weights)), t)
    inputs = Inputs(played.inputs.Z[:, others], played.inputs.X)
    share = _LEAST_SIGNAL + weights[others]
    share = share / (share.sum() or 1.0)
    return condition(components(0.5), inputs, played.y, share, played.scales)

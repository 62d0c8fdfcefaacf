"""Why a row was chosen: what each prior study helped, and what the model expects of it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.outcomes.transforms import unwarp_objective
from optuna_meta.outcomes.transforms import warp_objective
from optuna_meta.space.search_space import Space
from optuna_meta.suggest.acquisition import AcquisitionFunction
from optuna_meta.suggest.comparison import compared
from optuna_meta.suggest.comparison import Comparison
from optuna_meta.suggest.request import LEAST_TRUST
from optuna_meta.suggest.request import Suggestion
from optuna_meta.suggest.request import SuggestRequest
from optuna_meta.suggest.shares import counted_once
from optuna_meta.suggest.shares import groups
from optuna_meta.suggest.shares import likeness
from optuna_meta.suggest.shares import Shares
from optuna_meta.suggest.shares import shares_of
from optuna_meta.surrogate.components import Component
from optuna_meta.surrogate.kernel import design
from optuna_meta.surrogate.mixture_gp import condition
from optuna_meta.surrogate.mixture_gp import Inputs
from optuna_meta.surrogate.transfer_model import OutcomePosterior
from optuna_meta.surrogate.transfer_model import TransferModel


__all__ = ["accounted", "nothing_asked"]

_TYPICAL = 96  # Candidates, an even spread of the pool, ...
_BEST = 12  # ... with which those that are expected to be best are compared.
# What tells parts apart takes more noise for granted than the mixture that chooses, lest a little
# of it in the trials' values moves the parts, and studies to be of more different use.
_PLAIN = Component(1.0, deviation=2.0, residual=0.6, noise=0.6, target_scales=True)
_TELLING = 3  # Trials that tell a unit: two values always lie on a line.
_NINETY_PERCENT = 1.645  # Deviations on either side that hold so much of a normal variable.


class _Part(NamedTuple):
    """What one objective says of a row and of all T prior studies.

    Args:
        weights: Of each study before any trial.  # (T,)
        signed: What each helped, times the trust.  # (T,)
        order: Those asked, by their index, most helpful first.
        compared: How far each agrees with the target's trials.
        predicted: Mean and interval, where trials tell a unit.
        beats: Share of a prior study's own trials that are worse than what the prior studies
            together expect of the row, where any was asked.
    """

    weights: Array  # (T,)
    signed: Array  # (T,)
    order: list[int]
    compared: Comparison
    predicted: tuple[float, float, float] | None
    beats: float | None


def accounted(
    row: Array,
    request: SuggestRequest,
    acquisition: AcquisitionFunction,
    inputs: Sequence[Inputs],
    model_of: Callable[[Outcome], TransferModel],
    studies: Sequence[str],
) -> Suggestion:
    """Say of a chosen row (D,) why it was chosen.

    Args:
        row: The row.
        request: What it answers.
        acquisition: What chose it.
        inputs: What the model of each outcome reads of the pool.
        model_of: The model of an outcome.
        studies: Names of all T prior studies.
    """
    posteriors = acquisition.posteriors[: acquisition.n_objectives]
    parts = [
        _part(row, k, request, posterior, inputs[k], model_of(request.outcomes[k]), studies)
        for k, posterior in enumerate(posteriors)
    ]
    signed = np.mean([part.signed for part in parts], axis=0)
    order = [t for part in parts for t in part.order]
    if len(parts) > 1:
        order.sort(key=lambda t: -abs(signed[t]))
    trust = float(np.mean([posterior.trust for posterior in posteriors]))
    is_told = trust >= LEAST_TRUST  # Else the prior studies have no say.
    beats = [part.beats for part in parts if part.beats is not None and is_told]
    return Suggestion(
        row,
        len(request.rows),
        trust,
        np.mean([part.weights for part in parts], axis=0),
        signed,
        _together([part.compared for part in parts]),
        tuple(dict.fromkeys(order)),
        tuple(part.predicted for part in parts if part.predicted is not None),
        float(np.mean(beats)) if beats else None,
        any(posterior.is_probe for posterior in posteriors),
    )


def nothing_asked(n_trials: int, trust: float, n_studies: int) -> Suggestion:
    """Say of the row of a space without parameters that it owes nothing to anybody."""
    none = np.zeros(n_studies)
    unknown = Comparison(np.full(n_studies, np.nan), 0, True)
    return Suggestion(np.zeros(0), n_trials, trust, none, none, unknown)


def _part(
    row: Array,
    k: int,
    request: SuggestRequest,
    posterior: OutcomePosterior,
    pool: Inputs,
    model: TransferModel,
    studies: Sequence[str],
) -> _Part:
    """Say why a row (D,) was chosen by objective k."""
    tasks = _places(model.fitted.task_names, studies)
    asked, known = tasks[posterior.active], ~np.isnan(request.values[:, k])
    values, full = request.values[known, k], posterior.full
    chosen = _inputs(row[None], posterior, request.space)
    shares = _shares(posterior, chosen, pool, values)
    seen = compared(full.observed.Z[: full.n_trials], values, request.started[known])
    weights, signed, correlations = np.zeros((3, len(studies)))
    weights[tasks], signed[asked] = model.weights, posterior.trust * shares.signed
    correlations[:] = np.nan
    correlations[asked] = seen.correlations
    beats = float(ndtr(-chosen.Z[0] @ full.task_weights)) if full.task_weights.any() else None
    return _Part(
        weights,
        signed,
        asked[shares.order].tolist(),
        seen._replace(correlations=correlations),
        _predicted(posterior, chosen, values),
        beats,
    )


def _places(names: Sequence[str], studies: Sequence[str]) -> NDArray[np.int64]:
    """Return the index of each name among all studies."""
    if names == studies:  # As mostly; to look 10,000 up would take milliseconds at each trial.
        return np.arange(len(studies))
    index = {name: t for t, name in enumerate(studies)}
    return np.array([index[name] for name in names], dtype=np.int64)


def _together(found: Sequence[Comparison]) -> Comparison:
    """Return the means of the correlations that objectives know."""
    every = np.array([comparison.correlations for comparison in found])
    n_known = np.isfinite(every).sum(axis=0)
    unknown = np.full(every.shape[1], np.nan)
    means = np.divide(np.nan_to_num(every).sum(axis=0), n_known, out=unknown, where=n_known > 0)
    return found[0]._replace(correlations=means)


def _inputs(rows: Array, posterior: OutcomePosterior, space: Space) -> Inputs:
    """Assemble what a model reads of rows (M, D), the prior studies' expectations in any case."""
    return Inputs(posterior.fitted.predict(rows, space), design(rows, space))


def _shares(posterior: OutcomePosterior, chosen: Inputs, pool: Inputs, values: Array) -> Shares:
    """Return the studies' parts in the advantage of the best candidates over typical ones.

    Candidates are of the pool, the target's best trials and the chosen one.
    """
    model, tail = posterior.full, posterior.tail
    n, typical = model.n_trials, pool.select(_spread(len(pool.Z)))
    alike = likeness(typical.Z)
    w = counted_once(alike, model.task_weights)
    own = model.observed.select(np.arange(n))
    tried = own.select(np.argsort(values, kind="stable")[:_BEST])
    plain = condition((_PLAIN,), own, warp_objective(values, tail), w, model.scales)
    candidates = Inputs(
        np.vstack([typical.Z, tried.Z, chosen.Z]), np.vstack([typical.X, tried.X, chosen.X])
    )
    expected = plain.means(candidates)[0] * plain.posteriors[0].unit
    best = np.argsort(expected, kind="stable")[:_BEST]
    coefficients = plain.coefficients()
    advantages = typical.Z.mean(axis=0) - candidates.Z[best].mean(axis=0)
    rest = expected[: len(typical.Z)].mean() - expected[best].mean() - coefficients @ advantages
    return shares_of(coefficients, advantages, float(rest), groups(alike, w), w)


def _spread(n: int) -> NDArray[np.int64]:
    """Return the indices of some of n candidates, spread evenly."""
    return np.linspace(0, n - 1, min(n, _TYPICAL)).round().astype(np.int64)


def _predicted(
    posterior: OutcomePosterior, chosen: Inputs, values: Array
) -> tuple[float, float, float] | None:
    """Return mean and 90 % interval in the values' own unit; ``None`` where these tell none."""
    if len(values) < _TELLING or values.min() == values.max():
        return None
    model, tail = posterior.full, posterior.tail
    mean, deviation = model.observable(chosen)
    ends = mean + _NINETY_PERCENT * deviation * np.array([0.0, -1.0, 1.0])
    middle, low, high = unwarp_objective(values, ends, tail).tolist()
    return middle, low, high

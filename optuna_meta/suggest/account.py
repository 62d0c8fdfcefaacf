"""Why a row was chosen: what each prior study helped, and what the model expects of it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import Outcome
from optuna_meta.outcomes.transforms import unwarp_objective
from optuna_meta.outcomes.transforms import warp_objective
from optuna_meta.space.search_space import Space
from optuna_meta.suggest.acquisition import AcquisitionFunction
from optuna_meta.suggest.request import Suggestion
from optuna_meta.suggest.request import SuggestRequest
from optuna_meta.suggest.shares import agreement
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
    index = {name: t for t, name in enumerate(studies)}
    n_objectives = acquisition.n_objectives
    weights, signed, agreed, asked = np.zeros((4, len(studies)))
    order: list[int] = []
    predicted, beaten = [], []
    for k, (outcome, posterior) in enumerate(
        zip(request.outcomes[:n_objectives], acquisition.posteriors, strict=False)
    ):
        model = model_of(outcome)
        tasks = np.array([index[name] for name in model.fitted.task_names], dtype=np.int64)
        weights[tasks] += model.weights / n_objectives
        values = request.values[:, k][~np.isnan(request.values[:, k])]
        chosen = _inputs(row[None], posterior, request.space)
        predicted.append(_predicted(posterior, chosen, values))
        tasks = tasks[posterior.active]
        if posterior.full.task_weights.any():
            beaten.append(float(ndtr(-chosen.Z[0] @ posterior.full.task_weights)))
        shares = _shares(posterior, chosen, inputs[k], values)
        signed[tasks] += posterior.trust * shares.signed / n_objectives
        order += tasks[shares.order].tolist()
        known = agreement(posterior.full.observed.Z[: posterior.full.n_trials], values)
        agreed[tasks] += np.nan_to_num(known)
        asked[tasks] += np.isfinite(known)
    if n_objectives > 1:
        order.sort(key=lambda t: -abs(signed[t]))
    trust = float(np.mean([p.trust for p in acquisition.posteriors[:n_objectives]]))
    is_probe = any(p.is_probe for p in acquisition.posteriors[:n_objectives])
    agreed = np.divide(agreed, asked, out=np.full(len(studies), np.nan), where=asked > 0)
    return Suggestion(
        row,
        len(request.rows),
        trust,
        weights,
        signed,
        agreed,
        tuple(dict.fromkeys(order)),
        tuple(p for p in predicted if p is not None),
        float(np.mean(beaten)) if beaten else None,
        is_probe,
    )


def nothing_asked(n_trials: int, trust: float, n_studies: int) -> Suggestion:
    """Say of the row of a space without parameters that it owes nothing to anybody."""
    none, unknown = np.zeros(n_studies), np.full(n_studies, np.nan)
    return Suggestion(np.zeros(0), n_trials, trust, none, none, unknown)


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

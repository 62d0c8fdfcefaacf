"""Which prior study moves the suggestion: the leading ones are left out in turn."""

from __future__ import annotations

import copy

import numpy as np

from optuna_meta.planner import Planner
from optuna_meta.planner import Question
from optuna_meta.planner import Suggestion
from optuna_meta.report import Explanation
from optuna_meta.report import PriorInfluence
from optuna_meta.report import reason_of
from optuna_meta.report import source_of
from optuna_meta.space import Array
from optuna_meta.space import Space


__all__ = ["explained", "influences"]

_MOST_LEFT_OUT = 12  # Studies actually left out, one after another: the largest contributions.
_TIE = 1e-3  # Share of the contribution in the influence: it orders studies that move nothing.


def explained(planner: Planner, question: Question, rng: np.random.Generator) -> Explanation:
    """Why a planner answers a question as it does; leaves planner and generator as they are."""
    for measure in question.measures:
        planner.outlook(measure)  # What the studies say of each other is asked once for all.
    suggestion = planner.copy().suggest(question, copy.deepcopy(rng))
    n_trials = len(question.rows)
    n_priors = int(np.count_nonzero(suggestion.weights))
    return Explanation(
        source_of(n_trials, suggestion.trust, suggestion.tests),
        suggestion.trust,
        question.space.params(suggestion.row),
        influences(planner, question, suggestion, rng),
        reason_of(n_priors, n_trials, suggestion.trust, suggestion.tests),
        planner.outlook(question.measures[0]).similarity.relevant(),
    )


def influences(
    planner: Planner, question: Question, suggestion: Suggestion, rng: np.random.Generator
) -> tuple[PriorInfluence, ...]:
    """The prior studies' parts in a suggestion, most influential first.

    Args:
        planner: What made the suggestion.
        question: What was asked.
        suggestion: What was answered.
        rng: The generator before the answer; left as it is.
    """
    names = planner.fitted.prior.names
    contributions = np.abs(suggestion.contributions)
    moved = np.zeros(len(names))
    for t in np.argsort(-contributions, kind="stable")[:_MOST_LEFT_OUT]:
        moved[t] = _moved_without(planner, names[t], question, suggestion.row, rng)
    influence = moved + _TIE * contributions / max(contributions.max(initial=0.0), 1e-12)
    shares = influence / (influence.sum() or 1.0)
    return tuple(
        PriorInfluence(
            names[t],
            float(shares[t]),
            float(suggestion.coefficients[t]),
            float(suggestion.weights[t]),
            _close_in(planner, names[t], question),
        )
        for t in np.argsort(-shares, kind="stable")
        if suggestion.weights[t] > 0.0
    )


def _close_in(planner: Planner, name: str, question: Question) -> tuple[str, ...]:
    """Meta-features by which a study is close to the target, as the first objective has it."""
    outlook = planner.outlook(question.measures[0])
    names = outlook.fitted.names
    return outlook.similarity.reasons(names.index(name)) if name in names else ()


def _moved_without(
    planner: Planner, name: str, question: Question, row: Array, rng: np.random.Generator
) -> float:
    """Distance between the suggestions with and without a study; 0 where it is the only one."""
    if len(planner.fitted.prior) < 2:
        return 0.0
    other = planner.without(name).suggest(question, copy.deepcopy(rng)).row
    return _distance(row, other, question.space)


def _distance(a: Array, b: Array, space: Space) -> float:
    """Distance of two rows (D,), in ranges; another choice, or none, is a whole range away."""
    apart = np.array([d.is_categorical for d in space.dimensions], dtype=bool) & (a != b)
    apart &= ~(np.isnan(a) & np.isnan(b))
    apart |= np.isnan(a) != np.isnan(b)
    return float(np.linalg.norm(np.where(apart, 1.0, np.nan_to_num(a - b))))

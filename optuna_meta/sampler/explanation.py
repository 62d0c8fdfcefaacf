"""Why a suggestion is what it is: which prior study moves it, how far, and by which features."""

from __future__ import annotations

from collections.abc import Mapping
import copy
from dataclasses import dataclass
from dataclasses import field
from typing import Any

import numpy as np

from optuna_meta._typing import Array
from optuna_meta.space.rows import squared_distances
from optuna_meta.suggest.request import Suggestion
from optuna_meta.suggest.request import SuggestRequest
from optuna_meta.suggest.suggester import Suggester


__all__ = ["Explanation", "PriorInfluence", "explained"]

_MOST_LEFT_OUT = 12  # Studies actually left out, one after another: the largest contributions.
_TIE = 1e-3  # Share of the contribution in the influence: it orders studies that move nothing.


@dataclass(frozen=True)
class PriorInfluence:
    """One prior study's part in a suggestion.

    Args:
        study: Its name.
        weight: Its share of the influence, in [0, 1]; all shares sum to 1. The share is how far
            the suggestion would move if this study alone were left out.
        coefficient: Its signed weight in the model's mean; negative where the target rewards what
            this study punishes.
        prior_weight: Its weight before any trial of the target, from the meta-features and from
            what the prior studies say of each other.
        close_in: Meta-features by which its data set is close to the target's, if it weighs more
            for that; the most relevant first.
    """

    study: str
    weight: float
    coefficient: float
    prior_weight: float
    close_in: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """Why the next suggestion is what it is.

    Args:
        source: One of ``optuna_meta.suggest.request.SOURCES``.
        trust: Probability that the prior studies inform the target, in [0, 1].
        params: The next suggestion, as far as it is foreseen; the rest is drawn at random.
        priors: The prior studies, most influential first.
        reason: One sentence.
        relevance: The meta-features that foretell how far prior studies disagree, as learned from
            them, with their shares; none where no feature does.
    """

    source: str
    trust: float
    params: Mapping[str, Any]
    priors: tuple[PriorInfluence, ...]
    reason: str
    relevance: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [
            f"next suggestion: {_shown(self.params)}",
            f"source: {self.source} (trust in the prior studies: {self.trust:.2f})",
            self.reason,
        ]
        if self.relevance:
            shares = ", ".join(f"{name} {share:.2f}" for name, share in self.relevance.items())
            lines.append(f"meta-features that matter: {shares}")
        if self.priors:
            width = max(len("prior study"), *(len(p.study) for p in self.priors))
            lines.append(f"{'prior study':{width}}  influence  coefficient  prior weight")
            lines += [
                f"{p.study:{width}}  {p.weight:9.2f}  {round(p.coefficient, 2) + 0.0:11.2f}"
                f"  {p.prior_weight:12.2f}" + _closeness(p.close_in)
                for p in self.priors
            ]
        return "\n".join(lines)


def _closeness(names: tuple[str, ...]) -> str:
    return f"  close in {', '.join(names)}" if names else ""


def _shown(params: Mapping[str, Any]) -> str:
    if not params:
        return "drawn at random"
    texts = (f"{n}={v:.4g}" if isinstance(v, float) else f"{n}={v!r}" for n, v in params.items())
    return ", ".join(texts)


def explained(
    suggester: Suggester, request: SuggestRequest, rng: np.random.Generator
) -> Explanation:
    """Explain what a suggester answers to a request; leave suggester and generator as they are."""
    for outcome in request.outcomes:
        suggester.model(outcome)  # What the studies say of each other is asked once for all.
    suggestion = suggester.copy().suggest(request, copy.deepcopy(rng))
    similarity = suggester.model(request.outcomes[0]).similarity
    return Explanation(
        suggestion.source,
        suggestion.trust,
        request.space.params(suggestion.row),
        _influences(suggester, request, suggestion, rng),
        suggestion.reason,
        similarity.relevant() if similarity else {},
    )


def _influences(
    suggester: Suggester, request: SuggestRequest, suggestion: Suggestion, rng: np.random.Generator
) -> tuple[PriorInfluence, ...]:
    """Return the prior studies' parts in a suggestion, most influential first."""
    names = suggester.fitted.study_names
    contributions = np.abs(suggestion.contributions)
    moved = np.zeros(len(names))
    for t in np.argsort(-contributions, kind="stable")[:_MOST_LEFT_OUT]:
        moved[t] = _moved_without(suggester, names[t], request, suggestion.row, rng)
    influence = moved + _TIE * contributions / max(contributions.max(initial=0.0), 1e-12)
    shares = influence / (influence.sum() or 1.0)
    columns = shares, suggestion.coefficients, suggestion.weights
    share, coefficient, weight = (column.tolist() for column in columns)
    close_in = [_close_in(suggester, name, request) for name in names]
    return tuple(
        PriorInfluence(names[t], share[t], coefficient[t], weight[t], close_in[t])
        for t in np.argsort(-shares, kind="stable")
        if suggestion.weights[t] > 0.0
    )


def _close_in(suggester: Suggester, name: str, request: SuggestRequest) -> tuple[str, ...]:
    """Name meta-features by which a study is close to the target, by the first objective."""
    model = suggester.model(request.outcomes[0])
    names = model.fitted.task_names
    if model.similarity is None or name not in names:
        return ()
    return model.similarity.reasons(names.index(name))


def _moved_without(
    suggester: Suggester, name: str, request: SuggestRequest, row: Array, rng: np.random.Generator
) -> float:
    """Measure how far the suggestion moves without a study; 0 where it is the only one."""
    if len(suggester.fitted.study_names) < 2:
        return 0.0
    other = suggester.without(name).suggest(request, copy.deepcopy(rng)).row
    return float(np.sqrt(squared_distances(row[None], other[None], request.space)[0, 0]))

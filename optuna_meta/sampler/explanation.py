"""Why a suggestion is what it is: which prior studies helped, how far, and by which features."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
import math
from typing import Any

import numpy as np
from optuna.study import StudyDirection

from optuna_meta._html import bounded
from optuna_meta._html import html_table
from optuna_meta._html import listed
from optuna_meta.sampler.agreement import NOT_COMPARED
from optuna_meta.sampler.agreement import OF_WEIGHTS
from optuna_meta.sampler.drops import Drop
from optuna_meta.sampler.drops import drops
from optuna_meta.sampler.record import leaders
from optuna_meta.sampler.record import predicted_of
from optuna_meta.sampler.record import recorded
from optuna_meta.sampler.record import TrialRecord
from optuna_meta.sampler.shown import is_of_scratch
from optuna_meta.sampler.shown import opinion_after
from optuna_meta.sampler.shown import order_shown
from optuna_meta.suggest.request import Suggestion
from optuna_meta.suggest.request import SuggestRequest
from optuna_meta.suggest.suggester import Suggester


__all__ = ["agreement_after", "Explanation", "PriorInfluence", "previewed"]

_MOST_SHOWN = 30  # Prior studies in a text.


@dataclass(frozen=True)
class PriorInfluence:
    """One prior study's part in a suggestion.

    Args:
        study: Its name.
        share: What it helped: its part, in [-1, 1], of the advantage over typical candidates that
            the model predicts of the suggestion; negative where the study's order is used in
            reverse. The absolute values of all shares sum to at most 1, the rest is the part of
            the target's own trials. NaN of a past trial whose record is of a version without it.
        agreement: Rank correlation of what it expects with what the target's trials came to;
            ``None`` where too few can tell.
        n_trials: On how many trials that rests.
        prior_weight: Its weight before any trial of the target, from the meta-features and from
            what the prior studies say of each other; ``None`` of a past trial.
        close_in: Meta-features by which its data set is close to the target's, if it weighs more
            for that; the most relevant first.
        dropped: When it was left, if it has been and has not come back.
        order: Whether own trials have shown its order to be the reverse of theirs, in words; empty
            where they have not.
    """

    study: str
    share: float
    agreement: float | None = None
    n_trials: int = 0
    prior_weight: float | None = None
    close_in: tuple[str, ...] = ()
    dropped: Drop | None = None
    order: str = ""


@dataclass(frozen=True)
class Explanation:
    """Why a suggestion is what it is.

    Args:
        source: One of ``optuna_meta.suggest.request.SOURCES``.
        trust: Probability that the prior studies inform the target, in [0, 1].
        params: The suggestion, as far as it is foreseen; the rest is drawn at random.
        priors: The prior studies, most helpful first; of a past trial those that are recorded.
        reason: One sentence.
        relevance: The meta-features that foretell how far prior studies disagree, as learned from
            them, with their shares; none where no feature does.
        number: The trial's.
        predicted: Mean, lower and upper end of the interval that holds the value with probability
            0.9, of each objective; empty before trials tell a unit.
        beats: Share of a prior study's own trials that are worse than what the prior studies
            together expect of it, whatever the trust in them and this study's trials; ``None``
            where they have no say, and of a past trial.
        events: What had happened since the trial before; see ``TrialRecord``.
        weights_from: The checkpoint that a past trial's model started from; ``None`` where no
            trial of the study has recorded any (``optuna_meta.weights.record_lineage``).
        n_compared: Of how many prior studies ``priors`` are some; 0 if they are all.
        is_from_scratch: Whether agreement is that of trials whose models started from scratch.
        agreement: Whether the prior studies agree with the own trials, which trust does not tell,
            by all trials before; empty before any could be compared.
        weights_gain: What the study's trials with this start came to, against those from scratch.
    """

    source: str
    trust: float
    params: Mapping[str, Any]
    priors: tuple[PriorInfluence, ...]
    reason: str
    relevance: Mapping[str, float] = field(default_factory=dict)
    number: int | None = None
    predicted: tuple[tuple[float, float, float], ...] = ()
    beats: float | None = None
    events: tuple[str, ...] = ()
    weights_from: str | None = None
    n_compared: int = 0
    is_from_scratch: bool = True
    agreement: str = ""
    weights_gain: str = ""

    @property
    def leaders(self) -> tuple[str, ...]:
        """The prior studies that helped most, of nearly equal shares all; none without any say."""
        known = {p.study: p.share for p in self.priors if p.share}
        return leaders(known) or tuple(known)[:1]  # Of earlier versions' records NaN.

    def __str__(self) -> str:
        lines = [*self._head(), *(f"  {event}" for event in self.events)]
        if self.priors:
            shown = self.priors[:_MOST_SHOWN]
            names = [bounded(p.study) for p in shown]
            width = max(len("prior study"), *map(len, names))
            lines.append(f"{'prior study':{width}}   share  {'agreement':>18}  prior weight")
            for name, p in zip(names, shown, strict=True):
                closeness = f"  {notes}" if (notes := _notes(p)) else ""
                cells = f"{_share(p):>6}  {_agreement(p):>18}  {_weight(p):>12}"
                lines.append(f"{name:{width}}  {cells}{closeness}")
        if len(self.priors) > _MOST_SHOWN:
            lines.append(f"... and {len(self.priors) - _MOST_SHOWN} more")
        return "\n".join(lines)

    def __repr__(self) -> str:
        first = " and ".join(map(bounded, self.leaders[:2])) or None
        return (
            f"Explanation(source={self.source!r}, trust={self.trust:.2f}, leaned_on={first!r}, "
            f"{len(self.priors)} prior studies)"
        )

    def _repr_html_(self) -> str:
        header = ["prior study", "share", "agreement", "prior weight", ""]
        rows = [[p.study, _share(p), _agreement(p), _weight(p), _notes(p)] for p in self.priors]
        return html_table(" · ".join(self._head()), header, rows)

    def _head(self) -> list[str]:
        which = "next suggestion" if self.number is None else f"trial {self.number}"
        lines = [
            f"{which}: {_shown(self.params)}",
            f"source: {self.source} (trust in the prior studies: {self.trust:.2f})",
            self.reason,
        ]
        if self.agreement:
            lines.append(f"agreement: {self.agreement}")
            lines += [] if self.is_from_scratch else [OF_WEIGHTS]
        if self.weights_from is not None:
            lines.append(f"weights: {self.weights_from}")
            lines += [f"  {self.weights_gain}"] if self.weights_gain else []
        for mean, low, high in self.predicted:
            lines.append(f"predicted value: {mean:.4g} (90 %: {low:.4g} to {high:.4g})")
        if self.beats is not None and not self.predicted:
            told = f"better than {self.beats:.0%} of a prior study's own trials"
            lines.append(f"by the prior studies alone, taken together: {told}")
        if len(self.leaders) > 1:
            lines.append(f"helped most, alike: {listed(self.leaders)}")
        if self.relevance:
            shares = ", ".join(f"{name} {share:.2f}" for name, share in self.relevance.items())
            lines.append(f"meta-features that matter: {shares}")
        return lines


def _share(p: PriorInfluence) -> str:
    return "-" if math.isnan(p.share) else f"{round(p.share, 2) + 0.0:.2f}"


def _agreement(p: PriorInfluence) -> str:
    return "-" if p.agreement is None else f"{p.agreement:.2f} of {p.n_trials} trials"


def _weight(p: PriorInfluence) -> str:
    return "-" if p.prior_weight is None else f"{p.prior_weight:.2f}"


def _notes(p: PriorInfluence) -> str:
    """Say by what a prior study is close, and when it was left."""
    closeness = [f"close in {', '.join(p.close_in)}"] if p.close_in else []
    order = [p.order] if p.order else []
    return "; ".join([*closeness, *order, *([] if p.dropped is None else [str(p.dropped)])])


def _shown(params: Mapping[str, Any]) -> str:
    if not params:
        return "drawn at random"
    texts = (f"{n}={v:.4g}" if isinstance(v, float) else f"{n}={v!r}" for n, v in params.items())
    return bounded(", ".join(texts), 1000)


def agreement_after(records: Sequence[TrialRecord]) -> str:
    """Say whether the prior studies agree with the own trials; empty where none was compared."""
    found = opinion_after(records)
    return "" if found.kind == NOT_COMPARED else str(found)


def previewed(
    suggester: Suggester,
    request: SuggestRequest,
    rngs: Iterable[np.random.Generator],
    directions: Sequence[StudyDirection],
    records: Sequence[TrialRecord],
) -> tuple[Explanation, ...]:
    """Explain what a suggester would answer to workers, one after another; change nothing.

    Args:
        suggester: The suggester.
        request: What the first of them asks.
        rngs: What each one's trial draws from.
        directions: The study's.
        records: Of its trials, in order.
    """
    for outcome in request.outcomes:
        suggester.model(outcome)  # What the studies say of each other is asked once for all.
    own, found = suggester.copy(), []
    for rng in rngs:
        suggestion = own.suggest(request, rng)
        found.append(_explanation(suggester, request, suggestion, directions, records))
        request = request.with_pending(suggestion)
    return tuple(found)


def _explanation(
    suggester: Suggester,
    request: SuggestRequest,
    suggestion: Suggestion,
    directions: Sequence[StudyDirection],
    records: Sequence[TrialRecord],
) -> Explanation:
    names, model = suggester.fitted.study_names, suggester.model(request.outcomes[0])
    compared, left = suggestion.compared, drops(records)
    with_it = [*records, recorded(suggestion, names)]
    silent = np.argsort(-suggestion.weights, kind="stable").tolist()
    priors = tuple(
        PriorInfluence(
            names[t],
            float(suggestion.shares[t]) if suggestion.leading is not None else 0.0,
            _known(compared.correlations[t]),
            compared.n_trials,
            float(suggestion.weights[t]),
            _close_in(suggester, names[t], request),
            left.get(names[t]),
            order_shown(with_it, names[t]),
        )
        for t in dict.fromkeys([*suggestion.order, *silent])
        if suggestion.weights[t] > 0.0
    )
    return Explanation(
        suggestion.source,
        suggestion.trust,
        request.space.params(suggestion.row),
        priors,
        suggestion.reason,
        model.similarity.relevant() if model.similarity else {},
        predicted=predicted_of(suggestion, directions),
        beats=suggestion.beats,
        is_from_scratch=is_of_scratch(with_it),
        agreement=agreement_after(with_it),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _close_in(suggester: Suggester, name: str, request: SuggestRequest) -> tuple[str, ...]:
    """Name meta-features by which a study is close to the target, by the first objective."""
    model = suggester.model(request.outcomes[0])
    names = model.fitted.task_names
    if model.similarity is None or name not in names:
        return ()
    return model.similarity.reasons(names.index(name))

"""What own trials have shown of the prior studies so far: the one judgement, from their records.

Near an optimum most trials are alike, and every rank correlation is nearer to 0: what was once
shown stays, until later trials show the opposite. Events, explanations and reports all ask here.
"""

from __future__ import annotations

from collections.abc import Sequence

from optuna_meta._html import bounded
from optuna_meta.sampler.agreement import agrees
from optuna_meta.sampler.agreement import is_reverse
from optuna_meta.sampler.agreement import Opinion
from optuna_meta.sampler.agreement import opinion
from optuna_meta.sampler.agreement import SAME
from optuna_meta.sampler.agreement import UNLIKE
from optuna_meta.sampler.drops import IN_USE
from optuna_meta.sampler.record import TrialRecord


__all__ = ["is_of_scratch", "opinion_after", "order_shown", "REVERSED", "UNCLEAR_ORDER"]

REVERSED = "reversed"
UNCLEAR_ORDER = "reversed or not: unclear"  # Only trials from trained weights show it.


def opinion_after(records: Sequence[TrialRecord]) -> Opinion:
    """Say why a study would go on without its prior studies, by all that its records show.

    Trials from scratch and others are compared in another way: what counts is the last one.

    Args:
        records: Of a study's trials, in order.
    """
    from_scratch, found = is_of_scratch(records), opinion({})
    for record in records:
        if record.agreement and record.is_from_scratch == from_scratch:
            found = _after(found, record)
    return found


def is_of_scratch(records: Sequence[TrialRecord]) -> bool:
    """Tell whether an opinion rests on trials from scratch: those that were compared last."""
    return next((r.is_from_scratch for r in reversed(records) if r.agreement), True)


def _after(found: Opinion, record: TrialRecord) -> Opinion:
    """Return the opinion after one more record."""
    new = record.opinion
    is_same, is_unlike = found.kind == SAME, found.kind == UNLIKE
    if new.kind == SAME or not (is_same or is_unlike) or (is_unlike and new.kind == UNLIKE):
        return new
    if is_same and all(_is_reverse(record, name, False) for name in found.names):
        return new
    first, *others = found.names
    correlation, n_trials = record.agreement.get(first, (None, 0))
    if correlation is None:
        return found
    whose = f"{bounded(first)} " if others else ""
    return found._replace(now=f"; now {whose}{correlation:.2f} on {n_trials}")


def order_shown(records: Sequence[TrialRecord], name: str) -> str:
    """Say whether a study's order is the reverse of the own trials'; empty where it is not shown.

    Args:
        records: Of a study's trials, in order.
        name: The prior study.
    """
    if _is_shown_reverse(records, name, True):
        return REVERSED
    return UNCLEAR_ORDER if _is_shown_reverse(records, name, False) else ""


def _is_shown_reverse(records: Sequence[TrialRecord], name: str, from_scratch: bool) -> bool:
    """Tell whether trials showed a study's order to be the reverse, and later none the opposite.

    Args:
        records: Of a study's trials, in order.
        name: The prior study.
        from_scratch: Whether trials from scratch are asked, or others.
    """
    is_shown = is_used_so = False
    for record in records:
        is_used_so |= record.shares.get(name, 0.0) <= -IN_USE
        if agrees(record.agreement, name, record.n_compared):
            is_shown = False
        elif record.is_from_scratch == from_scratch:
            is_shown |= _is_reverse(record, name, is_used_so)
    return is_shown


def _is_reverse(record: TrialRecord, name: str, is_used_so: bool) -> bool:
    return is_reverse(record.agreement, name, is_used_so, record.n_compared)

"""What happens to the prior studies in the course of a study: found from its trials' records."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import TYPE_CHECKING

from optuna_meta._html import bounded
from optuna_meta._html import listed
from optuna_meta.sampler.agreement import is_reverse
from optuna_meta.sampler.agreement import NOT_COMPARED
from optuna_meta.sampler.drops import IN_USE
from optuna_meta.sampler.preflight import Preflight
from optuna_meta.sampler.record import read_record
from optuna_meta.sampler.record import recorded
from optuna_meta.sampler.record import TrialRecord
from optuna_meta.sampler.shown import opinion_after
from optuna_meta.suggest.request import LEAST_TRUST
from optuna_meta.suggest.request import Suggestion


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["new_events", "study_events"]

_IDLE = 3  # Suggestions in a row without it make a drop; one may look elsewhere.
_FEW = 24  # Prior studies, of which also one that never was of use is dropped.


def new_events(
    records: Sequence[TrialRecord],
    suggestion: Suggestion,
    studies: Sequence[str],
    compared: Callable[[], Preflight],
) -> list[str]:
    """Return what has happened since the last of a study's records.

    Args:
        records: Of all trials before, in order.
        suggestion: The next one.
        studies: Names of all T prior studies.
        compared: Tells what they have in common with the study.
    """
    told = [event for record in records for event in record.events]
    events: list[str] = []
    if not _last(told, "shared:"):
        found = compared()
        events += [] if told else _of_start(studies, found)
        events += found.events()
    if not studies or not suggestion.weights.any():
        return events
    with_it = [*records, recorded(suggestion, studies)]
    events += _of_say(told, with_it, suggestion.trust)
    if suggestion.trust >= LEAST_TRUST and not suggestion.is_probe:
        events += _of_use(records, told, suggestion, studies)
    if suggestion.compared.is_from_scratch:
        events += _of_order(with_it, told, suggestion, studies)
    return events


def study_events(study: Study) -> tuple[tuple[int, str], ...]:
    """Return what happened to the prior studies in the course of a study, from its records.

    Args:
        study: The study, in whatever storage.

    Returns:
        Numbers of trials and what was first recorded on them, in order.
    """
    told: dict[str, str] = {}
    found = []
    for trial in study.get_trials(deepcopy=False):
        record = read_record(trial)
        for event in record.events if record else ():
            subject = _subject(event)
            if told.get(subject) != event:  # Two workers may notice the same.
                told[subject] = event
                found.append((trial.number, event))
    return tuple(found)


def _of_start(studies: Sequence[str], found: Preflight) -> Iterator[str]:
    yield (
        f"used: {len(studies)} prior studies ({listed(studies)})" if studies else "cold: no prior"
    )
    for name, reason in list(found.left_out.items())[:5]:
        yield f"left out: {bounded(name)}: {bounded(reason, 100)}"


def _of_use(
    records: Sequence[TrialRecord],
    told: Sequence[str],
    suggestion: Suggestion,
    studies: Sequence[str],
) -> Iterator[str]:
    """Yield which studies are of no use any more, and which are again."""
    now = {studies[t] for t in suggestion.order if abs(suggestion.shares[t]) >= IN_USE}
    before = [_in_use(r) for r in records if r.shares and not r.is_probe]
    lately = set().union(now, *before[len(before) - _IDLE + 1 :])
    once = set().union(*before, [studies[t] for t in suggestion.order[:_FEW]])
    known = once.union(event.partition(": ")[2] for event in told)
    for name in (name for name in studies if name in known):  # Of thousands that never were.
        uses = f"dropped: {name}", f"back: {name}"
        is_dropped = next((e for e in reversed(told) if e in uses), "") == uses[0]
        if is_dropped and name in now:
            yield f"back: {name}"
        elif not is_dropped and name in once - lately and len(before) >= _IDLE:
            yield f"dropped: {name}"


def _of_say(told: Sequence[str], records: Sequence[TrialRecord], trust: float) -> Iterator[str]:
    """Yield that the study goes on alone and why, or that the prior studies are back."""
    last = _last(told, "alone:", "together:")
    if trust >= LEAST_TRUST:
        if last.startswith("alone:"):
            yield "together: the prior studies have a say again"
        return
    found = opinion_after(records)
    if found.kind != NOT_COMPARED and not last.startswith(f"alone: {found.kind}"):
        yield f"alone: {found.kind}: {found}"


def _of_order(
    records: Sequence[TrialRecord],
    told: Sequence[str],
    suggestion: Suggestion,
    studies: Sequence[str],
) -> Iterator[str]:
    """Yield which studies call good what the target's trials show to be bad."""
    now = records[-1]
    for name in (studies[t] for t in suggestion.order):
        event = f"reversed: {name}"
        # Of the fewest that may be, all records are asked.
        if event in told or not is_reverse(now.agreement, name, True, now.n_compared):
            continue
        is_used_so = min(record.shares.get(name, 0.0) for record in records) <= -IN_USE
        if is_reverse(now.agreement, name, is_used_so, now.n_compared):
            yield event


def _in_use(record: TrialRecord) -> set[str]:
    return {name for name, share in record.shares.items() if abs(share) >= IN_USE}


def _last(told: Sequence[str], *beginnings: str) -> str:
    """Return the last of the events that begin so; empty where there is none."""
    return next((event for event in reversed(told) if event.startswith(beginnings)), "")


def _subject(event: str) -> str:
    """Return what an event is about: later ones of the same overrule it."""
    kind, _, rest = event.partition(": ")
    if kind in ("dropped", "back"):
        return f"use of {rest}"
    return "say" if kind in ("alone", "together") else event

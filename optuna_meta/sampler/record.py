"""What a trial keeps of why it is what it is: one attribute, readable without the sampler."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property
from typing import Any

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from optuna_meta.sampler.agreement import measured
from optuna_meta.sampler.agreement import Opinion
from optuna_meta.sampler.agreement import opinion
from optuna_meta.sampler.plan import PLAN_KEY
from optuna_meta.suggest.request import LEAST_TRUST
from optuna_meta.suggest.request import SOURCES
from optuna_meta.suggest.request import Suggestion


__all__ = [
    "COLD",
    "leaders",
    "named_priors",
    "predicted_of",
    "read_record",
    "record_of",
    "recorded",
    "TrialRecord",
]

_LEAST_SHARE = 0.01  # Smaller ones do not matter.
_MOST_NAMED = 12  # Prior studies in a record.
_EQUAL = 0.9  # Of two shares, the less by the greater: from here on they are nearly equal.
COLD = {"source": SOURCES[2], "trust": 0.0}


@dataclass(frozen=True)
class TrialRecord:
    """Where a trial's configuration came from, as was recorded when it was chosen.

    Args:
        number: The trial's.
        source: One of ``optuna_meta.suggest.request.SOURCES``.
        trust: Probability that the prior studies inform the target, in [0, 1].
        shares: What each prior study that matters helped, most helpful first: its part of the
            advantage over typical candidates that the model predicted of the configuration.
            Negative where the study's order was used in reverse. The absolute values sum to at
            most 1; the rest is the target's own trials' part.
        agreement: Of prior studies, the rank correlation of what each expects with what the
            target's own trials came to, and how many trials these were. All that matter are among
            them, the one that agrees most, and the most contrary ones.
        predicted: Mean, lower and upper end of the interval that holds the value with probability
            0.9, of each objective, in its own unit and direction; empty before trials tell a unit.
        is_probe: Whether the trial was to test what the prior studies say.
        leaned_on: The prior study that helped most, or one of several that did alike, see
            ``leaders``; ``None`` where none mattered.
        events: What had happened since the trial before, such as ``"dropped: name"``. They begin
            with one of ``used``, ``left out``, ``shared``, ``unshared``, ``dropped``, ``back``,
            ``reversed``, ``alone``, ``together`` and ``cold``.
        cost: What it was expected to cost; ``None`` where costs did not count.
        n_compared: Of how many prior studies ``agreement`` names some.
        is_from_scratch: Whether ``agreement`` is that of trials whose models started from scratch;
            of others each start's trials are compared with one another.
    """

    number: int
    source: str
    trust: float
    shares: Mapping[str, float] = field(default_factory=dict)
    agreement: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    predicted: tuple[tuple[float, float, float], ...] = ()
    is_probe: bool = False
    leaned_on: str | None = None
    events: tuple[str, ...] = ()
    cost: float | None = None
    n_compared: int = 0
    is_from_scratch: bool = True

    @property
    def leaders(self) -> tuple[str, ...]:
        """The prior studies that helped most: of nearly equal shares all."""
        led = () if self.leaned_on is None else (self.leaned_on,)
        return leaders(self.shares) or led

    @cached_property
    def opinion(self) -> Opinion:
        """What its agreement alone shows; every later trial asks for it again."""
        return opinion(self.agreement, self.n_compared)


def leaders(shares: Mapping[str, float]) -> tuple[str, ...]:
    """Return the first of studies, most helpful first, and those with nearly its share.

    Studies that say much the same share one part by their weights: which of them is first by
    rounding says nothing.
    """
    first = abs(next(iter(shares.values()), 0.0))
    low, high = _EQUAL * first, first / _EQUAL
    return tuple(name for name, share in shares.items() if low <= abs(share) <= high and first)


def read_record(trial: FrozenTrial) -> TrialRecord | None:
    """Return what is recorded on a trial of a study of this or an earlier version, if anything.

    Trials of another sampler and of the versions that kept the configuration alone have none.
    """
    written = trial.user_attrs.get(PLAN_KEY)
    if not isinstance(written, Mapping) or "source" not in written:
        return None
    return _read(written, trial.number)


def recorded(suggestion: Suggestion, studies: Sequence[str], number: int = 0) -> TrialRecord:
    """Return what is recorded of a suggestion, as if it was read, without what it predicts.

    What is judged of it now must be what is judged of its record later, whose numbers are rounded.
    """
    return _read(record_of(suggestion, studies, ()), number)


def _read(written: Mapping[str, Any], number: int) -> TrialRecord:
    source = str(written["source"])
    return TrialRecord(
        number,
        source,
        float(written.get("trust", 0.0)),
        {name: float(share) for name, share in _mapping(written, "shares").items()},
        {name: (float(r), int(n)) for name, (r, n) in _mapping(written, "agreement").items()},
        tuple((float(m), float(a), float(b)) for m, a, b in written.get("predicted", ())),
        source == SOURCES[3],
        written.get("leaned_on"),
        tuple(written.get("events", ())),
        written.get("cost"),
        int(written.get("compared", 0)),
        not written.get("warm", False),
    )


def named_priors(records: Iterable[TrialRecord]) -> tuple[str, ...]:
    """Return the prior studies that records name, in the order in which they do."""
    records = list(records)
    named = [name for record in records for name in (*record.shares, *record.agreement)]
    led = [record.leaned_on for record in records if record.leaned_on]
    return tuple(dict.fromkeys([*named, *led]))


def record_of(
    suggestion: Suggestion, studies: Sequence[str], directions: Iterable[StudyDirection]
) -> dict[str, Any]:
    """Return what a suggestion's record holds beside the configuration, as JSON values.

    Args:
        suggestion: The suggestion.
        studies: Names of all T prior studies.
        directions: The target's, one for each objective.
    """
    trust = round(suggestion.trust, 3)
    if suggestion.trust < LEAST_TRUST <= trust:  # Else the record would say that they had a say.
        trust -= 0.001
    record: dict[str, Any] = {"source": suggestion.source, "trust": round(trust, 3)}
    if suggestion.leading is not None:
        record["leaned_on"] = studies[suggestion.leading]
        named = [t for t in suggestion.order if abs(suggestion.shares[t]) >= _LEAST_SHARE]
        shares = {studies[t]: round(float(suggestion.shares[t]), 3) for t in named[:_MOST_NAMED]}
        record["shares"] = shares
    agreement = measured(suggestion, studies)
    of_use = [name for name in record.get("shares", ()) if name in agreement]
    ends = [*list(agreement)[:1], *list(agreement)[-1:]]  # First: these are judged.
    told = dict.fromkeys([*ends, *of_use, *reversed(agreement)])
    record["agreement"] = {
        name: [round(agreement[name][0], 2), agreement[name][1]]
        for name in list(told)[:_MOST_NAMED]
    }
    if len(agreement) > _MOST_NAMED:
        record["compared"] = len(agreement)
    if agreement and not suggestion.compared.is_from_scratch:
        record["warm"] = True
    record["predicted"] = [list(map(_short, p)) for p in predicted_of(suggestion, directions)]
    return {key: value for key, value in record.items() if value not in ({}, [])}


def predicted_of(
    suggestion: Suggestion, directions: Iterable[StudyDirection]
) -> tuple[tuple[float, float, float], ...]:
    """Return mean, lower and upper end of what is expected, in the objectives' own directions."""
    return tuple(
        (-m, -b, -a) if direction == StudyDirection.MAXIMIZE else (m, a, b)
        for (m, a, b), direction in zip(suggestion.predicted, directions, strict=False)
    )


def _short(value: float) -> float:
    """Round to six significant digits."""
    return float(f"{value:.6g}")


def _mapping(written: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = written.get(key)
    return found if isinstance(found, Mapping) else {}

"""What a trial keeps of why it is what it is: one attribute, readable without the sampler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import Any

from optuna.trial import FrozenTrial

from optuna_meta.sampler.plan import PLAN_KEY
from optuna_meta.suggest.request import SOURCES


__all__ = ["TrialRecord", "read_record"]


@dataclass(frozen=True)
class TrialRecord:
    """Where a trial's configuration came from, as was recorded when it was chosen.

    Args:
        number: The trial's.
        source: One of ``optuna_meta.suggest.request.SOURCES``.
        trust: Probability that the prior studies inform the target, in [0, 1].
        shares: What each prior study that matters helped, largest first: its part of the advantage
            over typical candidates that the model predicted of the configuration. Negative where
            the study's order was used in reverse. The absolute values sum to at most 1; the rest
            is the target's own trials' part.
        agreement: Of each of these studies, the rank correlation of what it expects with what the
            target's own trials came to, and how many trials these were.
        predicted: Mean, lower and upper end of the interval that holds the value with probability
            0.9, of each objective, in its own unit and direction; empty before any trial.
        is_probe: Whether the trial was to test what the prior studies say.
        leaned_on: The prior study of the largest share; ``None`` where none mattered.
        events: What had happened since the trial before, such as ``"dropped: name"``. The first
            word is one of ``used``, ``left out``, ``shared``, ``unshared``, ``dropped``, ``alone``
            and ``cold``.
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


def read_record(trial: FrozenTrial) -> TrialRecord | None:
    """Return what is recorded on a trial of a study of this or an earlier version, if anything.

    Trials of another sampler and of the versions that kept the configuration alone have none.
    """
    written = trial.user_attrs.get(PLAN_KEY)
    if not isinstance(written, Mapping) or "source" not in written:
        return None
    source = str(written["source"])
    return TrialRecord(
        trial.number,
        source,
        float(written.get("trust", 0.0)),
        {name: float(share) for name, share in _mapping(written, "shares").items()},
        {name: (float(r), int(n)) for name, (r, n) in _mapping(written, "agreement").items()},
        tuple((float(m), float(a), float(b)) for m, a, b in written.get("predicted", ())),
        source == SOURCES[3],
        written.get("leaned_on"),
        tuple(written.get("events", ())),
    )


def _mapping(written: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = written.get(key)
    return found if isinstance(found, Mapping) else {}

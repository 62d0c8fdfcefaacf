"""When a prior study was left, and how much say it had had until then: from trials' records."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from optuna_meta.sampler.record import TrialRecord
from optuna_meta.suggest.request import LEAST_TRUST


__all__ = ["Drop", "drops", "IN_USE"]

IN_USE = 0.02  # Least share.


@dataclass(frozen=True)
class Drop:
    """How a prior study was left.

    Args:
        number: The trial from which on it has had no say.
        trust: That of this trial in all prior studies.
        share: The last share that it had.
        last_used: The trial that had it.
        is_alone: Whether it was left with all others, for the study has gone on alone.
    """

    number: int
    trust: float
    share: float
    last_used: int
    is_alone: bool

    def __str__(self) -> str:
        why = "study alone, " if self.is_alone else ""
        said = f"share {self.share:.2f} at trial {self.last_used}"
        return f"dropped at trial {self.number} ({why}trust {self.trust:.2f}; {said})"


def drops(records: Sequence[TrialRecord]) -> Mapping[str, Drop]:
    """Return the prior studies that were left and have not come back, by name.

    Args:
        records: Of a study's trials, in order.
    """
    used: dict[str, TrialRecord] = {}
    left: dict[str, TrialRecord] = {}
    for record in records:
        used |= {name: record for name, share in record.shares.items() if abs(share) >= IN_USE}
        for kind, _, name in (event.partition(": ") for event in record.events):
            if kind == "dropped":
                left[name] = record
            elif kind == "back":
                left.pop(name, None)
    alone = list(takewhile(lambda record: record.trust < LEAST_TRUST, reversed(records)))
    singly = set(left)
    if alone and len(alone) < len(records):
        left = {**dict.fromkeys(used, alone[-1]), **left}
    return {
        name: Drop(
            record.number,
            record.trust,
            used[name].shares[name] if name in used else 0.0,
            used[name].number if name in used else record.number,
            name not in singly,
        )
        for name, record in left.items()
    }

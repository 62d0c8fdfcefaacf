"""What a study's records come to: which prior studies helped, which were left, what it saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.replay.saving import Saving
from optuna_meta.sampler.record import read_record
from optuna_meta.sampler.record import TrialRecord
from optuna_meta.visualization.weights_lineage import lineage
from optuna_meta.visualization.weights_lineage import SCRATCH
from optuna_meta.visualization.weights_lineage import SourceGain


__all__ = ["PriorSummary", "prior_summaries", "StudySummary", "summarise"]

_CLEARLY = 0.3  # A rank correlation below its negative is a reversed order ...
_ENOUGH = 5  # ... once it is of so many trials.


@dataclass(frozen=True)
class PriorSummary:
    """What one prior study did.

    Args:
        name: Its name.
        share: Its mean share in the choice of the trials, negative where its order was reversed.
        last_share: Its share in the last trial's.
        n_led: How many trials had it as the first of their shares.
        agreement: The last rank correlation with the study's own trials, and of how many; ``None``
            where none is recorded.
        dropped_at: Number of the trial from which it was left; ``None`` if it was not.
    """

    name: str
    share: float
    last_share: float
    n_led: int
    agreement: tuple[float, int] | None
    dropped_at: int | None

    @property
    def is_reversed(self) -> bool:
        """Whether its order is the reverse of the study's, by its use or by measurement."""
        if self.agreement is not None and self.agreement[1] >= _ENOUGH:
            return self.agreement[0] < -_CLEARLY
        return self.share < 0.0


@dataclass(frozen=True)
class StudySummary:
    """A study in a report.

    Args:
        name: The study's.
        n_trials: Finished trials.
        n_recorded: Trials with a record.
        best: The best trial, where there is one objective.
        trust: That of the first and of the last trial with a record.
        n_probes: Tests of the prior studies.
        priors: The prior studies, those that helped most first.
        events: Number of a trial, and what had happened before it.
        saving: What cold starts need for the best value, if it was estimated.
        gains: By source of the trials' weights; empty where none was recorded.
    """

    name: str
    n_trials: int
    n_recorded: int
    best: FrozenTrial | None
    trust: tuple[float, float] | None
    n_probes: int
    priors: tuple[PriorSummary, ...]
    events: tuple[tuple[int, str], ...]
    saving: Saving | None
    gains: tuple[SourceGain, ...]


def prior_summaries(records: Sequence[TrialRecord]) -> tuple[PriorSummary, ...]:
    """Gather what records say of each prior study that any of them names."""
    drops = {
        event.removeprefix("dropped: "): record.number
        for record in reversed(records)
        for event in record.events
        if event.startswith("dropped: ")
    }
    led = [record.leaned_on for record in records]
    named = [name for record in records for name in (*record.shares, *record.agreement)]
    names = dict.fromkeys([*named, *(name for name in led if name), *drops])
    found = [_prior(name, records, drops.get(name)) for name in names]
    return tuple(sorted(found, key=lambda p: (-p.share, -p.n_led)))


def _prior(name: str, records: Sequence[TrialRecord], dropped_at: int | None) -> PriorSummary:
    shares = [record.shares.get(name, 0.0) for record in records]
    known = [record.agreement[name] for record in records if name in record.agreement]
    n_led = sum(record.leaned_on == name for record in records)
    agreement = known[-1] if known else None
    return PriorSummary(name, float(np.mean(shares)), shares[-1], n_led, agreement, dropped_at)


def summarise(study: Study, saving: Saving | None = None) -> StudySummary:
    """Summarise a study by its records.

    Args:
        study: The study; one that another sampler ran has no records to tell of.
        saving: What cold starts need, where it was estimated.
    """
    trials = [t for t in study.get_trials(deepcopy=False) if t.state in FINISHED]
    records = [record for record in map(read_record, trials) if record is not None]
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    best = _best(complete, study) if len(study.directions) == 1 else None
    return StudySummary(
        study.study_name,
        len(trials),
        len(records),
        best,
        (records[0].trust, records[-1].trust) if records else None,
        sum(record.is_probe for record in records),
        prior_summaries(records),
        tuple((record.number, event) for record in records for event in record.events),
        saving,
        _gains(complete, study),
    )


def _best(complete: Sequence[FrozenTrial], study: Study) -> FrozenTrial | None:
    sign = _sign(study.directions[0])
    known = [t for t in complete if t.value is not None and np.isfinite(t.value)]
    return min(known, key=lambda t: sign * float(t.value or 0.0), default=None)


def _gains(complete: Sequence[FrozenTrial], study: Study) -> tuple[SourceGain, ...]:
    """Return what each source of weights gained of the first objective, if any was recorded."""
    known = [t for t in complete if t.values and np.isfinite(t.values[0])]
    values = np.array([t.values[0] for t in known], dtype=float)
    gains = lineage(known, values, _sign(study.directions[0])).gains
    return () if all(gain.source == SCRATCH for gain in gains) else gains


def _sign(direction: StudyDirection) -> float:
    return 1.0 if direction == StudyDirection.MINIMIZE else -1.0

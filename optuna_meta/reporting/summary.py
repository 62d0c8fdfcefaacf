"""What a study's records come to: which prior studies helped, which were left, what it saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from optuna import Study
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.replay.saving import estimate_saving
from optuna_meta.replay.saving import Saving
from optuna_meta.sampler.agreement import Opinion
from optuna_meta.sampler.drops import Drop
from optuna_meta.sampler.drops import drops
from optuna_meta.sampler.events import study_events
from optuna_meta.sampler.record import named_priors
from optuna_meta.sampler.record import read_record
from optuna_meta.sampler.record import TrialRecord
from optuna_meta.sampler.sampler import MetaSampler
from optuna_meta.sampler.shown import is_of_scratch
from optuna_meta.sampler.shown import opinion_after
from optuna_meta.sampler.shown import order_shown
from optuna_meta.sampler.weights_gain import gains_of
from optuna_meta.sampler.weights_gain import SourceGain
from optuna_meta.suggest.comparison import ENOUGH


__all__ = ["PriorReport", "prior_reports", "saving_of", "StudyReport", "summarise"]


@dataclass(frozen=True)
class PriorReport:
    """What one prior study did.

    Args:
        name: Its name.
        share: Its mean share in the choice of the trials, negative where its order was reversed.
        last_share: Its share in the last trial's.
        n_led: How many trials had it as the first of their shares, or nearly.
        agreement: The last rank correlation with the study's own trials, and of how many; ``None``
            where none is recorded.
        dropped: When it was left, if it did not come back.
        order: Whether the study's trials showed its order to be the reverse of theirs, as
            ``order_shown`` says it.
        led_later: Whether it led, too, once enough own trials could be compared with it.
    """

    name: str
    share: float
    last_share: float
    n_led: int
    agreement: tuple[float, int] | None
    dropped: Drop | None = None
    order: str = ""
    led_later: bool = False


@dataclass(frozen=True)
class StudyReport:
    """A study in a report.

    Args:
        name: The study's.
        n_trials: Finished trials.
        n_recorded: Trials with a record.
        best: The best trial, where there is one objective.
        trust: That of the first and of the last trial with a record.
        opinion: Whether the prior studies agree with the own trials, and so why the study has gone
            on alone, if it has.
        n_probes: Tests of the prior studies.
        priors: The prior studies, those that helped most first.
        events: Number of a trial, and what had happened before it.
        is_from_scratch: Whether prior studies were compared with trials from scratch.
        saving: What cold starts need for the best value, if it was estimated.
        gains: By source of the trials' weights; empty where none was recorded.
    """

    name: str
    n_trials: int
    n_recorded: int
    best: FrozenTrial | None
    trust: tuple[float, float] | None
    opinion: Opinion
    n_probes: int
    priors: tuple[PriorReport, ...]
    events: tuple[tuple[int, str], ...]
    is_from_scratch: bool
    saving: Saving | None
    gains: tuple[SourceGain, ...]


def prior_reports(records: Sequence[TrialRecord]) -> tuple[PriorReport, ...]:
    """Gather what records say of each prior study that any of them names.

    Args:
        records: Of the trials, in order.
    """
    led = [name for record in records for name in record.leaders]
    left, found = drops(records), []
    for name in dict.fromkeys([*named_priors(records), *left]):
        shares = [record.shares.get(name, 0.0) for record in records]
        agreement = [r.agreement[name] for r in records if name in r.agreement]
        prior = PriorReport(
            name,
            float(np.mean(shares)),
            shares[-1],
            led.count(name),
            agreement[-1] if agreement else None,
            left.get(name),
            order_shown(records, name),
            any(
                name in r.leaders and r.agreement.get(name, (0.0, 0))[1] >= ENOUGH for r in records
            ),
        )
        found.append(prior)
    return tuple(sorted(found, key=lambda p: (-p.share, -p.n_led)))


def saving_of(study: Study, sampler: BaseSampler, saving: Saving | bool) -> Saving | None:
    """Return what cold starts need, estimated if so asked and the sampler can tell."""
    if isinstance(saving, Saving):
        return saving
    is_asked = saving and isinstance(sampler, MetaSampler)
    return estimate_saving(study, sampler) if is_asked else None


def summarise(study: Study, saving: Saving | None = None) -> StudyReport:
    """Summarise a study by its records.

    Args:
        study: The study; one that another sampler ran has no records to tell of.
        saving: What cold starts need, where it was estimated.
    """
    trials = [t for t in study.get_trials(deepcopy=False) if t.state in FINISHED]
    records = [record for record in map(read_record, trials) if record is not None]
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    best = _best(complete, study) if len(study.directions) == 1 else None
    return StudyReport(
        study.study_name,
        len(trials),
        len(records),
        best,
        (records[0].trust, records[-1].trust) if records else None,
        opinion_after(records),
        sum(record.is_probe for record in records),
        prior_reports(records),
        study_events(study),
        is_of_scratch(records),
        saving,
        gains_of(complete, study.directions),
    )


def _best(complete: Sequence[FrozenTrial], study: Study) -> FrozenTrial | None:
    sign = _sign(study.directions[0])
    known = [t for t in complete if t.value is not None and np.isfinite(t.value)]
    return min(known, key=lambda t: sign * float(t.value or 0.0), default=None)


def _sign(direction: StudyDirection) -> float:
    return 1.0 if direction == StudyDirection.MINIMIZE else -1.0

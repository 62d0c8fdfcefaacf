"""Why a past trial is what it is, from what the study has recorded."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
import math
from typing import TYPE_CHECKING

from optuna.trial import FrozenTrial

from optuna_meta._html import bounded
from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.pruning.judge import Verdict
from optuna_meta.sampler.drops import drops
from optuna_meta.sampler.explanation import agreement_after
from optuna_meta.sampler.explanation import Explanation
from optuna_meta.sampler.explanation import PriorInfluence
from optuna_meta.sampler.plan import plan_of
from optuna_meta.sampler.record import read_record
from optuna_meta.sampler.record import TrialRecord
from optuna_meta.sampler.shown import is_of_scratch
from optuna_meta.sampler.shown import order_shown
from optuna_meta.sampler.weights_gain import gains_of
from optuna_meta.sampler.weights_gain import told_gain
from optuna_meta.sampler.weights_source import SCRATCH
from optuna_meta.sampler.weights_source import source_of
from optuna_meta.sampler.weights_source import start_of
from optuna_meta.suggest.request import reason_of


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["explain_trial"]


def explain_trial(study: Study, number: int) -> Explanation:
    """Tell why a past trial's configuration is what it is, as was recorded when it was chosen.

    Neither the sampler that chose it nor the prior studies are needed, and any process can ask.

    Args:
        study: The study, in whatever storage.
        number: The trial's number.

    Raises:
        ValueError: There is no such trial, or nothing is recorded on it.
    """
    trials = study.get_trials(deepcopy=False)
    trial = next((t for t in trials if t.number == number), None)
    if trial is None:
        raise ValueError(
            f"Study {bounded(study.study_name)!r} has no trial {number}: its {len(trials)} trials "
            "are numbered from 0."
        )
    record = read_record(trial)
    if record is None:
        raise ValueError(
            f"Trial {number} of study {bounded(study.study_name)!r} has no record of why it is "
            "what it is: no MetaSampler chose it, or one of a version that kept none."
        )
    plan, before = plan_of(trial), (t for t in trials if t.number <= number)
    records = [read for t in before if (read := read_record(t))]
    return Explanation(
        record.source,
        record.trust,
        trial.params or (plan.params if plan else {}),
        tuple(_influences(record, records)),
        reason_of(record.source, _n_before(trial, trials)),
        {},
        number,
        record.predicted,
        events=_told(record, trial),
        weights_from=_weights_of(trial, trials),
        n_compared=record.n_compared,
        is_from_scratch=is_of_scratch(records),
        agreement=agreement_after(records),
        weights_gain=told_gain(gains_of(trials, study.directions), start_of(trial)),
    )


def _influences(record: TrialRecord, records: Sequence[TrialRecord]) -> Iterator[PriorInfluence]:
    """Yield what prior studies did that are recorded on a trial, or were left before."""
    left = drops(records)
    leading = [record.leaned_on] if record.leaned_on is not None else []
    missing = 0.0 if record.shares else math.nan
    for name in dict.fromkeys([*leading, *record.shares, *record.agreement, *left]):
        correlation, n_trials = record.agreement.get(name, (None, 0))
        share = record.shares.get(name, missing)
        order = order_shown(records, name)
        yield PriorInfluence(name, share, correlation, n_trials, None, (), left.get(name), order)


def _weights_of(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> str | None:
    """Say where a trial's weights came from, if any trial's are recorded."""
    if source := source_of(trial):
        return source[1]
    return f"{SCRATCH}, or nothing is recorded" if any(map(source_of, trials)) else None


def _n_before(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> int:
    """Count the trials that had finished when one began."""
    begun = trial.datetime_start
    ends = (t.datetime_complete for t in trials if t.state in FINISHED and t is not trial)
    return sum(1 for end in ends if begun is not None and end is not None and end <= begun)


def _told(record: TrialRecord, trial: FrozenTrial) -> tuple[str, ...]:
    """Return what a record tells of the trial's beginning, and why it was stopped if it was."""
    costs = () if record.cost is None else (f"expected cost: {record.cost:.3g}",)
    verdict = Verdict.of(trial)
    return (*record.events, *costs, *(() if verdict is None else (str(verdict),)))

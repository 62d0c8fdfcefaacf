"""What a suggestion's record says beside its configuration."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from typing import Any

from optuna_meta.sampler.events import new_events
from optuna_meta.sampler.preflight import preflight
from optuna_meta.sampler.record import record_of
from optuna_meta.sampler.record import TrialRecord
from optuna_meta.sampler.target_study import TargetStudy
from optuna_meta.suggest.request import Suggestion
from optuna_meta.surrogate.fitted import FittedPrior


__all__ = ["reason_for"]


def reason_for(
    suggestion: Suggestion,
    fitted: FittedPrior,
    target: TargetStudy,
    names: Iterable[str],
    records: Sequence[TrialRecord],
    features: Mapping[str, float] | None,
) -> dict[str, Any]:
    """Return what a trial's record says of where it comes from.

    Args:
        suggestion: What was chosen for it.
        fitted: The prior studies.
        target: The study as the trial sees it.
        names: Parameters that the study is known to ask for.
        records: Those of its trials before, in order.
        features: Its meta-features.
    """
    compared = partial(preflight, fitted, sorted(names), target.objectives, features)
    events = new_events(records, suggestion, fitted.study_names, compared)
    record = record_of(suggestion, fitted.study_names, target.directions)
    return record | ({"events": events} if events else {})

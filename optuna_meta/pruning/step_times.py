"""When a running trial reported, of which Optuna keeps nothing: few times, few writes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from optuna.trial import FrozenTrial

from optuna_meta.outcomes.full_costs import TIMES_KEY


__all__ = ["times_to_write"]


def times_to_write(
    trial: FrozenTrial, step: int, n_reports: int, now: datetime, is_last: bool
) -> dict[str, Any] | None:
    """Return what the trial's attribute is to hold now; ``None`` where it stays as it is.

    It grows after 1, 2, 4, 8, ... reports, and at the last one that is known to be the last.

    Args:
        trial: The running trial, with its attributes.
        step: The step of its report.
        n_reports: How many there were, that one included.
        now: The time.
        is_last: Whether the trial is stopped here.
    """
    record = trial.user_attrs.get(TIMES_KEY)
    record = record if isinstance(record, Mapping) else {"steps": [], "seconds": []}
    is_due = n_reports >= 2 ** len(record["steps"])
    if trial.datetime_start is None or step in record["steps"] or not (is_due or is_last):
        return None
    seconds = round((now - trial.datetime_start).total_seconds(), 3)
    return {"steps": [*record["steps"], step], "seconds": [*record["seconds"], seconds]}

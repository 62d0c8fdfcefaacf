"""Where a trial's weights came from, as the trial tells it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial


__all__ = [
    "named_starts",
    "SCRATCH",
    "SHORT_TRAINING",
    "source_of",
    "start_numbers",
    "start_of",
    "WEIGHTS_FROM_KEY",
]

WEIGHTS_FROM_KEY = "optuna_meta:weights_from"  # User attribute: record_lineage writes it.
SCRATCH = "from scratch"
SHORT_TRAINING = "short training"  # What made weights, by rank_checkpoints on the new task.
_OWN = "a short training from scratch"
_SEVERAL = "several studies"
_LEAST_COPIED = 0.05  # Of a model's parameters: a model of which less was copied is a new one.


def source_of(trial: FrozenTrial) -> tuple[str, str] | None:
    """Return what a trial's weights came from, mostly a study, and the checkpoint in words.

    ``None`` for a trial that started from scratch.
    """
    written = trial.user_attrs.get(WEIGHTS_FROM_KEY)
    if not isinstance(written, Mapping):
        return None
    share, made_by = float(written.get("share", np.nan)), str(written.get("made_by", ""))
    steps = written.get("steps")
    if sources := written.get("sources"):
        name, words = _of_studies(sources, made_by, steps)
    elif share > 0.0:  # Of no study, and yet trained.
        name, words = _of_none(made_by, steps)
    else:
        return None
    return name, f"{words}; {share:.0%} of the parameters"


def _of_studies(
    sources: Sequence[Mapping[str, Any]], made_by: str, steps: int | None
) -> tuple[str, str]:
    """Name the studies of a start's checkpoints, and these; one that was trained on is another."""
    names = dict.fromkeys(str(source["study"]) for source in sources)
    name = next(iter(names)) if len(names) == 1 else _SEVERAL
    words = ", ".join(f"trial {source['trial']} of {source['study']}" for source in sources[:2])
    words += f" and {len(sources) - 2} more" if len(sources) > 2 else ""
    if made_by != SHORT_TRAINING:
        return name, words
    if steps == 0:  # The training keeps its best, which may be what it began with.
        return name, f"{words}, which no short training on the new data made better"
    words = f"{words}, after a short training{_counted(steps)} on the new data"
    return f"{name} after a short training", words


def _of_none(made_by: str, steps: int | None) -> tuple[str, str]:
    """Name a start without checkpoints of studies."""
    if made_by == SHORT_TRAINING:
        return _OWN, f"{_OWN}{_counted(steps)}, of no prior study"
    name = f"{made_by or 'weights'} of unknown studies"
    return name, name


def _counted(steps: int | None) -> str:
    return "" if steps is None else f" of {steps} steps"


def start_of(trial: FrozenTrial) -> str:
    """Return what a trial's weights came from; :data:`SCRATCH` where too few did."""
    source = source_of(trial)
    return source[0] if source is not None and _is_copied(trial) else SCRATCH


def named_starts(starts: Sequence[str]) -> tuple[str, ...]:
    """Return the different ones of what trials started from, scratch first."""
    return tuple(dict.fromkeys([SCRATCH, *starts]))


def start_numbers(starts: Sequence[str]) -> NDArray[np.int64]:
    """Number what trials started from, as :func:`start_of` names it; 0 is scratch.  # (n,)"""
    numbers = {name: i for i, name in enumerate(named_starts(starts))}
    return np.array([numbers[name] for name in starts], dtype=np.int64)


def _is_copied(trial: FrozenTrial) -> bool:
    """Tell whether enough of a trial's weights came from others to speak of a start from them."""
    written = trial.user_attrs.get(WEIGHTS_FROM_KEY)
    share = written.get("share") if isinstance(written, Mapping) else None
    return not isinstance(share, int | float) or share >= _LEAST_COPIED

"""What trials gained by where their weights came from: medians, each start's beside scratch's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._typing import Array
from optuna_meta.sampler.weights_source import SCRATCH
from optuna_meta.sampler.weights_source import source_of
from optuna_meta.sampler.weights_source import start_of


__all__ = ["gains_of", "Lineage", "lineage", "SourceGain", "told_gain"]


@dataclass(frozen=True)
class SourceGain:
    """Trials that started from the weights of one study, or from scratch.

    Args:
        source: The study.
        indices: The trials, by their index among all.  # (n,)
        median: Of their values.
        gain: How much better that is than the median from scratch, in the study's unit; NaN where
            no trial started from scratch.
    """

    source: str
    indices: NDArray[np.int64]  # (n,)
    median: float
    gain: float


@dataclass(frozen=True)
class Lineage:
    """Where the weights of a study's complete trials came from.

    Args:
        labels: Of each trial, the very checkpoint, and the share of the weights it gave.
        gains: By source, the best first.
    """

    labels: tuple[str, ...]
    gains: tuple[SourceGain, ...]


def lineage(trials: Sequence[FrozenTrial], values: Array, sign: float) -> Lineage:
    """Group n trials by the source of their weights, and compare each with scratch.

    Where hardly any parameter fitted, a trial started from scratch whatever its start was called.

    Args:
        trials: The trials.
        values: Their values.  # (n,)
        sign: 1 where lower is better, -1 where higher is.
    """
    found = [source_of(trial) for trial in trials]
    names = np.array([start_of(trial) for trial in trials], dtype=object)
    scratch = values[names == SCRATCH]
    start = float(np.median(scratch)) if len(scratch) else np.nan
    gains = []
    for name in dict.fromkeys(names.tolist()):
        indices = np.flatnonzero(names == name)
        median = float(np.median(values[indices]))
        gains.append(SourceGain(name, indices, median, sign * (start - median)))
    gains.sort(key=lambda gain: sign * gain.median)
    return Lineage(tuple(f[1] if f else SCRATCH for f in found), tuple(gains))


def gains_of(
    trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]
) -> tuple[SourceGain, ...]:
    """Return what each start gained of the first objective; none where all are from scratch.

    Args:
        trials: Of a study, of any state.
        directions: The study's.
    """
    complete = [t for t in trials if t.state == TrialState.COMPLETE and np.isfinite(t.values[0])]
    values = np.array([t.values[0] for t in complete], dtype=float)
    sign = -1.0 if directions[0] == StudyDirection.MAXIMIZE else 1.0
    gains = lineage(complete, values, sign).gains
    return () if all(gain.source == SCRATCH for gain in gains) else gains


def told_gain(gains: Sequence[SourceGain], start: str) -> str:
    """Say what a start gained, and against how many trials of which; empty for scratch."""
    known = {gain.source: gain for gain in gains}
    own, scratch = known.get(start), known.get(SCRATCH)
    if own is None or own is scratch:
        return ""
    told = f"the median of {_counted(own)} with this start is {own.median:.4g}"
    if scratch is None:
        return f"{told}; no trial from scratch tells whether that is better"
    by = f"{'better' if own.gain >= 0.0 else 'worse'} by {abs(own.gain):.3g}"
    base = f"that of {_counted(scratch)} from scratch, {scratch.median:.4g}"
    return f"{told}, {by} than {base}; their hyperparameters differ, too"


def _counted(gain: SourceGain) -> str:
    n = len(gain.indices)
    return f"{n} trial" if n == 1 else f"{n} trials"

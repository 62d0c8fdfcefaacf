"""How many trials a cold start would have needed for what a study has come to.

Nobody knows, short of running it: so the cold sampler is run on functions that the study may be,
drawn from its model after its trials (or, if asked, on the real objective).

A model that started from trained weights comes to other values than one from scratch: where trials
have, only those that started as the best one did are counted and learned from. So what the sampler
saved is told alone; what the weights did, trials from scratch may show, and no replay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from typing import NamedTuple

import numpy as np
from optuna import Study
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import Trial
from optuna.trial import TrialState

from optuna_meta._html import listed
from optuna_meta._typing import Array
from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.replay.cold_start import best_so_far
from optuna_meta.replay.cold_start import replayed_objective
from optuna_meta.replay.cold_start import run_cold
from optuna_meta.sampler.sampler import MetaSampler
from optuna_meta.sampler.sampler_of import sampler_of
from optuna_meta.sampler.weights_source import SCRATCH
from optuna_meta.sampler.weights_source import start_of
from optuna_meta.studies.prior import Prior
from optuna_meta.surrogate.fitted import fit_prior


__all__ = ["ended_trials", "estimate_saving", "low_median_high", "Saving"]

_LEAST_TRIALS = 3  # Two values always lie on a line.
_LEVEL = 0.8  # Of the interval.
_TIMES, _MORE = 5, 20  # So many trials a cold start is given, by those that the study needed.
_MOST = 150


@dataclass(frozen=True)
class Saving:
    """What a cold start would have needed for a study's best value.

    Args:
        trials: After how many trials the study had it.
        value: The value.
        needed: Trials of each of R cold starts until it had one as good; infinite where ``limit``
            of them were not enough.  # (R,)
        limit: The most trials that a cold start was given.
        is_estimate: Whether they were run on what the study may be, and not on the objective.
        courses: Best value of each after 1, 2, ... trials, in the study's unit; that of the study
            itself from where it was reached.  # (R, limit)
        priors: The prior studies on whose model an estimate rests.
        start: What the models of the trials that count started from, and those of cold starts: a
            study, or :data:`~optuna_meta.sampler.weights_source.SCRATCH`; empty where no trial
            started from trained weights, or the objective itself was run.
        n_others: Trials from scratch where ``start`` is a study, else those from trained weights:
            none of them reached the value.
    """

    trials: int
    value: float
    needed: Array  # (R,)
    limit: int
    is_estimate: bool = True
    courses: Array = field(default_factory=lambda: np.zeros((0, 0)), repr=False)  # (R, limit)
    priors: tuple[str, ...] = ()
    start: str = ""
    n_others: int = 0

    @property
    def median(self) -> float:
        """The trials that half of the cold starts needed; infinite beyond the limit."""
        return float(low_median_high(self.needed)[1])

    @property
    def interval(self) -> tuple[float, float]:
        """The trials between which four of five cold starts ended."""
        low, _, high = low_median_high(self.needed)
        return float(low), float(high)

    @property
    def headline(self) -> str:
        """What was saved or cost, in one sentence, with the interval of that number."""
        alone = f" by its sampler alone,{self.where}" if self.start else ""
        low, high = (end - self.trials for end in self.interval)
        by, most = self.median - self.trials, self.limit - self.trials
        if by < 0:
            cost = f"{-by:.0f} {_between(-high, -low, most)}"
            return f"It has saved no trial{alone}: it has cost {cost}."
        saved = f"more than {most}" if np.isinf(by) else f"about {by:.0f}" if by else "0"
        return f"It has saved {saved} trials{alone} {_between(low, high, most)}."

    @property
    def where(self) -> str:
        """Where the trials that count started, in words; empty where that needs none."""
        if not self.start:
            return ""
        return f" {SCRATCH}" if self.start == SCRATCH else " from the same weights"

    @property
    def details(self) -> str:
        """Trials of the study and of cold starts, how these were run, and what does not count."""
        low, high = self.interval
        how = "replays on a model of the study" if self.is_estimate else "real cold starts"
        return (
            f"{'An estimate: for' if self.is_estimate else 'For'} {self.value:.4g}, which this "
            f"study had after {self.trials} trials{self.where}, a cold start{self.where} needs "
            f"{_shown(self.median, self.limit)} ({_LEVEL:.0%} of {len(self.needed)} {how}: "
            f"{_shown(low, self.limit)} to {_shown(high, self.limit)}).{self._others}"
        )

    @property
    def _others(self) -> str:
        """What the study's trials with another start say of the weights, as a sentence more."""
        if not self.start:
            return ""
        other = "trained weights" if self.start == SCRATCH else "scratch"
        if self.n_others:
            return f" Of its {self.n_others} trials from {other} none came to that."
        return " What the weights saved is not in it: none of its trials started from scratch."

    def __str__(self) -> str:
        rests = f" The model rests on {len(self.priors)} prior studies: {listed(self.priors)}."
        return f"{self.headline} {self.details}{rests if self.is_estimate and self.priors else ''}"


def estimate_saving(
    study: Study,
    sampler: BaseSampler | None = None,
    *,
    objective: Callable[[Trial], float] | None = None,
    n_replays: int = 10,
    limit: int | None = None,
    seed: int = 0,
) -> Saving | None:
    """Estimate how many trials a cold start would have needed for the study's best value.

    The cold sampler, ``MetaSampler`` without prior studies, is run several times, each time on
    another function that the study may be; with ``objective`` on that itself.

    Args:
        study: The study, which stays as it is.
        sampler: The one that ran it, with its prior studies; the study's own by default.
        objective: The objective, to be run for certainty instead of an estimate.
        n_replays: How many cold starts.
        limit: The most trials of each; by default 20 and five for each trial of the study's.
        seed: Seed of all random draws.

    Returns:
        The saving; ``None`` where it cannot be told: of several objectives or with constraints, or
        before three trials with the best one's start have ended with different values.

    Raises:
        ValueError: No sampler that has a model of the study.
    """
    reached = _reached(study, objective is None)
    if reached is None:
        return None
    n, value, start, n_others = reached
    sign = _sign(study)
    goal, limit = sign * value, min(_MOST, _MORE + _TIMES * n) if limit is None else limit
    model, runs = sampler_of(study, sampler).model_of(study), []
    like = model.started_from(start) if start else model
    nothing = fit_prior(Prior())  # Else each sampler would log that it reads no study.
    for r in range(n_replays):
        rng = np.random.default_rng([seed, r])
        cold = MetaSampler(
            prior_studies=nothing, seed=int(rng.integers(2**31)), candidates=model.candidates
        )
        if objective is None:
            runs.append(run_cold(replayed_objective(like, rng), cold, goal, limit))
        else:
            runs.append(sign * run_cold(objective, cold, value, limit, study.direction))
    needed = np.array([len(run) if run[-1] <= goal else np.inf for run in runs])
    courses = sign * np.array([best_so_far(run, goal, limit) for run in runs])
    priors = tuple(model.suggester.fitted.study_names)
    return Saving(n, value, needed, limit, objective is None, courses, priors, start, n_others)


def ended_trials(study: Study, start: str = "") -> list[FrozenTrial]:
    """Return the trials that count: all that ended, or those of one start; see :class:`Saving`."""
    trials = (t for t in study.get_trials(deepcopy=False) if t.state in FINISHED)
    return [t for t in trials if not start or start_of(t) == start]


class _Reached(NamedTuple):
    """What a study has come to, by the fields of a :class:`Saving`."""

    trials: int
    value: float
    start: str
    n_others: int


def _reached(study: Study, is_estimate: bool) -> _Reached | None:
    """Find after how many trials a study had its best value, of those that started as the best."""
    trials = ended_trials(study)
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    if len(study.directions) > 1 or any(t.constraints for t in trials) or not complete:
        return None
    sign, starts = _sign(study), {t.number: start_of(t) for t in trials}

    def place(trial: FrozenTrial) -> tuple[float, bool]:
        return sign * float(trial.value or 0.0), starts[trial.number] != SCRATCH

    best = min(complete, key=place)
    start = starts[best.number]
    is_split = is_estimate and set(starts.values()) != {SCRATCH}
    alike = ended_trials(study, start if is_split else "")
    values = np.array([t.value for t in alike if t.state == TrialState.COMPLETE], dtype=float)
    if len(values) < _LEAST_TRIALS or not np.isfinite(values).all() or np.ptp(values) == 0.0:
        return None
    others = [s for s in starts.values() if (s == SCRATCH) != (start == SCRATCH)]
    n, n_others = sum(t.number <= best.number for t in alike), len(others) if is_split else 0
    return _Reached(n, float(best.value or 0.0), start if is_split else "", n_others)


def _sign(study: Study) -> float:
    return 1.0 if study.direction == StudyDirection.MINIMIZE else -1.0


def low_median_high(numbers: Array) -> Array:
    """Return the interval's lower end, the median and its upper end of numbers (R, ...).

    Each is one of them, some of which are infinite: of ten the 1st, the 5th and the 9th.
    # (3, ...)
    """
    edge = 0.5 * (1.0 - _LEVEL)
    levels = edge, 0.5, 1.0 - edge
    return np.asarray(np.quantile(numbers, levels, axis=0, method="inverted_cdf"))


def _between(low: float, high: float, most: int) -> str:
    return f"({_LEVEL:.0%}: {_shown(low, most)} to {_shown(high, most)})"


def _shown(n: float, limit: int) -> str:
    if np.isinf(n):
        return f"more than {limit}" if n > 0.0 else f"less than {-limit}"
    return f"{n + 0.0:.0f}"  # Else -0.

"""What one more trial is expected to improve, and a callback that ends a study by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_meta._typing import Array
from optuna_meta.outcomes.full_costs import seconds_of
from optuna_meta.studies.prior import Prior
from optuna_meta.surrogate.fitted import as_prior
from optuna_meta.surrogate.fitted import FittedPrior


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["StopWhenNotWorthIt", "expected_gain", "relative_gain"]

_logger = optuna.logging.get_logger("optuna.meta")
ENDED_KEY = "optuna_meta:ended"  # User attribute of a study that was ended: why it was.
_FEWEST = 5  # Complete trials, before which nothing is known of what is good here.
_HORIZON = 10  # Trials over which improvements, which come seldom, are spread.


def relative_gain(values: Array, n: int) -> float:
    """Return what a study gained a trial after its first n, in units of their spread.

    Args:
        values: Values of its trials in order, lower is better.  # (m,)
        n: How many; fewer than m.
    """
    later = values[n : n + _HORIZON]
    best, unit = values[:n].min(), _unit(values[:n])
    return float(max(best - later.min(), 0.0) / unit / len(later)) if unit > 0.0 else 0.0


def expected_gain(values: Array, prior: Sequence[Array]) -> float:
    """Return what the next trial is expected to improve on the best of values (n,).

    The mean of what each prior study gained after as many trials, in units of the spread of the
    values, and of what the values alone say: the best of n alike is better than the second by as
    much as n trials gained.

    Args:
        values: Values of the target's trials, two or more, lower is better.  # (n,)
        prior: The same of prior studies, in the order of their trials.
    """
    n, unit = len(values), _unit(values)
    first, second = np.sort(values)[:2]
    known = [relative_gain(y, n) for y in prior if len(y) > n]
    return float((unit * sum(known) + (second - first) / n) / (len(known) + 1))


def _unit(values: Array) -> float:
    return float(np.median(values) - values.min())


class StopWhenNotWorthIt:
    """Callback that ends a study once its next trial is not worth it.

    Example:
        .. code-block:: python

            study.optimize(objective, callbacks=[StopWhenNotWorthIt(0.001, prior_studies=prior)])

    Args:
        least_gain: The improvement of the objective that a trial must promise.
        seconds_per_unit: Instead, or as well: how many seconds an improvement by one unit is
            worth; a trial must promise what it takes.
        prior_studies: Studies, a :class:`Prior` or a :class:`FittedPrior`.

    Raises:
        ValueError: Neither threshold is given, or one is not positive.
    """

    def __init__(
        self,
        least_gain: float | None = None,
        *,
        seconds_per_unit: float | None = None,
        prior_studies: FittedPrior | Prior | Sequence[optuna.Study | Prior] | None = None,
    ) -> None:
        given = [t for t in (least_gain, seconds_per_unit) if t is not None]
        if not given or not all(t > 0.0 for t in given):
            raise ValueError(
                "StopWhenNotWorthIt needs least_gain= or seconds_per_unit=, positive, "
                f"got {least_gain!r} and {seconds_per_unit!r}."
            )
        self._least_gain, self._seconds_per_unit = least_gain, seconds_per_unit
        tasks = as_prior(prior_studies).tasks
        objectives = [task for task in tasks if task.outcome.n_objectives == 1]
        self._prior = [task.values for task in objectives]

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        """End the study if the next trial is not worth it.

        Args:
            study: The study, of one objective.
            trial: The trial that has just ended.
        """
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        values = sign * np.array([t.values[0] for t in complete])
        values = values[np.isfinite(values)]
        if len(values) < _FEWEST:
            return
        reason = self._reason(expected_gain(values, self._prior), complete)
        if reason:
            _logger.info(f"Study {study.study_name!r} ends: {reason}.")
            study.set_user_attr(ENDED_KEY, reason)
            study.stop()

    def _reason(self, gain: float, complete: Sequence[FrozenTrial]) -> str:
        promise = f"the next trial is expected to improve the best value by {gain:.3g}"
        if self._least_gain is not None and gain < self._least_gain:
            return f"{promise}, less than {self._least_gain:g}"
        seconds = np.array([seconds_of(t) for t in complete])
        seconds = seconds[~np.isnan(seconds)]
        if self._seconds_per_unit is None or not len(seconds):
            return ""
        price = float(np.median(seconds))
        if gain * self._seconds_per_unit < price:
            return f"{promise}, which is not worth its {price:.3g} seconds"
        return ""

"""``MetaPruner``: Optuna's pruner protocol; wires the steps, computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from optuna_meta._bounded_map import BoundedMap
from optuna_meta._locks import COMPUTING
from optuna_meta._optuna import set_trial_user_attr
from optuna_meta._optuna import study_key
from optuna_meta.outcomes.full_costs import TIMES_KEY
from optuna_meta.outcomes.observations import FINISHED
from optuna_meta.outcomes.observations import key_of
from optuna_meta.outcomes.reported import CURVE_KEY
from optuna_meta.outcomes.reported import reports_of
from optuna_meta.pruning.curve_model import CurveModel
from optuna_meta.pruning.curve_model import fit_curves
from optuna_meta.pruning.expectation import Expectation
from optuna_meta.pruning.judge import Judge
from optuna_meta.pruning.judge import STOPPED_KEY
from optuna_meta.pruning.judge import Verdict
from optuna_meta.pruning.step_times import times_to_write
from optuna_meta.pruning.vector_curve import VectorCurve
from optuna_meta.studies.own import own_names
from optuna_meta.studies.prior import Prior
from optuna_meta.surrogate.fitted import as_fitted
from optuna_meta.surrogate.fitted import as_prior
from optuna_meta.surrogate.fitted import FittedPrior


if TYPE_CHECKING:
    from optuna import Study
    from optuna import Trial


__all__ = ["MetaPruner"]

_logger = optuna.logging.get_logger("optuna.meta")
_MOST_RUNNING = 1_000  # Trials of several objectives, whose curves are kept.
_MOST_STUDIES = 8  # Or brackets of one, of which a pruner keeps what it read.


class MetaPruner(BasePruner):
    """Pruner that stops a trial once hardly any like it ended best in prior studies.

    The chance that a running trial ends below the best one so far is learned from the prior
    studies' curves: from where it stands among the trials of its own study at the same step, and
    from what the prior studies expect of its configuration. How small the chance must be is
    counted, in the prior studies and among the own complete trials: of the trials that improved
    on all before them, a share of ``max_loss`` at most would have been stopped. A few that would
    be stopped run on as a test, to notice prior studies that mislead. Without any, own trials
    alone are counted, and none is stopped until they are enough.

    Example:
        .. code-block:: python

            prior = Prior.from_storage("sqlite:///prior.db")
            pruner = MetaPruner(prior_studies=prior)
            study = optuna.create_study(sampler=MetaSampler(prior_studies=prior), pruner=pruner)

    Args:
        prior_studies: Studies, a :class:`Prior` or a :class:`FittedPrior`.
        max_loss: The share of studies whose best trial may be lost, in (0, 1).

    Raises:
        ValueError: An argument is not what is wanted here.
    """

    def __init__(
        self,
        *,
        prior_studies: FittedPrior | Prior | Sequence[optuna.Study | Prior] | None = None,
        max_loss: float = 0.05,
    ) -> None:
        if not 0.0 < max_loss < 1.0:
            raise ValueError(f"max_loss must be a share between 0 and 1, got {max_loss!r}.")
        self._prior = as_prior(prior_studies)
        # Without curves there is nothing to foresee, and no need for surrogates.
        has_curves = any(t.curves and len(t.curves.steps) > 1 for t in self._prior.tasks)
        is_fitted = isinstance(prior_studies, FittedPrior)
        known = prior_studies if is_fitted else self._prior
        self._fitted = _of_one_objective(as_fitted(known, None)) if has_curves else None
        self._told: set[str] = set()
        self._max_loss = max_loss
        self._models: BoundedMap[Any, CurveModel] = BoundedMap(_MOST_STUDIES)
        self._judges: BoundedMap[Any, Judge] = BoundedMap(_MOST_STUDIES)
        self._curves: BoundedMap[Any, VectorCurve] = BoundedMap(_MOST_RUNNING)

    def __getstate__(self) -> dict[str, Any]:
        # Storages have other identities in another process.
        empty: dict[str, Any] = {"_judges": BoundedMap(_MOST_STUDIES)}
        return {**self.__dict__, **empty, "_curves": BoundedMap(_MOST_RUNNING)}

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Tell whether to stop a trial, and record why.

        Args:
            study: The study, of one objective.
            trial: The running trial, with what it has reported.
        """
        if not trial.intermediate_values:
            return False
        reports = reports_of(trial, _signs(study))
        return self._is_stopped(study, study.get_trials(deepcopy=False), trial, reports)

    def report(self, trial: Trial, values: Sequence[float], step: int) -> None:
        """Report the values of several objectives, which Optuna's ``trial.report`` refuses.

        They are kept in a user attribute of the trial, written now and then.

        Args:
            trial: The running trial.
            values: One for each objective.
            step: The step.

        Raises:
            ValueError: There are not as many values as objectives.
        """
        study = trial.study
        n_objectives = len(study.directions)
        if len(values) != n_objectives:
            raise ValueError(
                f"{n_objectives} values are wanted, one for each objective, got {len(values)} at "
                f"step {step}."
            )
        key = study_key(study), trial.number
        curve = self._curves.made(key, VectorCurve)
        curve.append(step, values)
        if curve.is_due:
            trial.set_user_attr(CURVE_KEY, curve.record())

    def should_prune(self, trial: Trial) -> bool:
        """Tell whether a trial of several objectives has hardly a chance to join the front.

        Raise ``optuna.TrialPruned`` then: the trial ends without values, and samplers that know
        curves learn from what it reported.

        Args:
            trial: The running trial.
        """
        study = trial.study
        curve = self._curves.get((study_key(study), trial.number))
        if curve is None:
            return False
        trials = study.get_trials(deepcopy=False)
        frozen = next(t for t in trials if t.number == trial.number)
        is_stopped = self._is_stopped(study, trials, frozen, curve.reports(_signs(study)))
        if is_stopped:
            trial.set_user_attr(CURVE_KEY, curve.record())
        return is_stopped

    def explain(self, study: Study) -> str:
        """Tell of each trial that was stopped, or run on as a test, why; a line each."""
        verdicts = [(t.number, Verdict.of(t)) for t in study.get_trials(deepcopy=False)]
        return "\n".join(f"trial {n}: {verdict}" for n, verdict in verdicts if verdict)

    def _is_stopped(
        self,
        study: Study,
        trials: Sequence[FrozenTrial],
        trial: FrozenTrial,
        reports: Mapping[int, tuple[float, ...]],
    ) -> bool:
        try:
            with COMPUTING:
                verdict = self._judge(study, trials).verdict(trials, trial, reports)
            is_last = verdict is not None and not verdict.is_test
            _keep_times(study, trials, trial, reports, is_last)
            if verdict is not None:
                set_trial_user_attr(study, trial, STOPPED_KEY, verdict.record())
                _logger.info(f"Trial {trial.number} is {verdict}.")
        except Exception as error:  # A prior study is never worth the user's trial.
            if study.study_name not in self._told:
                self._told.add(study.study_name)
                text = f"Judging failed in study {study.study_name!r}: {error!r}. Trials go on."
                _logger.warning(text)
            return False
        return verdict is not None and not verdict.is_test

    def _judge(self, study: Study, trials: Sequence[FrozenTrial]) -> Judge:
        """Return the judge of a study; one that is made anew has another first trial."""
        first = next((t for t in trials if t.state in FINISHED), None)
        key = study_key(study), None if first is None else key_of(first)

        def make() -> Judge:
            own, signs = own_names(self._prior.tasks, study, trials), _signs(study)
            fitted = self._fitted.without(own) if self._fitted and own else self._fitted
            fitted = fitted if len(signs) == 1 and fitted else None
            tasks = [task for task in self._prior.tasks if task.name not in own]
            model = self._models.made(
                (own, len(signs)), lambda: fit_curves(tasks, len(signs), fitted)
            )
            return Judge(model, signs, self._max_loss, Expectation(fitted))

        return self._judges.made(key, make)


def _keep_times(
    study: Study,
    trials: Sequence[FrozenTrial],
    trial: FrozenTrial,
    reports: Mapping[int, tuple[float, ...]],
    is_last: bool,
) -> None:
    # The running trial's own copy lacks attributes that were set through the storage.
    stored = next((t for t in reversed(trials) if t.number == trial.number), trial)
    if reports:
        *_, step = reports
        times = times_to_write(stored, step, len(reports), datetime.now(), is_last)
        if times is not None:
            set_trial_user_attr(study, trial, TIMES_KEY, times)


def _of_one_objective(fitted: FittedPrior) -> FittedPrior:
    """Return the surrogates of what a study of one objective reports: of no constraint."""
    tasks = [t for t, task in enumerate(fitted.prior.tasks) if task.outcome.n_objectives == 1]
    return fitted.select(np.array(tasks, dtype=np.int64))


def _signs(study: Study) -> tuple[float, ...]:
    return tuple(-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in study.directions)

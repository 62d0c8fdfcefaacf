"""What a study's user is told once its parameters are known."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from optuna_meta.outcomes.observations import objectives
from optuna_meta.sampler.knowledge import Knowledge
from optuna_meta.sampler.preflight import preflight


if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


__all__ = ["tell_of_space"]


def tell_of_space(known: Knowledge, study: Study, trial: FrozenTrial) -> None:
    """Tell once what a study has in common with the prior studies, as its trial shows."""
    state = known.state(study)
    if not len(known.fitted) or state.is_compared:
        return
    state.is_compared = True
    outcomes = objectives(len(study.directions), known.described(study)[1])
    fitted = known.suggester(study, study.get_trials(deepcopy=False)).fitted
    found = preflight(fitted, sorted(trial.params), outcomes, known.features_of(study))
    known.notices.tell(f"Study {study.study_name!r}: {found}.", logging.INFO)
    for objection in found.objections(study.study_name):
        known.notices.tell(objection)

"""Optuna that remembers: start a new study from what earlier studies learned."""

from typing import TYPE_CHECKING

from optuna_meta.features import extract_meta_features
from optuna_meta.features import record_meta_features
from optuna_meta.pruning.pruner import MetaPruner
from optuna_meta.pruning.worth import StopWhenNotWorthIt
from optuna_meta.sampler.events import study_events
from optuna_meta.sampler.explanation import Explanation
from optuna_meta.sampler.explanation import PriorInfluence
from optuna_meta.sampler.past_trial import explain_trial
from optuna_meta.sampler.record import read_record
from optuna_meta.sampler.record import TrialRecord
from optuna_meta.sampler.reporter import set_publisher
from optuna_meta.sampler.sampler import MetaSampler
from optuna_meta.sampler.study_weights import study_weights
from optuna_meta.studies.prior import Prior
from optuna_meta.surrogate.fitted import fit_prior
from optuna_meta.surrogate.fitted import FittedPrior


if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler


__all__ = [
    "Explanation",
    "FittedPrior",
    "MetaPruner",
    "MetaSampler",
    "Prior",
    "PriorInfluence",
    "StopWhenNotWorthIt",
    "TrialRecord",
    "explain_trial",
    "extract_meta_features",
    "fit_prior",
    "read_record",
    "record_meta_features",
    "study_events",
    "study_weights",
]


def _publish(study: "Study", sampler: "BaseSampler") -> None:
    # What it shows of weights takes torch, and most programs never publish.
    from optuna_meta.reporting import publish_report

    publish_report(study, sampler, saving=False)


set_publisher(_publish)

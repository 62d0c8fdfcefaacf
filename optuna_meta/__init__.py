"""Optuna that remembers: start a new study from what earlier studies learned."""

from optuna_meta.features import extract_meta_features
from optuna_meta.features import record_meta_features
from optuna_meta.sampler.events import study_events
from optuna_meta.sampler.explanation import explain_trial
from optuna_meta.sampler.explanation import Explanation
from optuna_meta.sampler.explanation import PriorInfluence
from optuna_meta.sampler.record import read_record
from optuna_meta.sampler.record import TrialRecord
from optuna_meta.sampler.sampler import MetaSampler
from optuna_meta.sampler.study_weights import study_weights
from optuna_meta.studies.prior import Prior
from optuna_meta.surrogate.fitted import fit_prior
from optuna_meta.surrogate.fitted import FittedPrior


__all__ = [
    "Explanation",
    "FittedPrior",
    "MetaSampler",
    "Prior",
    "PriorInfluence",
    "TrialRecord",
    "explain_trial",
    "extract_meta_features",
    "fit_prior",
    "read_record",
    "record_meta_features",
    "study_events",
    "study_weights",
]

"""Optuna that remembers: start a new study from what earlier studies learned."""

from optuna_meta.agreement import study_weights
from optuna_meta.features import extract_meta_features
from optuna_meta.features import record_meta_features
from optuna_meta.prior import Prior
from optuna_meta.report import Explanation
from optuna_meta.report import PriorInfluence
from optuna_meta.sampler import MetaSampler
from optuna_meta.surrogate.fitted import fit_prior
from optuna_meta.surrogate.fitted import FittedPrior


__all__ = [
    "Explanation",
    "FittedPrior",
    "MetaSampler",
    "Prior",
    "PriorInfluence",
    "extract_meta_features",
    "fit_prior",
    "record_meta_features",
    "study_weights",
]

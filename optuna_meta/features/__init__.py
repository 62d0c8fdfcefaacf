"""Data sets: in comes one of any kind, out go named numbers, recorded on a study and compared."""

from optuna_meta.features.extract import extract_meta_features
from optuna_meta.features.interactions.events import Interactions
from optuna_meta.features.openml import openml_meta_features
from optuna_meta.features.pymfe import pymfe_meta_features
from optuna_meta.features.record import clean_meta_features
from optuna_meta.features.record import META_FEATURES_KEY
from optuna_meta.features.record import read_meta_features
from optuna_meta.features.record import record_meta_features


__all__ = [
    "Interactions",
    "META_FEATURES_KEY",
    "clean_meta_features",
    "extract_meta_features",
    "openml_meta_features",
    "pymfe_meta_features",
    "read_meta_features",
    "record_meta_features",
]

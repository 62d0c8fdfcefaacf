"""A trial's weights: kept, chosen, and the start of the next study's models."""

from optuna_meta.weights.align import align
from optuna_meta.weights.average import average
from optuna_meta.weights.average import likeness
from optuna_meta.weights.average import refresh_statistics
from optuna_meta.weights.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint import Metadata
from optuna_meta.weights.ensemble import Ensemble
from optuna_meta.weights.ensemble import predict_all
from optuna_meta.weights.freeze import freeze
from optuna_meta.weights.freeze import linear_probe
from optuna_meta.weights.groups import parameter_groups
from optuna_meta.weights.init_report import InitReport
from optuna_meta.weights.init_report import record_lineage
from optuna_meta.weights.initialize import initialize
from optuna_meta.weights.joint import joint_init
from optuna_meta.weights.maml import adapt
from optuna_meta.weights.maml import cavia_init
from optuna_meta.weights.maml import maml_init
from optuna_meta.weights.meta_tasks import Inner
from optuna_meta.weights.meta_tasks import Outer
from optuna_meta.weights.mixture_weights import greedy_weights
from optuna_meta.weights.mixture_weights import simplex_weights
from optuna_meta.weights.record import CheckpointRecord
from optuna_meta.weights.reptile import reptile_init
from optuna_meta.weights.rows import RowItems
from optuna_meta.weights.soup import greedy_soup
from optuna_meta.weights.soup import learn_weights
from optuna_meta.weights.stopping import BestWeights
from optuna_meta.weights.store import CheckpointStore
from optuna_meta.weights.towards import L2SP
from optuna_meta.weights.towards import shrink_and_perturb
from optuna_meta.weights.verify import Verification


__all__ = [
    "BestWeights",
    "Checkpoint",
    "CheckpointRecord",
    "CheckpointStore",
    "Ensemble",
    "InitReport",
    "Inner",
    "L2SP",
    "Metadata",
    "Outer",
    "RowItems",
    "Verification",
    "adapt",
    "align",
    "average",
    "cavia_init",
    "freeze",
    "greedy_soup",
    "greedy_weights",
    "initialize",
    "joint_init",
    "learn_weights",
    "likeness",
    "linear_probe",
    "maml_init",
    "parameter_groups",
    "predict_all",
    "record_lineage",
    "refresh_statistics",
    "reptile_init",
    "shrink_and_perturb",
    "simplex_weights",
]

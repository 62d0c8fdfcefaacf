"""A trial's weights: kept, chosen, and the start of the next study's models."""

from optuna_meta.weights.align import align
from optuna_meta.weights.average import average
from optuna_meta.weights.average import likeness
from optuna_meta.weights.average import refresh_statistics
from optuna_meta.weights.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint import Metadata
from optuna_meta.weights.ensemble import Ensemble
from optuna_meta.weights.ensemble import predict_all
from optuna_meta.weights.find import Candidate
from optuna_meta.weights.find import find_checkpoints
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
from optuna_meta.weights.nearest import Nearest
from optuna_meta.weights.rank import by_fit
from optuna_meta.weights.rank import by_leep
from optuna_meta.weights.rank import by_logme
from optuna_meta.weights.rank import by_loss
from optuna_meta.weights.rank import by_score
from optuna_meta.weights.rank import Guarded
from optuna_meta.weights.rank import rank_checkpoints
from optuna_meta.weights.rank import Ranked
from optuna_meta.weights.rank import Ranking
from optuna_meta.weights.record import CheckpointRecord
from optuna_meta.weights.reptile import reptile_init
from optuna_meta.weights.roles import ROLES
from optuna_meta.weights.roles import suggest_start
from optuna_meta.weights.rows import RowItems
from optuna_meta.weights.rung import Rung
from optuna_meta.weights.soup import greedy_soup
from optuna_meta.weights.soup import learn_weights
from optuna_meta.weights.stopping import BestWeights
from optuna_meta.weights.store import CheckpointStore
from optuna_meta.weights.target import Target
from optuna_meta.weights.towards import L2SP
from optuna_meta.weights.towards import shrink_and_perturb
from optuna_meta.weights.verify import Finding
from optuna_meta.weights.verify import Verification


__all__ = [
    "BestWeights",
    "Candidate",
    "Checkpoint",
    "CheckpointRecord",
    "CheckpointStore",
    "Ensemble",
    "Finding",
    "Guarded",
    "InitReport",
    "Inner",
    "L2SP",
    "Metadata",
    "Nearest",
    "Outer",
    "ROLES",
    "Ranked",
    "Ranking",
    "RowItems",
    "Rung",
    "Target",
    "Verification",
    "adapt",
    "align",
    "average",
    "by_fit",
    "by_leep",
    "by_logme",
    "by_loss",
    "by_score",
    "cavia_init",
    "find_checkpoints",
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
    "rank_checkpoints",
    "record_lineage",
    "refresh_statistics",
    "reptile_init",
    "shrink_and_perturb",
    "simplex_weights",
    "suggest_start",
]

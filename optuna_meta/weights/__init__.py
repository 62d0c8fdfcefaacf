"""Weights across studies: in come trials' models, out go the starts of the next study's."""

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint.metadata import Metadata
from optuna_meta.weights.fine_tuning.early_stopping import BestWeights
from optuna_meta.weights.fine_tuning.freeze import freeze
from optuna_meta.weights.fine_tuning.freeze import linear_probe
from optuna_meta.weights.fine_tuning.learning_rates import parameter_groups
from optuna_meta.weights.fine_tuning.regularization import L2SP
from optuna_meta.weights.fine_tuning.regularization import shrink_and_perturb
from optuna_meta.weights.merging.align import align
from optuna_meta.weights.merging.average import average
from optuna_meta.weights.merging.average import cosine_similarity
from optuna_meta.weights.merging.average import refresh_statistics
from optuna_meta.weights.merging.ensemble import Ensemble
from optuna_meta.weights.merging.ensemble import greedy_weights
from optuna_meta.weights.merging.ensemble import predict_all
from optuna_meta.weights.merging.ensemble import simplex_weights
from optuna_meta.weights.merging.soup import greedy_soup
from optuna_meta.weights.merging.soup import learn_weights
from optuna_meta.weights.meta_learning.joint import joint_init
from optuna_meta.weights.meta_learning.loop import InnerLoop
from optuna_meta.weights.meta_learning.loop import OuterLoop
from optuna_meta.weights.meta_learning.maml import adapt
from optuna_meta.weights.meta_learning.maml import maml_init
from optuna_meta.weights.meta_learning.reptile import reptile_init
from optuna_meta.weights.selection.candidate import Candidate
from optuna_meta.weights.selection.candidate import find_checkpoints
from optuna_meta.weights.selection.measures import by_fit
from optuna_meta.weights.selection.measures import by_leep
from optuna_meta.weights.selection.measures import by_logme
from optuna_meta.weights.selection.measures import by_loss
from optuna_meta.weights.selection.measures import by_score
from optuna_meta.weights.selection.measures import Nearest
from optuna_meta.weights.selection.new_task import NewTask
from optuna_meta.weights.selection.rank import rank_checkpoints
from optuna_meta.weights.selection.rank import ShortlistThenTrain
from optuna_meta.weights.selection.ranking import Ranked
from optuna_meta.weights.selection.ranking import Ranking
from optuna_meta.weights.selection.short_training import ShortTraining
from optuna_meta.weights.selection.starts import check_starts
from optuna_meta.weights.selection.starts import STARTS
from optuna_meta.weights.selection.starts import suggest_start
from optuna_meta.weights.store.random_state import RandomState
from optuna_meta.weights.store.record import CheckpointRecord
from optuna_meta.weights.store.store import CheckpointStore
from optuna_meta.weights.store.verify import Finding
from optuna_meta.weights.store.verify import Verification
from optuna_meta.weights.warm_start.embedding_rows import EmbeddingRows
from optuna_meta.weights.warm_start.initialize import initialize
from optuna_meta.weights.warm_start.position_grid import PositionGrid
from optuna_meta.weights.warm_start.report import InitReport
from optuna_meta.weights.warm_start.report import record_lineage


__all__ = [
    "BestWeights",
    "Candidate",
    "Checkpoint",
    "CheckpointRecord",
    "CheckpointStore",
    "EmbeddingRows",
    "Ensemble",
    "Finding",
    "InitReport",
    "InnerLoop",
    "L2SP",
    "Metadata",
    "Nearest",
    "NewTask",
    "OuterLoop",
    "PositionGrid",
    "RandomState",
    "Ranked",
    "Ranking",
    "STARTS",
    "ShortTraining",
    "ShortlistThenTrain",
    "Verification",
    "adapt",
    "align",
    "average",
    "by_fit",
    "by_leep",
    "by_logme",
    "by_loss",
    "by_score",
    "check_starts",
    "cosine_similarity",
    "find_checkpoints",
    "freeze",
    "greedy_soup",
    "greedy_weights",
    "initialize",
    "joint_init",
    "learn_weights",
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

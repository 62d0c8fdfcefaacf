"""A trial's weights: kept, chosen, and the start of the next study's models."""

from optuna_meta.weights.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint import Metadata
from optuna_meta.weights.find import Candidate
from optuna_meta.weights.find import find_checkpoints
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
from optuna_meta.weights.roles import ROLES
from optuna_meta.weights.roles import suggest_start
from optuna_meta.weights.rung import Rung
from optuna_meta.weights.store import CheckpointStore
from optuna_meta.weights.target import Target
from optuna_meta.weights.verify import Finding
from optuna_meta.weights.verify import Verification


__all__ = [
    "Candidate",
    "Checkpoint",
    "CheckpointRecord",
    "CheckpointStore",
    "Finding",
    "Guarded",
    "Metadata",
    "Nearest",
    "ROLES",
    "Ranked",
    "Ranking",
    "Rung",
    "Target",
    "Verification",
    "by_fit",
    "by_leep",
    "by_logme",
    "by_loss",
    "by_score",
    "find_checkpoints",
    "rank_checkpoints",
    "suggest_start",
]

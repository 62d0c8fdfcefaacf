"""A trial's weights: kept, chosen, and the start of the next study's models."""

from optuna_meta.weights.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint import Metadata
from optuna_meta.weights.record import CheckpointRecord
from optuna_meta.weights.store import CheckpointStore
from optuna_meta.weights.verify import Verification


__all__ = ["Checkpoint", "CheckpointRecord", "CheckpointStore", "Metadata", "Verification"]

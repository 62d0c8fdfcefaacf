"""A trial's weights: kept, chosen, and the start of the next study's models."""

from optuna_meta.weights.checkpoint import Checkpoint
from optuna_meta.weights.checkpoint import Metadata


__all__ = ["Checkpoint", "Metadata"]

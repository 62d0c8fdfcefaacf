"""Studies run again on what was learned of them: what a cold start would have come to."""

from optuna_meta.replay.saving import estimate_saving
from optuna_meta.replay.saving import Saving


__all__ = ["Saving", "estimate_saving"]

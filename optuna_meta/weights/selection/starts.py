"""The starting point as a hyperparameter that means the same in every study."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping

import optuna

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.selection.candidate import Candidate


__all__ = ["STARTS", "suggest_start"]

# In this order in every study, for a sampler learns across studies which of them pays.
STARTS = ("scratch", "best", "nearest", "transferable", "average", "meta-learned")


def suggest_start(
    trial: optuna.Trial,
    starts: Mapping[str, Checkpoint | Candidate | Callable[[], Checkpoint | None] | None],
    *,
    name: str = "start",
) -> Checkpoint | None:
    """Suggest what a trial's model starts from: ``scratch``, or one of those given by name.

    A checkpoint's own number would mean something else in each study; these names do not, so that
    :class:`MetaSampler` learns from prior studies which starts pay.

    Args:
        trial: The running trial.
        starts: By name, of :data:`STARTS`: a checkpoint, a candidate, or what loads it when it is
            drawn. ``None`` stands for a start that ends up at scratch, as ``rank_checkpoints``
            may; it stays a choice, for all trials of a study must have the same.
        name: Of the parameter.

    Returns:
        The checkpoint; ``None`` for scratch.

    Raises:
        ValueError: A name is not one of :data:`STARTS`.
    """
    if unknown := starts.keys() - set(STARTS):
        raise ValueError(
            f"Starts have the names {', '.join(STARTS)}, so that they mean the same in every "
            f"study; got {', '.join(map(repr, sorted(unknown)))}."
        )
    choices = [known for known in STARTS if known in starts or known == "scratch"]
    start = starts.get(trial.suggest_categorical(name, choices))
    if isinstance(start, Candidate):
        return start.load()
    return start if start is None or isinstance(start, Checkpoint) else start()

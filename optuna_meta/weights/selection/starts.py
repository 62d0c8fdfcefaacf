"""The starting point as a hyperparameter that means the same in every study."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping

import optuna

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.selection.candidate import Candidate


__all__ = ["ROLES", "suggest_start"]

# In this order in every study, for a sampler learns across studies which of them pays.
ROLES = ("scratch", "best", "nearest", "transferable", "average", "meta-learned")


def suggest_start(
    trial: optuna.Trial,
    starts: Mapping[str, Checkpoint | Candidate | Callable[[], Checkpoint | None] | None],
    *,
    name: str = "start",
) -> Checkpoint | None:
    """Suggests what a trial's model starts from, by role: ``scratch`` or one of those given.

    A checkpoint's number or name would mean something else in each study; a role does not, so that
    :class:`MetaSampler` learns from prior studies which roles pay.

    Args:
        trial: The running trial.
        starts: By role, of :data:`ROLES`: a checkpoint, a candidate, or what loads it when its
            role is drawn. ``None`` stands for a role that ends up at scratch, as
            ``rank_checkpoints`` may; it stays a choice, for all trials of a study must have the
            same.
        name: Of the parameter.

    Returns:
        The checkpoint; ``None`` for scratch.

    Raises:
        ValueError: A role is not one of :data:`ROLES`.
    """
    if unknown := starts.keys() - set(ROLES):
        raise ValueError(
            f"Starts have the roles {', '.join(ROLES)}, so that they mean the same in every "
            f"study; got {', '.join(map(repr, sorted(unknown)))}."
        )
    choices = [role for role in ROLES if role in starts or role == "scratch"]
    start = starts.get(trial.suggest_categorical(name, choices))
    if isinstance(start, Candidate):
        return start.load()
    return start if start is None or isinstance(start, Checkpoint) else start()

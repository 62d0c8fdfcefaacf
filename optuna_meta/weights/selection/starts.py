"""The choice of a start as a hyperparameter that means the same in every study."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from typing import TypeAlias

import optuna

from optuna_meta._spelling import meant
from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.selection.candidate import Candidate


__all__ = ["check_starts", "STARTS", "suggest_start"]

# In this order in every study, for a sampler learns across studies which of them pays.
STARTS = ("scratch", "best", "nearest", "transferable", "average", "meta-learned")

Start: TypeAlias = Checkpoint | Candidate | Callable[[], Checkpoint | None] | None


def check_starts(starts: Mapping[str, Start]) -> None:
    """Check what :func:`suggest_start` is to choose from, before any trial does.

    Raises:
        ValueError: A name is not one of :data:`STARTS`, or what it names is no start.
    """
    if not isinstance(starts, Mapping):
        raise ValueError(
            f"Wanted are starts by name, such as {{'transferable': ranking.trained}}, got "
            f"{type(starts).__name__}."
        )
    for name, start in starts.items():
        if name not in STARTS:
            likely = meant(str(name), STARTS)
            hint = "" if likely is None else f" (did you mean {likely!r}?)"
            raise ValueError(
                f"Starts have the names {', '.join(STARTS)}, so that they mean the same in every "
                f"study; got {name!r}{hint}. Name each by how it was found: 'best' by its value, "
                "'nearest' by its study, 'transferable' by rank_checkpoints, 'average' of several."
            )
        if not (start is None or isinstance(start, Checkpoint | Candidate) or callable(start)):
            raise ValueError(
                f"Start {name!r} must be a checkpoint, a candidate, what loads one, or None, got "
                f"{type(start).__name__}: a CheckpointStore loads a record."
            )


def suggest_start(
    trial: optuna.Trial, starts: Mapping[str, Start], *, name: str = "start"
) -> Checkpoint | None:
    """Suggest what a trial's model starts from: ``scratch``, or one of those given by name.

    A checkpoint's own number would mean something else in each study; these names do not, so that
    :class:`MetaSampler` learns from prior studies which starts pay.

    ``best`` has the best value among prior checkpoints, ``nearest`` is of the nearest study,
    ``transferable`` what :func:`rank_checkpoints` chooses, ``average`` of several, and
    ``meta-learned`` learned over several tasks.

    Args:
        trial: The running trial.
        starts: By name, of :data:`STARTS`: a checkpoint, a candidate, or what loads it when it is
            drawn. ``None`` stands for a start that ends up at scratch, as ``rank_checkpoints``
            may; it stays a choice, for all trials of a study must have the same.
        name: Of the parameter.

    Returns:
        The checkpoint; ``None`` for scratch.

    Raises:
        ValueError: As :func:`check_starts`, which can be called before the study.
    """
    check_starts(starts)
    choices = [known for known in STARTS if known in starts or known == "scratch"]
    start = starts.get(trial.suggest_categorical(name, choices))
    if isinstance(start, Candidate):
        return start.load()
    return start if start is None or isinstance(start, Checkpoint) else start()

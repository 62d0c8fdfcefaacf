"""What one candidate does on the new task at first sight, before any training."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn
from torch import Tensor

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.selection.candidate import Candidate
from optuna_meta.weights.selection.new_task import NewTask
from optuna_meta.weights.selection.new_task import unhealthy
from optuna_meta.weights.state_dict import state_of
from optuna_meta.weights.store.artifacts import UNREADABLE
from optuna_meta.weights.tensors import not_finite
from optuna_meta.weights.warm_start.report import InitReport


__all__ = ["Preview", "preview_of"]


class Preview(NamedTuple):
    """A candidate's model before any training."""

    candidate: Candidate
    model: nn.Module
    share: float  # of the model's parameters that the checkpoint has
    outputs: Tensor  # (n, ...)
    loss: float


def preview_of(candidate: Candidate, target: NewTask) -> Preview | str:
    """Return the candidate's model before any training, or why it cannot be a source."""
    try:
        checkpoint = candidate.load()
    except UNREADABLE as error:
        return str(error)
    model = target.model(None)
    if diverged := not_finite(checkpoint.state, state_of(model.state_dict())):
        return f"it diverged: {diverged[0]} is not finite"
    try:
        share = _share(model, checkpoint, target.start(model, checkpoint))
    # A start of the user's own, such as load_state_dict, may raise the other two.
    except (ValueError, RuntimeError, KeyError) as error:
        return str(error).partition("\n")[0]
    if share < target.least:
        return f"another architecture: {share:.0%} of the parameters fit"
    found = target.judged(model, target.every())
    return unhealthy(found.outputs) or Preview(candidate, model, share, found.outputs, found.loss)


def _share(model: nn.Module, checkpoint: Checkpoint, report: object) -> float:
    """Return the share of the model's parameters that it has from the checkpoint.

    Only a report tells what became of rows that go by item, or of names.
    """
    if isinstance(report, InitReport):
        return report.share_of_wanted
    own, shapes = state_of(dict(model.named_parameters())), checkpoint.shapes
    fitting = sum(p.numel() for name, p in own.items() if shapes.get(name) == p.shape)
    return fitting / max(1, sum(p.numel() for p in own.values()))

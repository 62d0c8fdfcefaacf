"""What one candidate does on the new task at first sight, before any training."""

from __future__ import annotations

from typing import NamedTuple

from optuna.artifacts.exceptions import ArtifactNotFound
import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.selection.candidate import Candidate
from optuna_meta.weights.selection.new_task import NewTask
from optuna_meta.weights.selection.new_task import unhealthy
from optuna_meta.weights.state_dict import state_of
from optuna_meta.weights.tensors import all_finite
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
    except (ArtifactNotFound, ValueError) as error:
        return str(error)
    model = target.model(None)
    own = state_of({n: t for n, t in model.state_dict().items() if isinstance(t, Tensor)})
    for name, tensor in checkpoint.state.items():
        if not all_finite(tensor) and not _is_as_built(tensor, own.get(name)):
            return f"it diverged: {name} is not finite"
    try:
        share = _share(model, checkpoint, target.start(model, checkpoint))
    # A start of the user's own, such as load_state_dict, may raise the other two.
    except (ValueError, RuntimeError, KeyError) as error:
        return str(error).partition("\n")[0]
    if share < target.least:
        return f"another architecture: {share:.0%} of the parameters fit"
    found = target.judged(model, target.every())
    return unhealthy(found.outputs) or Preview(candidate, model, share, found.outputs, found.loss)


def _is_as_built(tensor: Tensor, own: Tensor | None) -> bool:
    """Tell whether a tensor has the NaN and infinities of a fresh model's only, as a mask has."""
    if own is None or own.shape != tensor.shape:
        return False
    theirs, ours = tensor.float(), own.to(tensor.device).float()
    odd = ~torch.isfinite(theirs)
    return torch.equal(theirs[odd].nan_to_num(0.0), ours[odd].nan_to_num(0.0)) and bool(
        (~torch.isfinite(ours[odd])).all()
    )


def _share(model: nn.Module, checkpoint: Checkpoint, report: object) -> float:
    """Return the share of the model's parameters that it has from the checkpoint.

    Only a report tells what became of rows that go by item, or of names.
    """
    if isinstance(report, InitReport):
        return report.share_of_wanted
    own, shapes = state_of(dict(model.named_parameters())), checkpoint.shapes
    fitting = sum(p.numel() for name, p in own.items() if shapes.get(name) == p.shape)
    return fitting / max(1, sum(p.numel() for p in own.values()))

"""The new task that a source is chosen for, and what one candidate does on it at first sight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import math
from typing import NamedTuple

from optuna.artifacts.exceptions import ArtifactNotFound
import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.selection.candidate import Candidate
from optuna_meta.weights.state_dict import same_kind
from optuna_meta.weights.state_dict import state_of


__all__ = ["Preview", "NewTask", "copy_fitting", "healthy", "look_at", "predict"]

_ROWS = 1024  # that pass a model at once
_LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class NewTask:
    """A new task.

    Args:
        build: Makes its model, newly initialised.
        inputs: Examples to choose by, on the device to work on; not those that report the result.
            # (n, ...)
        targets: Theirs; whole numbers are classes.  # (n, ...)
        loss: Of a model's outputs and the targets, lower is better, as a mean of examples.
        score: What the result is judged by in the end, such as the accuracy, of the same: higher
            is better, and finite. By default minus the loss.
        start: Puts a checkpoint into a model, such as ``functools.partial(initialize, head=...)``.
            By default every tensor is copied whose name, shape and kind of number fit.
        features: A model's features of inputs (n, d), for LogME; by default what its last linear
            layer is given.
        least: The share of a model's parameters that must be copied, of those that are to be,
            where ``start`` returns the report of :func:`initialize`; elsewhere, that must have
            their name and shape in a checkpoint.
    """

    build: Callable[[], nn.Module]
    inputs: Tensor
    targets: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]
    score: Callable[[Tensor, Tensor], float] | None = None
    start: Callable[[nn.Module, Checkpoint], object] | None = None
    features: Callable[[nn.Module, Tensor], Tensor] | None = None
    least: float = 0.5

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets) or len(self.inputs) < 2:
            raise ValueError(
                "At least two examples are wanted, and as many targets as inputs, got "
                f"{len(self.inputs)} inputs and {len(self.targets)} targets."
            )

    def model(self, checkpoint: Checkpoint | None) -> nn.Module:
        """A new model, with a checkpoint's weights or its own."""
        model = self.build().to(self.inputs.device)
        if checkpoint is not None:
            (self.start or copy_fitting)(model, checkpoint)
        return model

    def miss(self, outputs: Tensor, targets: Tensor) -> tuple[float, float]:
        """Minus the score, or the loss in its place, and the loss: both lower is better.

        Raises:
            ValueError: If the score is not finite though the loss is.
        """
        loss = self.loss(outputs, targets).item()
        miss = loss if self.score is None else -float(self.score(outputs, targets))
        if math.isnan(miss) and len(outputs) > 1 and healthy(outputs):
            return math.inf, loss  # As a correlation of constant outputs: those of a dead model.
        if not math.isfinite(miss) and math.isfinite(loss):
            raise ValueError(
                f"The score must be finite, got {-miss} for {len(targets)} held-out examples: "
                "pass one that so few have, larger folds (ShortlistThenTrain(short_training=ShortTraining(folds=2))), or no "
                "score."
            )
        return miss, loss


class Preview(NamedTuple):
    """A candidate's model before any training."""

    candidate: Candidate
    model: nn.Module
    share: float  # of the model's parameters that the checkpoint has
    outputs: Tensor  # (n, ...)


def look_at(candidate: Candidate, target: NewTask) -> Preview | str:
    """Returns the candidate's model, or why it cannot be a source."""
    try:
        checkpoint = candidate.load()
    except (ArtifactNotFound, ValueError) as error:
        return str(error)
    for name, tensor in checkpoint.state.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor.float()).all():
            return f"it diverged: {name} is not finite"
    model = target.build().to(target.inputs.device)
    try:
        report = (target.start or copy_fitting)(model, checkpoint)
    # A start of the user's own, such as load_state_dict, may raise the other two.
    except (ValueError, RuntimeError, KeyError) as error:
        return str(error).partition("\n")[0]
    share = _share(model, checkpoint, report)
    if share < target.least:
        return f"another architecture: {share:.0%} of the parameters fit"
    outputs = predict(model, target.inputs)
    if problem := healthy(outputs):
        return problem
    return Preview(candidate, model, share, outputs)


def healthy(outputs: Tensor) -> str:
    """Why outputs (n, ...) are those of a dead or diverged model; empty where they are not."""
    rows = outputs.detach().double().reshape(len(outputs), -1)
    if not torch.isfinite(rows).all():
        return "its outputs are not finite"
    if float(rows.std(dim=0).max()) <= _LEAST_SPREAD * float(rows.abs().mean()):
        return "its outputs are the same for all inputs"
    return ""


@torch.no_grad()
def predict(model: nn.Module, inputs: Tensor) -> Tensor:
    """A model's outputs in evaluation mode, some rows at a time."""
    training = model.training
    model.eval()
    starts = range(0, len(inputs), _ROWS)
    outputs = torch.cat([model(inputs[start : start + _ROWS]) for start in starts])
    model.train(training)
    return outputs


@torch.no_grad()
def copy_fitting(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Copies each tensor whose name, shape and kind of number fit."""
    for name, own in state_of(model.state_dict()).items():
        if _fits(own, checkpoint.state.get(name)):
            own.copy_(checkpoint.state[name])


def _share(model: nn.Module, checkpoint: Checkpoint, report: object) -> float:
    """The share of the model's parameters that it has from the checkpoint.

    Only ``initialize`` knows what became of rows that go by item, or of names.
    """
    share = getattr(report, "share_of_wanted", None)
    if isinstance(share, float):
        return share
    names = state_of(dict(model.named_parameters()))
    fitting = sum(t.numel() for n, t in names.items() if _fits(t, checkpoint.state.get(n)))
    return fitting / max(1, sum(tensor.numel() for tensor in names.values()))


def _fits(own: Tensor, other: Tensor | None) -> bool:
    return other is not None and own.shape == other.shape and same_kind(own.dtype, other.dtype)

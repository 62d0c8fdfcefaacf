"""The new task that a source is chosen for, and what one candidate does on it at first sight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
import math
from typing import NamedTuple

import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.selection.candidate import Candidate
from optuna_meta.weights.state_dict import state_of
from optuna_meta.weights.store.artifacts import UNREADABLE
from optuna_meta.weights.tensors import all_finite
from optuna_meta.weights.tensors import not_finite
from optuna_meta.weights.torch_tools import evaluating
from optuna_meta.weights.warm_start.initialize import initialize
from optuna_meta.weights.warm_start.report import InitReport


__all__ = ["NewTask", "predict", "Preview", "preview_of", "unhealthy"]

_ROWS = 1024  # that pass a model at once: what bounds the memory of its hidden layers
_LEAST_SPREAD = 1e-6  # of outputs, as a share of their size: about ten times float32's rounding


@dataclass(frozen=True)
class NewTask:
    """A new task.

    Args:
        build: Makes its model, newly initialised.
        inputs: Examples to choose by, on the device to work on; not those that report the result.
            # (n, ...)
        labels: Theirs; whole numbers are classes.  # (n, ...)
        loss: Of a model's outputs and the labels, lower is better, as a mean of examples.
        score: What the result is judged by in the end, such as the accuracy, of the same: higher
            is better, and finite. By default minus the loss.
        start: Puts a checkpoint into a model; by default :func:`initialize`, which copies what
            fits. Pass ``functools.partial(initialize, least=0.0, partial="skip", head=...)`` for
            its options.
        features: A model's features of inputs (n, d), for LogME; by default what its last linear
            layer is given.
        least: The share of a model's parameters that must be copied, of those that are to be,
            where ``start`` returns the report of :func:`initialize`; elsewhere, that must have
            their name and shape in a checkpoint.
    """

    build: Callable[[], nn.Module]
    inputs: Tensor
    labels: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]
    score: Callable[[Tensor, Tensor], float] | None = None
    start: Callable[[nn.Module, Checkpoint], object] = partial(
        initialize, least=0.0, partial="skip"
    )
    features: Callable[[nn.Module, Tensor], Tensor] | None = None
    least: float = 0.5  # as of initialize: less than half is another architecture

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.labels) or len(self.inputs) < 2:
            raise ValueError(
                "At least two examples are wanted, and as many labels as inputs, got "
                f"{len(self.inputs)} inputs and {len(self.labels)} labels."
            )

    def model(self, checkpoint: Checkpoint | None) -> nn.Module:
        """Build a new model, with a checkpoint's weights or its own."""
        model = self.build().to(self.inputs.device)
        if checkpoint is not None:
            self.start(model, checkpoint)
        return model

    def miss(self, outputs: Tensor, labels: Tensor) -> tuple[float, float]:
        """Return minus the score, or the loss in its place, and the loss: both lower is better.

        Args:
            outputs: A model's.  # (m, ...)
            labels: Of the same examples.  # (m, ...)

        Raises:
            ValueError: If the score is not finite though the loss is.
        """
        loss = self.loss(outputs, labels).item()
        miss = loss if self.score is None else -float(self.score(outputs, labels))
        if math.isnan(miss) and len(outputs) > 1 and unhealthy(outputs):
            return math.inf, loss  # As a correlation of constant outputs: those of a dead model.
        if not math.isfinite(miss) and math.isfinite(loss):
            raise ValueError(
                f"The score must be finite, got {-miss} for {len(labels)} held-out examples: "
                "pass one that so few have, larger folds "
                "(ShortlistThenTrain(short_training=ShortTraining(folds=2))), or no score."
            )
        return miss, loss


class Preview(NamedTuple):
    """A candidate's model before any training."""

    candidate: Candidate
    model: nn.Module
    share: float  # of the model's parameters that the checkpoint has
    outputs: Tensor  # (n, ...)


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
    outputs = predict(model, target.inputs)
    return unhealthy(outputs) or Preview(candidate, model, share, outputs)


def _share(model: nn.Module, checkpoint: Checkpoint, report: object) -> float:
    """Return the share of the model's parameters that it has from the checkpoint.

    Only a report tells what became of rows that go by item, or of names.
    """
    if isinstance(report, InitReport):
        return report.share_of_wanted
    own, shapes = state_of(dict(model.named_parameters())), checkpoint.shapes
    fitting = sum(p.numel() for name, p in own.items() if shapes.get(name) == p.shape)
    return fitting / max(1, sum(p.numel() for p in own.values()))


def unhealthy(outputs: Tensor) -> str:
    """Return why outputs (n, ...) are those of a dead or diverged model; empty if they are not."""
    rows = outputs.detach().double().reshape(len(outputs), -1)
    if not all_finite(rows):
        return "its outputs are not finite"
    if float(rows.std(dim=0).max()) <= _LEAST_SPREAD * float(rows.abs().mean()):
        return "its outputs are the same for all inputs"
    return ""


@torch.no_grad()
def predict(model: nn.Module, inputs: Tensor) -> Tensor:
    """Return a model's outputs (n, ...) of inputs (n, ...) in evaluation mode, part by part."""
    with evaluating(model):
        return torch.cat([model(rows) for rows in torch.split(inputs, _ROWS)])

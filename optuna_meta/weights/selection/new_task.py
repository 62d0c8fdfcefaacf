"""The new task that a source is chosen for: its model, its examples, and how well a model does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from functools import partial
import math
from typing import Any
from typing import NamedTuple

import torch
from torch import nn
from torch import Tensor

from optuna_meta.weights.batches import called
from optuna_meta.weights.batches import Examples
from optuna_meta.weights.batches import examples_of
from optuna_meta.weights.batches import labels_of
from optuna_meta.weights.batches import main_output
from optuna_meta.weights.batches import own_loss
from optuna_meta.weights.batches import tensors_in
from optuna_meta.weights.checkpoint.checkpoint import Checkpoint
from optuna_meta.weights.tensors import all_finite
from optuna_meta.weights.torch_tools import device_of
from optuna_meta.weights.torch_tools import evaluating
from optuna_meta.weights.torch_tools import on_device
from optuna_meta.weights.warm_start.initialize import initialize


__all__ = ["Judged", "NewTask", "unhealthy"]

_ROWS = 1024  # that pass a model at once: what bounds the memory of its hidden layers
_BATCH_ROWS = 64  # the same of examples whose batches are their own: sequences, images
_LEAST_SPREAD = 1e-6  # of outputs, as a share of their size: about ten times float32's rounding
_COLUMNS = 256  # of outputs such as a language model's, which are many for each example


class Judged(NamedTuple):
    """What a model makes of some examples.

    Args:
        miss: Minus the score, or the loss in its place: lower is better.
        loss: Lower is better.
        outputs: What it predicts.  # (m, ...)
    """

    miss: float
    loss: float
    outputs: Tensor


@dataclass(frozen=True)
class NewTask:
    """A new task.

    There are two ways to say what a loss is. With ``labels``, ``loss`` and ``score`` take the
    outputs of the model and the labels. Without, they take what predicts, which is called like the
    model, and a batch, as in the rest of this package; then ``inputs`` are whole examples, and a
    ``DataLoader`` or data set will do.

    Args:
        build: Makes its model, newly initialised.
        inputs: Examples to choose by; not those that report the result. A tensor (n, ...), or a
            tuple of what the model takes by place, or mapping of what it takes by name, of such; a
            data set, or a ``DataLoader``, whose ``collate_fn`` makes batches of its data set.
        labels: Theirs; whole numbers are classes. None where the examples have them.  # (n, ...)
        loss: Lower is better, as a mean of examples; by default the model's own.
        score: What the result is judged by in the end, such as the accuracy, of the same: higher
            is better, and finite. By default minus the loss. Without ``labels``, the mean of that
            of batches counts.
        start: Puts a checkpoint into a model; by default :func:`initialize`, which copies what
            fits. Pass ``functools.partial(initialize, least=0.0, partial="skip", head=...)`` for
            its options, and name a head whose outputs mean something else here.
        features: A model's features of inputs (n, d), for LogME; by default what its last linear
            layer is given, averaged over positions.
        least: The share of a model's parameters that must be copied, of those that are to be,
            where ``start`` returns the report of :func:`initialize`; elsewhere, that must have
            their name and shape in a checkpoint.
        device: Where to work; by default where a tensor of inputs is, or the model.

    Raises:
        ValueError: There are less than two examples, not as many labels, or labels without a loss.
    """

    build: Callable[[], nn.Module]
    inputs: Any
    labels: Tensor | None = None
    loss: Callable[..., Tensor] = own_loss
    score: Callable[..., float] | None = None
    start: Callable[[nn.Module, Checkpoint], object] = partial(
        initialize, least=0.0, partial="skip"
    )
    features: Callable[[nn.Module, Any], Tensor] | None = None
    least: float = 0.5  # as of initialize: less than half is another architecture
    device: str | torch.device | None = None

    def __post_init__(self) -> None:
        n_labels = self.n_examples if self.labels is None else len(self.labels)
        if self.n_examples != n_labels or self.n_examples < 2:
            raise ValueError(
                "At least two examples are wanted, and as many labels as inputs, got "
                f"{self.n_examples} inputs and {n_labels} labels."
            )
        if self.labels is not None and self.loss is own_loss:
            raise ValueError(
                "Wanted a loss of outputs and labels: pass one, or put the labels into the "
                "examples for a model that returns its own."
            )

    @cached_property
    def _examples(self) -> Examples:
        return examples_of(self.inputs)

    @property
    def n_examples(self) -> int:
        """How many examples there are."""
        return len(self._examples)

    @property
    def _device(self) -> torch.device | None:
        if self.device is not None:
            return torch.device(self.device)
        return next((tensor.device for tensor in tensors_in(self.inputs)), None)

    def model(self, checkpoint: Checkpoint | None) -> nn.Module:
        """Build a new model, with a checkpoint's weights or its own."""
        model = self.build()
        if self._device is not None:
            model = model.to(self._device)
        if checkpoint is not None:
            self.start(model, checkpoint)
        return model

    def training_loss(self, model: nn.Module, rows: Tensor) -> Tensor:
        """Return the loss of a batch of examples (m,), with gradients."""
        batch = self._batch(model, rows)
        if self.labels is None:
            return self.loss(model, batch)
        outputs = main_output(called(model, batch))
        return self.loss(outputs, self._labels(outputs, rows))

    @torch.no_grad()
    def judged(self, model: nn.Module, rows: Tensor) -> Judged:
        """Return what a model makes of some examples (m,), in evaluation mode, part by part.

        Raises:
            ValueError: If the score is not finite though the loss is.
        """
        with evaluating(model):
            judge = self._judged_by_batch if self.labels is None else self._judged_by_outputs
            miss, loss, outputs = judge(model, rows)
        if math.isnan(miss) and len(rows) > 1 and unhealthy(outputs):
            miss = math.inf  # As a correlation of constant outputs: those of a dead model.
        elif not math.isfinite(miss) and math.isfinite(loss):
            raise ValueError(
                f"The score must be finite, got {-miss} for {len(rows)} held-out examples: "
                "pass one that so few have, larger folds "
                "(ShortlistThenTrain(short_training=ShortTraining(folds=2))), or no score."
            )
        return Judged(miss, loss, outputs)

    def every(self) -> Tensor:
        """Return the places of all examples.  # (n,)"""
        return torch.arange(self.n_examples, device="cpu")

    @torch.no_grad()
    def features_of(self, model: nn.Module) -> Tensor:
        """Return a model's features of all examples; empty where it has none.  # (n, d)"""
        if self.features is not None:
            if self.labels is not None:
                return self.features(model, self._batch(model, self.every()))
            parts = torch.split(self.every(), _BATCH_ROWS)
            return torch.cat([self.features(model, self._batch(model, part)) for part in parts])
        linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
        given: list[Tensor] = []

        def keep(_: nn.Module, args: tuple[Tensor, ...]) -> None:
            rows = args[0].detach()
            given.append(rows.flatten(1, -2).mean(1) if rows.ndim > 2 else rows)

        if linear:
            with linear[-1].register_forward_pre_hook(keep):
                self.judged(model, self.every())
        return torch.cat(given) if given else torch.empty(self.n_examples, 0)

    def all_labels(self) -> Tensor | None:
        """Return the labels of all examples; ``None`` where they are not known.  # (n, ...)"""
        if self.labels is not None:
            return self.labels
        parts = [
            labels_of(self._examples.batch(part))
            for part in torch.split(self.every(), _BATCH_ROWS)
        ]
        known = [part for part in parts if part is not None]
        same = len({part.shape[1:] for part in known}) == 1 and len(known) == len(parts)
        return torch.cat(known) if same else None

    def _judged_by_outputs(self, model: nn.Module, rows: Tensor) -> tuple[float, float, Tensor]:
        parts = [self._batch(model, part) for part in torch.split(rows, _ROWS)]
        outputs = torch.cat([main_output(called(model, part)) for part in parts])
        labels = self._labels(outputs, rows)
        loss = self.loss(outputs, labels).item()
        return (loss if self.score is None else -float(self.score(outputs, labels))), loss, outputs

    def _judged_by_batch(self, model: nn.Module, rows: Tensor) -> tuple[float, float, Tensor]:
        miss = loss = 0.0
        outputs = []
        for part in torch.split(rows, _BATCH_ROWS):
            batch, predict = self._batch(model, part), _Recorded(model)
            share = len(part) / len(rows)
            of_part = self.loss(predict, batch).item()
            loss += share * of_part
            miss += share * (of_part if self.score is None else -self.score(predict, batch))
            outputs.append(predict.outputs())
        widths = [part.shape[-1] for part in outputs]  # They differ where sequences do.
        return miss, loss, torch.cat([part[..., : min(widths)] for part in outputs])

    def _batch(self, model: nn.Module, rows: Tensor) -> Any:
        return on_device(self._examples.batch(rows), self._device or device_of(model))

    def _labels(self, outputs: Tensor, rows: Tensor) -> Tensor:
        assert self.labels is not None
        return self.labels[rows.to(self.labels.device)].to(outputs.device)


class _Recorded:
    """A model that is called by a loss, and what it predicts.

    Args:
        model: The model.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._last: Any = None

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        self._last = self._model(*inputs, **named)
        return self._last

    def outputs(self) -> Tensor:
        """Return the last outputs (m, ...); of many a row, some from all over it.  # (m, d)"""
        if self._last is None:
            raise ValueError("The loss must call what predicts: loss(predict, batch).")
        outputs = main_output(self._last)
        if outputs.ndim < 3:
            return outputs
        return _some_columns(outputs.flatten(1))


def _some_columns(rows: Tensor) -> Tensor:
    """Return rows (n, d) of at most so many columns, from all over them."""
    return rows[:, :: max(1, -(-rows.shape[1] // _COLUMNS))]


def unhealthy(outputs: Tensor) -> str:
    """Return why outputs (n, ...) are those of a dead or diverged model; empty if they are not."""
    rows = outputs.detach().reshape(len(outputs), -1)
    if not all_finite(rows):
        return "its outputs are not finite"
    rows = _some_columns(rows).double()
    if float(rows.std(dim=0).max()) <= _LEAST_SPREAD * float(rows.abs().mean()):
        return "its outputs are the same for all inputs"
    return ""

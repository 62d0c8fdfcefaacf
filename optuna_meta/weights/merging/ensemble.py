"""Several models that predict together, and how much each counts.

The members run one after the other, so that besides the members themselves one prediction and a
sum are in memory. Their weights are chosen by predictions on validation data: greedily and with
replacement, as by Caruana et al. (2004), "Ensemble selection from libraries of models"; or those
with the least loss, for the logarithm of a mean probability and the square of a mean error are
convex in the weights, so that a descent finds the best ones. The greedy ones are coarser, and
overfit little data less.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import inspect
from typing import Any
from typing import Literal

import numpy as np
from scipy.optimize import LinearConstraint
from scipy.optimize import minimize
import torch
from torch import nn
from torch import Tensor

from optuna_meta._typing import Array
from optuna_meta.weights.batches import batches_of
from optuna_meta.weights.batches import called
from optuna_meta.weights.batches import main_output
from optuna_meta.weights.batches import split_labels
from optuna_meta.weights.merging.average import shares_of
from optuna_meta.weights.torch_tools import device_of
from optuna_meta.weights.torch_tools import evaluating
from optuna_meta.weights.torch_tools import on_device


__all__ = ["Ensemble", "ensemble_loss", "greedy_weights", "predict_all", "simplex_weights"]

Space = Literal["probability", "value"]
EnsembleLoss = Callable[[Tensor, Tensor], Tensor]

_LEAST_PROBABILITY = 1e-12  # What is held impossible and happens costs 28, and no infinity.
_IGNORED = -100  # As torch's cross entropy ignores it.
_LEAST_WEIGHT = 1e-4  # Less is what the descent leaves of 0.


class Ensemble(nn.Module):
    """The weighted mean of several models' predictions.

    It stands where a member stood: of classifiers it returns the logarithm of the mean
    probability, which a cross entropy takes as logits. Where members return records or mappings,
    as those of ``transformers`` do, so does it: of the logits alone, for their losses are not its.

    Args:
        models: Models that take the same inputs and return a tensor of one shape, alone or in a
            record, mapping or tuple. Those of weight 0 are left out.
        weights: Of each, not negative; they are scaled to sum to 1. Equal if None.
        space: ``"probability"`` for classifiers that return logits, ``"value"`` for predictions
            whose mean is a prediction, such as those of a regression.
        dim: Where the classes are.

    Raises:
        ValueError: If there are no models, the weights do not belong to them, or the space is not
            known.
    """

    weights: Tensor  # (members,)

    def __init__(
        self,
        models: Sequence[nn.Module],
        weights: Sequence[float] | None = None,
        *,
        space: Space = "probability",
        dim: int = -1,
    ) -> None:
        super().__init__()
        if space not in ("probability", "value"):
            raise ValueError(f"space must be 'probability' or 'value', got {space!r}.")
        shares = shares_of(weights, len(models), "models")
        kept = [(model, share) for model, share in zip(models, shares, strict=True) if share]
        self.models = nn.ModuleList(model for model, _ in kept)
        used = torch.tensor([share for _, share in kept], device=device_of(self.models))
        self.register_buffer("weights", used)
        self.space, self.dim = space, dim

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Return the mean prediction, (n, ...) as one member's, or a mapping or record of it."""
        outputs: Any = None
        mixed: Tensor | None = None
        for model, weight in zip(self.models, self.weights.unbind(), strict=True):
            outputs = model(*inputs, **named)
            one = main_output(outputs)
            if self.space == "value":
                mixed = weight * one if mixed is None else mixed + weight * one
            else:  # Logarithms stay such: small probabilities keep their order.
                log = one.log_softmax(self.dim) + weight.log()
                mixed = log if mixed is None else torch.logaddexp(mixed, log)
        if not isinstance(outputs, Mapping):
            return mixed
        return type(outputs)(**{name: mixed for name, part in outputs.items() if part is one})


def predict_all(
    models: Iterable[nn.Module],
    batches: Iterable[Any],
    *,
    space: Space = "probability",
    dim: int = -1,
    device: str | torch.device | None = None,
) -> tuple[Tensor, Tensor]:
    """Return all predictions on some data, to choose weights by.

    Args:
        models: An iterator that loads one after the other bounds the memory.
        batches: Tuples of inputs (a tensor, or a tuple or mapping of what the model takes) and
            labels, or mappings that have labels, such as a loader gives; or a data set. All are
            kept in memory.
        space: ``"probability"`` makes probabilities of the models' logits.
        dim: Where the classes are.
        device: Where each model computes before it returns to where it was; there if None.

    Returns:
        Predictions on the CPU, (models, n, ...) with classes last, and labels, (n, ...).

    Raises:
        ValueError: If there are no models or no data, or a batch without labels.
    """
    data = [_labelled(batch) for batch in batches_of(batches)]
    predictions = []
    for model in models if data else ():
        with torch.no_grad(), evaluating(model, device) as place:
            moved = (on_device(inputs, place) for inputs, _ in data)
            outputs = [main_output(_predicted(model, inputs)).cpu() for inputs in moved]
        if space == "probability":
            outputs = [output.softmax(dim).movedim(dim, -1) for output in outputs]
        predictions.append(torch.cat(outputs))
    if not predictions or not data:
        raise ValueError(f"Pass models and data, got {len(predictions)} and {len(data)} batches.")
    return torch.stack(predictions), torch.cat([labels for _, labels in data]).cpu()


def ensemble_loss(mixed: Tensor, labels: Tensor) -> Tensor:
    """Return the mean loss of an ensemble.

    Args:
        mixed: Probabilities of shape (n, classes) for labels that are whole numbers, else values.
        labels: Classes of shape (n,), for which the loss is the negative logarithm of their
            probability, or values of the predictions' shape, for which it is the squared error.
            Classes of -100 do not count, as in torch.

    Raises:
        ValueError: If the shapes do not belong together.
    """
    if labels.is_floating_point():
        if mixed.shape != labels.shape:
            raise ValueError(
                f"Predictions of shape {tuple(mixed.shape)} do not belong to labels of shape "
                f"{tuple(labels.shape)}. Give both one shape."
            )
        return (mixed - labels).square().mean()
    counted = labels != _IGNORED
    mixed, labels = mixed[counted], labels[counted]
    probability = mixed.gather(-1, labels.long()[..., None])
    return -probability.clamp_min(_LEAST_PROBABILITY).log().mean()


def greedy_weights(
    predictions: Tensor, labels: Tensor, *, size: int = 25, loss: EnsembleLoss = ensemble_loss
) -> tuple[float, ...]:
    """Return the shares of the models that greedy additions chose.

    One at a time, the model is added whose equal mean with those before has the least loss, of
    equals one already added, then the first. The best of all sizes is returned.

    Args:
        predictions: (models, n, ...), probabilities or values.
        labels: (n, ...).
        size: How many to add, with replacement.
        loss: Of the mixed predictions and the labels; any number will do, such as an error rate.

    Raises:
        ValueError: If there are no models, the size is not positive, or no loss is finite.
    """
    _check(predictions, size)
    counts = torch.zeros(len(predictions), dtype=torch.float64, device="cpu")
    total = torch.zeros_like(predictions[0], dtype=torch.float64)
    best, kept = float("inf"), counts
    for n in range(1, size + 1):
        losses = [float(loss((total + one) / n, labels)) for one in predictions]
        ranked = [(v if v == v else np.inf, not counts[i], i) for i, v in enumerate(losses)]
        reached, _, chosen = min(ranked)
        counts = counts.clone()
        counts[chosen] += 1.0
        total += predictions[chosen]
        if reached < best:
            best, kept = reached, counts
    if not np.isfinite(best):
        raise ValueError("No model's predictions have a finite loss. Leave out diverged models.")
    return tuple((kept / kept.sum()).tolist())


def simplex_weights(
    predictions: Tensor, labels: Tensor, *, loss: EnsembleLoss = ensemble_loss
) -> tuple[float, ...]:
    """Return the weights, not negative and of sum 1, with the least loss.

    Args:
        predictions: (models, n, ...), probabilities or values.
        labels: (n, ...).
        loss: Of the mixed predictions and the labels; it has a gradient.

    Raises:
        ValueError: If there are no models, or predictions are not finite.
    """
    _check(predictions, 1)
    if not bool(torch.isfinite(predictions).all()):
        raise ValueError("Predictions must be finite. Leave out diverged models.")
    wide = predictions.detach().double()
    wanted = labels.double() if labels.is_floating_point() else labels

    def value(weights: Array) -> tuple[float, Array]:
        w = torch.tensor(weights, device=wide.device, requires_grad=True)
        reached = loss(torch.tensordot(w, wide, 1), wanted)
        (slope,) = torch.autograd.grad(reached, w)
        return float(reached.detach()), slope.cpu().numpy()

    n = len(predictions)
    found: Any = minimize(
        value,
        np.full(n, 1.0 / n),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * n,
        constraints=LinearConstraint(np.ones(n), 1.0, 1.0),
        options={"ftol": 1e-10, "maxiter": 200},
    )
    weights = np.where(found.x < _LEAST_WEIGHT, 0.0, found.x)
    return tuple((weights / weights.sum()).tolist())


def _predicted(model: nn.Module, inputs: Any) -> Any:
    """Return what a model predicts, without what it does not take, such as labels, by name."""
    if isinstance(inputs, Mapping):
        known = inspect.signature(model.forward).parameters.values()
        if all(p.kind != p.VAR_KEYWORD for p in known):
            inputs = {n: part for n, part in inputs.items() if n in {p.name for p in known}}
    return called(model, inputs)


def _labelled(batch: Any) -> tuple[Any, Tensor]:
    """Return inputs and labels of a batch; among the inputs by name the labels stay."""
    inputs, labels = split_labels(batch)
    inputs = batch if isinstance(batch, Mapping) else inputs
    if not isinstance(labels, Tensor):
        raise ValueError(
            f"Wanted batches with labels, got {type(batch).__name__} without: pass tuples of "
            'inputs and labels, or mappings that have "labels".'
        )
    return inputs, labels


def _check(predictions: Tensor, size: int) -> None:
    if predictions.ndim < 2 or not len(predictions) or size < 1:
        raise ValueError(
            "Predictions must have the shape (models, n, ...) of one model at least, and size be "
            f"positive, got {tuple(predictions.shape)} and {size}."
        )
